"""The socket by which the command line speaks to a running daemon: small HTTP requests and answers in JSON.

It lies in the state directory with mode 0600. A path of any length works: the kernel takes at most 107 bytes, so both
sides go through a descriptor of the directory.

A verb that takes a while answers with a stream: a line of JSON for each value, as they come, and an empty line where
nothing came for a while. Who asked may hang up at any time. No secret ever passes the socket: the daemon has its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tcbsync.core.errors import ConfigError, RateLimited, StateError, TcbsyncError, Transient, defect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    Handler = Callable[[Mapping[str, Any]], Awaitable[Any] | AsyncIterator[Any]]

log = logging.getLogger(__name__)

FILE_NAME = "control.sock"
REQUEST_BYTES = 1024 * 1024
"""A request may be so large."""
LINE_BYTES = 1024 * 1024
"""A line of a stream may be so long."""
ANSWER_SECONDS = 30.0
BEAT_SECONDS = 10.0
"""A stream in which nothing happens says that it is alive so often."""
GOODBYE_SECONDS = 1.0
"""A request that is under way when the daemon stops gets so long."""


@contextlib.asynccontextmanager
async def serve(state_dir: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Answer requests by verb: each handler gets the values that came, and gives something that JSON can hold.

    Or it is an async generator of such values. What a handler raises is answered as an error. Raises StateError where
    there can be no socket.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        status, value = await _answer(handlers, request)
        if isinstance(value, AsyncIterator):
            return await _stream(request, value)
        return web.json_response(value, status=status)

    app = web.Application(client_max_size=REQUEST_BYTES)
    app.router.add_route("*", "/{verb:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GOODBYE_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, state_dir)
        yield
    finally:
        with contextlib.suppress(OSError):
            (state_dir / FILE_NAME).unlink()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, state_dir: Path) -> None:
    mask = os.umask(0o177)
    try:
        with _short(state_dir) as path:
            await web.UnixSite(runner, path).start()  # in the place of one that was killed, whose lock we have
    except OSError as error:
        raise StateError(f"no control socket can be made in {state_dir}: {error.strerror}") from error
    finally:
        os.umask(mask)


async def _answer(handlers: Mapping[str, Handler], request: web.Request) -> tuple[int, Any]:
    verb = request.match_info["verb"]
    if verb not in handlers:
        return 404, {"error": f"the daemon knows no verb {verb!r}; is it another version than this command?"}
    try:
        values = dict(json.loads(await request.text()))
    except (ValueError, TypeError):
        return 400, {"error": "the request is not a JSON object"}
    except web.HTTPException as error:
        return error.status, {"error": f"the request is not taken: {error.reason}"}
    try:
        answered = handlers[verb](values)
        return 200, answered if isinstance(answered, AsyncIterator) else await answered
    except TcbsyncError as error:
        return 409, _refusal(error)
    except Exception as error:  # noqa: BLE001 - the daemon goes on, whatever somebody asks of it
        return 500, _defect(verb, error)


def _refusal(error: TcbsyncError) -> dict[str, Any]:
    match error:
        case ConfigError():
            kind = "configuration"
        case Transient() | RateLimited():
            kind = "service"
        case _:
            kind = "state"
    return {"error": str(error), "kind": kind}


def _defect(verb: str, error: Exception) -> dict[str, Any]:
    log.error("%s: a defect of this program", verb, exc_info=error)
    return {"error": f"{verb}: {defect(error)}"}


async def _stream(request: web.Request, values: AsyncIterator[Any]) -> web.StreamResponse:
    """Send each value as a line of its own. The last line of a stream that did not end well is an error."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    coming: asyncio.Future[Any] = asyncio.ensure_future(anext(values, _END))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=BEAT_SECONDS)
            value = await _next(request, coming) if done else None
            if value is _END:
                break
            await response.write(b"\n" if value is None else json.dumps(value).encode() + b"\n")
            if done:
                coming = asyncio.ensure_future(anext(values, _END))
        await response.write_eof()
    except ConnectionError:  # whoever asked has hung up
        pass
    finally:
        coming.cancel()
        await asyncio.wait([coming])
        if isinstance(values, AsyncGenerator):
            await values.aclose()
    return response


async def _next(request: web.Request, coming: asyncio.Future[Any]) -> Any:
    try:
        return await coming
    except TcbsyncError as error:
        return _refusal(error)
    except Exception as error:  # noqa: BLE001 - the daemon goes on, whatever somebody asks of it
        return _defect(request.match_info["verb"], error)


_END = object()


async def ask(state_dir: Path, verb: str, **values: Any) -> Any:
    """Ask the daemon that holds `state_dir`. Raises StateError where it does not answer; its no is raised here."""
    try:
        async with _asked(state_dir, verb, values, aiohttp.ClientTimeout(ANSWER_SECONDS)) as response:
            answer = json.loads(await response.text())
    except (OSError, aiohttp.ClientError, ValueError) as error:
        raise _silence(state_dir, error) from error
    if response.status != 200:
        raise _no(answer, response.status)
    return answer


async def follow(state_dir: Path, verb: str, **values: Any) -> AsyncIterator[Any]:
    """Ask for a stream, and give its values as they come. Raises as `ask` does, also in the midst of it."""
    patience = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=ANSWER_SECONDS)
    try:
        async with _asked(state_dir, verb, values, patience) as response:
            if response.status != 200:
                raise _no(json.loads(await response.text()), response.status)
            async for line in response.content:
                value = json.loads(line) if line.strip() else None
                if isinstance(value, dict) and "error" in value and "event" not in value:
                    raise _no(value, response.status)
                if value is not None:
                    yield value
    except (OSError, aiohttp.ClientError, ValueError) as error:
        raise _silence(state_dir, error) from error


@contextlib.asynccontextmanager
async def _asked(
    state_dir: Path, verb: str, values: Mapping[str, Any], patience: aiohttp.ClientTimeout
) -> AsyncIterator[aiohttp.ClientResponse]:
    with _short(state_dir) as path:
        session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path), timeout=patience, read_bufsize=LINE_BYTES
        )
        async with session, session.post(f"http://daemon/{verb}", json=values) as response:
            yield response


def _no(answer: Any, status: int) -> TcbsyncError:
    if not isinstance(answer, dict):
        return StateError(f"HTTP {status}")
    kinds: dict[Any, type[TcbsyncError]] = {"configuration": ConfigError, "service": Transient}
    return kinds.get(answer.get("kind"), StateError)(str(answer.get("error", "")))


def _silence(state_dir: Path, error: Exception) -> StateError:
    hint = "is it starting or stopping just now?"
    match getattr(error, "os_error", error):
        case PermissionError():
            reason, hint = "permission denied", "do this as the user that tcbsync runs as"
        case FileNotFoundError() | ConnectionRefusedError():
            reason = "nobody listens at its socket"
        case TimeoutError():
            reason, hint = f"nothing came in {ANSWER_SECONDS:.0f} s", "is it very busy? its log says what it does"
        case _:
            reason = "its answer was cut off"
    return StateError(f"the daemon that holds {state_dir} cannot be asked: {reason}", hint=hint)


@contextlib.contextmanager
def _short(state_dir: Path) -> Iterator[str]:
    descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{FILE_NAME}"
    finally:
        os.close(descriptor)
