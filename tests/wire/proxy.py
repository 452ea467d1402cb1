"""A TCP proxy between the real client and the real emulator that does one thing to one class of bytes.

Rule: everything passes as it came, piece by piece, over one connection to the server for each of the client's, until
a strike fits what passes. Refusal: it makes no answers of its own, and keeps nothing but copies it was told to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from tests.wire import messages
from tests.wire.ends import CutError, Side, closed, end, read_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.wire.messages import Message

FIN, RST, DELAY, STALL, FLIP, DROP, INSERT = "fin", "rst", "delay", "stall", "flip", "drop", "insert"
TWICE, TWICE_ANSWERED, LATER = "twice", "twice, answered twice", "later"
WHOLE = "the whole request"
DELAY_SECONDS = 0.02
GARBAGE = b"~"
_HOST = "127.77.7.7"
"""An address of its own: a flipped digit in it must not lead to a server of somebody else."""


@dataclass(slots=True)
class Strike:
    """What is to be done, where, and how often. Counts how often it was done."""

    call: str
    where: str
    fault: str
    times: int = 1
    hits: int = 0

    def choose(self, message: Message, call: str) -> Strike | None:
        """Give itself if this message is to be struck, and count it."""
        is_there = self.where == WHOLE or message.span(self.where) is not None
        if not (is_there and call == self.call and self.hits < self.times):
            return None
        self.hits += 1
        return self


class Striking(Protocol):
    """Whatever says which messages are struck."""

    def choose(self, message: Message, call: str) -> Strike | None:
        """Say what is to be done to this message, if anything."""
        ...


@dataclass(slots=True)
class Proxy:
    """Listens at `url` and passes on to `upstream`, which may be set later."""

    upstream: tuple[str, int] = ("", 0)
    url: str = ""
    strike: Striking | None = None
    calls: Counter[str] = field(default_factory=Counter)
    seen: dict[str, dict[str, None]] = field(default_factory=dict)
    """Every class that passed, by call, in its order."""
    secrets: set[str] = field(default_factory=set)
    late: list[bytes] = field(default_factory=list)
    """Copies of requests that were held back."""
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, _HOST, 0)
        self.url = f"http://{_HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.hang_up()
        await asyncio.sleep(0)  # for what was closed last

    def arm(self, strike: Striking) -> None:
        """Strike from now on, and count anew."""
        self.strike = strike
        self.calls.clear()
        self._over.clear()

    async def hang_up(self) -> None:
        """End what is stalled, and every connection."""
        self.strike = None
        self._over.set()
        await asyncio.sleep(0)  # a task that has not begun could not close its connection
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def deliver_late(self) -> list[bytes]:
        """Deliver the copies that were held back; gives the answers."""
        copies, self.late = self.late, []
        return [await self._deliver(copy) for copy in copies]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(Side(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: Side) -> None:
        is_rst, server = False, None
        try:
            server = Side(*await asyncio.open_connection(*self.upstream))
            while (request := await self._receive(client, server)) is not None:
                await self._exchange(request, client, server)
        except CutError as cut:
            is_rst = cut.is_rst
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            sides = [side for side in (server, client) if side is not None]
            try:
                for side in sides:
                    await end(side, is_rst=is_rst)
            finally:
                for side in sides:
                    side.writer.close()

    async def _receive(self, client: Side, server: Side) -> Message | None:
        """Read what must be known of a request before any of it is passed on; None where there is no more."""
        ended = asyncio.create_task(closed(server))
        known = bytearray()
        try:
            while not _is_known(known):
                arrived = asyncio.create_task(client.reader.read(65536))
                await asyncio.wait([arrived, ended], return_when=asyncio.FIRST_COMPLETED)
                if not arrived.done():
                    arrived.cancel()
                    return None
                if not (data := arrived.result()):
                    return None
                known += data
        finally:
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ended
        head = known.index(b"\r\n\r\n") + 4
        size = head + messages.content_length(bytes(known[:head]))
        start = messages.file_start(bytes(known))
        message = messages.request(bytes(known[:start]), size)
        message.known = bytes(known)
        self.calls[message.call] += 1
        self._note(message.call, message)
        return message

    async def _exchange(self, request: Message, client: Side, server: Side) -> None:
        strike = self._chosen(request, request.call)
        copy = bytearray() if strike and strike.where == WHOLE else None
        sending = asyncio.create_task(self._pour(_rest(request, client, copy), request, strike, server.writer))
        try:
            whole = await self._answered(request, client, server, sending)
            answer = messages.answer(whole)
            self._note(request.call, answer)
            if copy is not None and strike is not None:
                await self._repeat(bytes(copy), strike, client)
            pieces = _pieces(whole)
            await self._pour(pieces, answer, self._chosen(answer, request.call), client.writer)
            if copy is not None and strike is not None and strike.fault == TWICE_ANSWERED:
                client.writer.write(await self._deliver(bytes(copy)))
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _answered(self, request: Message, client: Side, server: Side, sending: asyncio.Task[None]) -> bytes:
        """Wait for the whole answer. Ends with the client's patience, or with the connection."""
        reading = asyncio.create_task(read_answer(server.reader, is_head=request.call == "head"))
        waiting = [reading, sending]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not reading.done():
                sending.result()
                gone = asyncio.create_task(client.reader.read(1))
                try:
                    await asyncio.wait([reading, gone], return_when=asyncio.FIRST_COMPLETED)
                    if not reading.done():
                        raise CutError(is_rst=False)
                finally:
                    gone.cancel()
            return reading.result()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _repeat(self, copy: bytes, strike: Strike, client: Side) -> None:
        if strike.fault == LATER:
            self.late.append(copy)
        elif strike.fault == TWICE:
            await self._deliver(copy)

    async def _deliver(self, copy: bytes) -> bytes:
        server = Side(*await asyncio.open_connection(*self.upstream))
        try:
            server.writer.write(copy)
            return await read_answer(server.reader, is_head=copy.startswith(b"HEAD"))
        finally:
            await end(server, is_rst=False)

    def _chosen(self, message: Message, call: str) -> Strike | None:
        return self.strike.choose(message, call) if self.strike else None

    def _note(self, call: str, message: Message) -> None:
        self.seen.setdefault(call, {}).update(dict.fromkeys(span.name for span in message.spans))
        self.secrets.update(messages.secrets_in(message))

    async def _pour(
        self, pieces: AsyncIterator[bytes], message: Message, strike: Strike | None, writer: asyncio.StreamWriter
    ) -> None:
        """Pass everything on; what the strike does happens at the middle of its class."""
        span = message.span(strike.where) if strike else None
        at = span.middle if span else -1
        passed = 0
        async for piece in pieces:
            if strike and passed <= at < passed + len(piece):
                writer.write(piece[: at - passed])
                writer.write(await self._struck(strike, piece[at - passed :], writer))
            else:
                writer.write(piece)
            passed += len(piece)
            await writer.drain()
        if strike and passed == at:
            writer.write(await self._struck(strike, b"", writer))

    async def _struck(self, strike: Strike, rest: bytes, writer: asyncio.StreamWriter) -> bytes:
        await writer.drain()
        match strike.fault:
            case "fin" | "rst":
                await asyncio.sleep(0)
                raise CutError(is_rst=strike.fault == RST)
            case "delay":
                await asyncio.sleep(DELAY_SECONDS)
            case "stall":
                await self._over.wait()
                raise CutError(is_rst=True)
            case "flip":
                return bytes([rest[0] ^ 1]) + rest[1:]
            case "drop":
                return rest[1:]
            case "insert":
                return GARBAGE + rest
        return rest


def _is_known(known: bytearray) -> bool:
    head = known.find(b"\r\n\r\n") + 4
    if head < 4:
        return False
    if known.startswith(b"POST /cos/"):
        return messages.file_start(bytes(known)) is not None
    return len(known) >= head + messages.content_length(bytes(known[:head]))


async def _rest(request: Message, client: Side, copy: bytearray | None) -> AsyncIterator[bytes]:
    """Give the whole request: what is known of it, and what comes."""
    piece, left = request.known, request.size
    while True:
        left -= len(piece)
        if copy is not None:
            copy += piece
        yield piece
        if left <= 0:
            return
        if not (piece := await client.reader.read(min(left, 262144))):
            raise CutError(is_rst=False)


async def _pieces(whole: bytes) -> AsyncIterator[bytes]:
    yield whole
