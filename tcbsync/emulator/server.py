"""The emulator as one server: the three hosts on one address, told apart by the path's beginning.

    /cgi-bin/ and /tcb/   api.weixin.qq.com        (module api)
    /cos/BUCKET/KEY       the object store         (module object_post)
    /files/BUCKET/KEY     the download host        (module downloads)
    /_emulator/           the emulator itself      (module inspection)

Rule: every request ends as one entry of the record, however it ends.
Refusal: nothing is printed; the record is where to look. (aiohttp itself logs what is no HTTP, and our bugs.)
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from tcbsync.emulator import inspection
from tcbsync.emulator.api import CALLS, answer_api
from tcbsync.emulator.downloads import get_object
from tcbsync.emulator.exchange import Exchange, Service
from tcbsync.emulator.faults import Fault, FaultScript
from tcbsync.emulator.links import Links
from tcbsync.emulator.object_post import post_object
from tcbsync.emulator.places import Places
from tcbsync.emulator.record import Counters, Entry, Record
from tcbsync.emulator.replies import HangUpError, RefusalError, Reply, with_resource
from tcbsync.emulator.sending import bend, send
from tcbsync.emulator.settings import Behaviours, Settings
from tcbsync.emulator.storage import Storage
from tcbsync.emulator.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiohttp.web_protocol import RequestHandler

    from tcbsync.emulator.journal import StoredObject

__all__ = ["Behaviours", "Emulator", "Fault", "Settings", "serve"]

_GRACE_SECONDS = 0.5


class Emulator:
    """The stand-in cloud, as an async context manager: inside it is served, and `url` is where."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""
        clock, behaviours = settings.clock, settings.behaviours
        self._service = Service(
            settings=settings,
            storage=Storage(settings.data, clock, behaviours.crc64_max_bytes),
            tokens=Tokens(clock, behaviours),
            links=Links(clock, behaviours.link_lifetime_seconds),
            script=FaultScript(settings.faults, settings.seed),
            record=Record(settings.log_entries),
            places=Places(settings.at_once),
            latency_seconds=settings.latency_seconds,
        )

    async def __aenter__(self) -> Self:
        host, port = self.settings.address()
        self._service.storage.open()
        server = _CountingServer(self._handle, self._service.record)
        self._runner = web.ServerRunner(server, access_log=None, shutdown_timeout=_GRACE_SECONDS)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, backlog=1024).start()
        except BaseException:
            await self.close()
            raise
        address = self._runner.addresses[0]
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = self.settings.public_url or f"http://{name}:{address[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop serving; requests under way get half a second."""
        await self._runner.cleanup()
        self._service.storage.close()

    def install(self, *faults: Fault) -> None:
        """Add faults at the end of the script."""
        self._service.script.install(*faults)

    def clear_faults(self) -> None:
        """Disarm every fault."""
        self._service.script.clear()

    def set_latency(self, seconds: float) -> None:
        """Let every call wait so long from now on."""
        self._service.latency_seconds = seconds

    def set_at_once(self, limit: int | None) -> None:
        """Let so many requests be under way at once from now on; None is any number."""
        self._service.places.limit = limit

    def revoke_tokens(self) -> None:
        """Make all access tokens invalid at once."""
        self._service.tokens.revoke()

    def reset(self) -> None:
        """Forget objects, tokens, faults, log and counters."""
        inspection.reset(self._service)

    def objects(self) -> dict[tuple[str, str], StoredObject]:
        """Give every object by (env, key), also those that the API says do not exist."""
        return dict(self._service.storage.objects)

    def read(self, env: str, key: str) -> bytes:
        """Give an object's bytes; raises KeyError."""
        return self._service.storage.path(self._service.storage.objects[env, key]).read_bytes()

    @property
    def counters(self) -> Counters:
        """The totals since start or reset."""
        return self._service.record.counters

    @property
    def log(self) -> Sequence[Entry]:
        """The newest requests, oldest first."""
        return tuple(self._service.record.log)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith(inspection.PREFIX):
            exchange = Exchange(request, "inspection")
            reply = await inspection.inspect(self._service, request, path[len(inspection.PREFIX) :], query)
            return await send(exchange, reply)
        exchange = Exchange(request, _call(path), base_url=self._base_url(request))
        started = time.monotonic()
        reply = Reply(0, outcome="hangup")
        self._service.record.arrive(exchange.call)
        try:
            await _continue(request)
            reply = bend(exchange, await self._answer(exchange, path, query))
            return await send(exchange, reply)
        except (HangUpError, ConnectionError, web.RequestPayloadError):
            reply = Reply(0, outcome="hangup")
            return _hang_up(request)
        finally:
            self._service.places.give_back(exchange)
            if exchange.is_held:
                self._service.record.release(exchange.env, exchange.keys)
            self._note(exchange, reply, started)

    async def _answer(self, exchange: Exchange, path: str, query: str) -> Reply:
        try:
            match exchange.call:
                case "cos":
                    return await post_object(self._service, exchange, path.removeprefix("/cos/"))
                case "download":
                    return await get_object(self._service, exchange, path.removeprefix("/files/"), query)
                case _:
                    return await answer_api(self._service, exchange, path, query)
        except RefusalError as refusal:
            return with_resource(refusal.reply, path)

    def _base_url(self, request: web.BaseRequest) -> str:
        host = request.headers.get("Host")
        return self.settings.public_url or (f"http://{host}" if host else self.url)

    def _note(self, exchange: Exchange, reply: Reply, started: float) -> None:
        sent = reply.region.length if reply.region else len(reply.body)
        entry = Entry(
            at=self.settings.clock(),
            call=exchange.call,
            env=exchange.env,
            key=exchange.keys[0] if exchange.keys else "",
            items=len(exchange.keys),
            status=reply.status,
            outcome=reply.outcome,
            fault=exchange.fault.kind if exchange.fault else "",
            seconds=time.monotonic() - started,
            received=exchange.received,
            sent=sent,
        )
        self._service.record.leave(entry)


class _CountingServer(web.Server):
    """aiohttp's bare server, with its connections counted."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], record: Record) -> None:
        super().__init__(handler, access_log=None, auto_decompress=False)
        self._record = record

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self._record.connect()
        super().connection_made(handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._record.disconnect()
        super().connection_lost(handler, exc)


def _call(path: str) -> str:
    if path.startswith("/cos/"):
        return "cos"
    return "download" if path.startswith("/files/") else CALLS.get(path, "unknown")


async def _continue(request: web.BaseRequest) -> None:
    """Say that the body may come, to a client that asks first (curl does, for large ones)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection under the answer's feet; what was written before still leaves."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def serve(settings: Settings, on_ready: Callable[[str], None] = lambda _url: None) -> None:
    """Serve until cancelled, SIGTERM or SIGINT; `on_ready` hears the URL once it is served."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    async with Emulator(settings) as emulator:
        with suppress(NotImplementedError, RuntimeError):  # Windows, or not in the main thread
            for number in numbers:
                loop.add_signal_handler(number, stopped.set)
        on_ready(emulator.url)
        try:
            await stopped.wait()
        finally:
            with suppress(NotImplementedError, RuntimeError):
                for number in numbers:
                    loop.remove_signal_handler(number)
