"""Serves the page, metrics and health by HTTP. Reads, and nothing else: what comes in is a path, and is never echoed.

The rules: who asks under a name that is not ours is told nothing (a page of the open web could have that name point
here); everything but GET and HEAD is refused; a browser may load nothing that is not in this room. The refusal: no
login, no TLS. What has to be reached from elsewhere stands behind a proxy that has both.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from tcbsync.core.errors import StateError, defect
from tcbsync.verdict import Verdict
from tcbsync.web import metrics, page, thumbnails
from tcbsync.web.advice import first

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from tcbsync.web.view import View

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    **{f"icon-{mood}.svg": "image/svg+xml" for mood in ("well", "busy", "wait", "act")},
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "tcbsync",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PICTURE = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=3600"}
READERS = 2
"""So many thumbnails are read at once."""
PULSE_SECONDS = 5.0
"""A manifest that does not answer within this is not well."""
CONNECTIONS = 64
"""At most so many at once."""
AGAIN_SECONDS = 30.0
"""An address that cannot be listened at, because another has it or it is not there yet, is tried again after this."""
GOODBYE_SECONDS = 1.0


class Site:
    """What is answered. `ailing` names the parts of the process that do not get on."""

    def __init__(self, view: View, hosts: Collection[str], ailing: Callable[[], list[str]]) -> None:
        self._view = view
        self._hosts = {_bare(host) for host in hosts}
        self._ailing = ailing
        self._readers = asyncio.Semaphore(READERS)
        self._files = {name: (STATIC / name).read_bytes() for name in FILES}

    def app(self) -> web.Application:
        """Give the application."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._page)
        app.router.add_get("/page.json", self._refresh)
        app.router.add_get("/thumbnail", self._thumbnail)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get(f"/{{name:{'|'.join(FILES).replace('.', '[.]')}}}", self._file)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_ours(request):
            answer: web.StreamResponse = _plain(421, "This is not the name of this page; `web.hosts` may allow it.")
        elif request.method not in ("GET", "HEAD"):
            answer = _plain(405, "There is nothing to change here.")
            answer.headers["Allow"] = "GET, HEAD"
        else:
            answer = await _answer(request, handler)
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _is_ours(self, request: web.Request) -> bool:
        """Whether the Host header is a name of this host that we know, or the very address that was connected to."""
        host = _bare(request.headers.get("Host", "").rpartition("@")[2])
        host = host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]
        if host == "localhost" or host in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        socket = request.transport and request.transport.get_extra_info("sockname")
        return address.is_loopback or bool(socket and address == ipaddress.ip_address(socket[0]))

    async def _page(self, _request: web.Request) -> web.Response:
        try:
            overview = await self._view.look()
        except StateError as error:
            told = _unreadable(error)
            return _html(page.document(told, page.failed_main(told)), 503)
        return _html(await asyncio.to_thread(page.whole, overview), 200)

    async def _refresh(self, _request: web.Request) -> web.Response:
        """Give what changes of the page, as JSON."""
        try:
            overview = await self._view.look()
        except StateError as error:
            told = _unreadable(error)
            body = page.failed_main(told)
        else:
            told, *_ = verdicts = first(overview)
            body = await asyncio.to_thread(page.main, overview, verdicts)
        return web.json_response({"title": page.title(told), "mood": told.mood, "main": body})

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        headers = {"Cache-Control": "no-cache"}
        return web.Response(body=self._files[name], content_type=FILES[name], charset="utf-8", headers=headers)

    async def _thumbnail(self, request: web.Request) -> web.Response:
        source = self._view.source(request.query.get("mirror", ""))
        path = request.query.get("path", "")
        if source is not None and path:
            stored = await asyncio.to_thread(source.report.stored, path)
            if stored is not None:
                root = source.mirror.parts.target.root
                async with self._readers:
                    found = await asyncio.to_thread(thumbnails.read, root, path, stored)
                if found is None:
                    return web.Response(body=thumbnails.BLANK, content_type="image/gif")
                return web.Response(body=found[1], content_type=found[0], headers=PICTURE)
        return _plain(404, "There is no such image.")

    async def _metrics(self, request: web.Request) -> web.Response:
        overview = await self._view.look()
        content_type, body = metrics.exposition(overview, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, _request: web.Request) -> web.Response:
        """Say whether the process gets on: the event loop turns (we answer), and every part of it lives."""
        return _told(await self._ailments())

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Say whether it knows what it should: it gets on, and every folder was compared once since the start."""
        unseen = [f"the folder of {name} was not looked at yet" for name in self._view.unscanned()]
        return _told([*await self._ailments(), *unseen])

    async def _ailments(self) -> list[str]:
        try:
            async with asyncio.timeout(PULSE_SECONDS):
                await self._view.alive()
        except TimeoutError:
            return [*self._ailing(), "the manifest does not answer"]
        except StateError as error:
            return [*self._ailing(), str(error)]
        return self._ailing()


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _plain(error.status, "There is no such page.")
    except StateError as error:
        return _plain(503, str(error))
    except Exception as error:  # the daemon goes on, whatever somebody asks of it
        log.exception("the status page: a defect of this program")
        return _plain(500, str(defect(error)))


def _bare(host: str) -> str:
    return host.lower().rstrip(".")


def _plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")


def _told(ailments: list[str]) -> web.Response:
    return _plain(503 if ailments else 200, "\n".join(ailments) or "ok")


def _html(document: str, status: int) -> web.Response:
    return web.Response(status=status, text=document, content_type="text/html")


def _unreadable(error: StateError) -> Verdict:
    return Verdict("act", "The manifest cannot be read.", str(error))


async def keep_serving(site: Site, host: str, port: int) -> None:
    """Serve until cancelled. An address that cannot be had is told of once, and tried again: mirroring goes on."""
    runner = web.AppRunner(site.app(), access_log=None, shutdown_timeout=GOODBYE_SECONDS, handle_signals=False)
    await runner.setup()
    listening: asyncio.Server | None = None
    try:
        listening = await _listen(runner, host, port)
        at, number, *_ = listening.sockets[0].getsockname()
        log.info("status page: http://%s:%d/", f"[{at}]" if ":" in at else at, number)
        await asyncio.get_running_loop().create_future()
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()


class _Refused(asyncio.Protocol):
    """One connection too many: a crowd may lock out the page, and nothing else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    server, told = runner.server, ""
    assert server is not None, "it is set up"

    def welcome() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < CONNECTIONS else _Refused()

    while True:
        try:
            return await asyncio.get_running_loop().create_server(welcome, host, port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            if reason != told:
                log.warning("no status page at %s:%d: %s; it is tried again", host, port, reason)
            told = reason
            await asyncio.sleep(AGAIN_SECONDS)
