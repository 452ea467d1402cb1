"""The socket by which the command line speaks to a running daemon: small HTTP requests and answers in JSON.

It lies in the state directory with mode 0600. A path of any length works: the kernel takes at most 107 bytes, so both
sides go through a descriptor of the directory.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tcbsync.core.errors import StateError, TcbsyncError, defect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]

log = logging.getLogger(__name__)

FILE_NAME = "control.sock"
REQUEST_BYTES = 1024 * 1024
"""A request may be so large."""
ANSWER_SECONDS = 30.0
GOODBYE_SECONDS = 1.0
"""A request that is under way when the daemon stops gets so long."""


@contextlib.asynccontextmanager
async def serve(state_dir: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Answer requests by verb: each handler gets the values that came, and gives something that JSON can hold.

    What a handler raises is answered as an error. Raises StateError where there can be no socket.
    """

    async def answer(request: web.Request) -> web.Response:
        status, value = await _answer(handlers, request)
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
        return 200, await handlers[verb](values)
    except TcbsyncError as error:
        return 409, {"error": str(error)}
    except Exception as error:  # the daemon goes on, whatever somebody asks of it
        log.exception("%s: a defect of this program", verb)
        return 500, {"error": f"{verb}: {defect(error)}"}


async def ask(state_dir: Path, verb: str, **values: Any) -> Any:
    """Ask the daemon that holds `state_dir`. Raises StateError where it does not answer, or says no."""
    try:
        with _short(state_dir) as path:
            connector = aiohttp.UnixConnector(path)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(ANSWER_SECONDS)) as session,
                session.post(f"http://daemon/{verb}", json=values) as response,
            ):
                answer = json.loads(await response.text())
    except (OSError, aiohttp.ClientError, ValueError) as error:
        raise _silence(state_dir, error) from error
    if response.status != 200:
        raise StateError(answer.get("error", "") if isinstance(answer, dict) else f"HTTP {response.status}")
    return answer


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
