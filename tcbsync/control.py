"""The socket by which the command line speaks to a running daemon: small HTTP requests and answers in JSON.

It lies in the state directory with mode 0600. A path of any length works: the kernel takes at most 107 bytes, so both
sides go through a descriptor of the directory.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tcbsync.core.errors import StateError, TcbsyncError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

FILE_NAME = "control.sock"


@contextlib.asynccontextmanager
async def serve(
    state_dir: Path, handlers: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]]
) -> AsyncIterator[None]:
    """Answer requests by verb: each handler gets the values that came, and gives something that JSON can hold."""

    async def answer(request: web.Request) -> web.Response:
        handler = handlers.get(request.path.strip("/"))
        if handler is None:
            return web.json_response({"error": f"unknown verb {request.path}"}, status=404)
        try:
            return web.json_response(await handler(await request.json()))
        except TcbsyncError as error:
            return web.json_response({"error": str(error)}, status=409)

    app = web.Application()
    app.router.add_post("/{verb}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    (state_dir / FILE_NAME).unlink(missing_ok=True)
    with _short(state_dir) as path:
        mask = os.umask(0o177)
        try:
            await web.UnixSite(runner, path).start()
        finally:
            os.umask(mask)
    try:
        yield
    finally:
        (state_dir / FILE_NAME).unlink(missing_ok=True)
        await runner.cleanup()


async def ask(state_dir: Path, verb: str, **values: Any) -> Any:
    """Ask the daemon that holds `state_dir`. Raises StateError where it does not answer, or says no."""
    try:
        with _short(state_dir) as path:
            connector = aiohttp.UnixConnector(path)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session,
                session.post(f"http://daemon/{verb}", json=values) as response,
            ):
                answer = json.loads(await response.text())
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise StateError(
            f"the daemon that holds {state_dir} does not answer: {error}", hint="is it starting or stopping just now?"
        ) from error
    if response.status != 200:
        raise StateError(answer["error"])
    return answer


@contextlib.contextmanager
def _short(state_dir: Path) -> Any:
    descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{FILE_NAME}"
    finally:
        os.close(descriptor)
