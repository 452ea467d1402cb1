"""A request's body on its way out, in aiohttp's writer task.

The rule: exactly the announced bytes leave, or the connection is torn; a body that is in memory and fits into the
buffers leaves in one write, with the headers, any other one piece by piece, and a peer that takes no more of them is
given up. However that ends, the body's iterator is closed by then. The refusal: no look at the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
import httpx

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

PIECE = 64 * 1024
"""The body goes out in pieces of at most so many bytes, so that a slow peer is told from a dead one."""

OUR_TIME_SECONDS = 0.005
"""Bytes of ours that come faster than this are not worth to be timed."""


class _Whole(aiohttp.BytesPayload):
    """A body that is in memory and fits into the buffers."""

    failure: Exception | None = None
    is_out = False
    deadline: asyncio.Timeout | None = None

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        await super().write_with_length(writer, content_length)
        self.is_out = True

    async def settled(self) -> None:
        """There is no iterator."""


class _Poured(aiohttp.Payload):
    """Any other body on its way out, in aiohttp's writer task."""

    def __init__(self, stream: httpx.AsyncByteStream, size: int, stall_seconds: float | None) -> None:
        super().__init__(stream)
        self._stream = stream
        self._announced = size
        self._stall_seconds = stall_seconds
        self._is_writing = False
        self._done = asyncio.Event()
        self.is_out = False
        self.failure: Exception | None = None
        self.deadline: asyncio.Timeout | None = None

    @property
    def size(self) -> int:
        return self._announced

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise NotImplementedError  # aiohttp's hook for logging bodies: ours are nobody's to read

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        self._is_writing = True
        # Taken now: aiohttp forgets it when it closes, and close() alone waits for a peer that does not read.
        wire = writer.transport
        chunks = aiter(self._stream)
        try:
            await self._pour(chunks, writer)
            self.is_out = True
        except BaseException:
            if wire is not None:
                wire.abort()
            raise
        finally:
            await closed(chunks)
            self._done.set()

    async def settled(self) -> None:
        """Wait until the iterator is not in use any more: its file may be closed then."""
        if self._is_writing:
            await self._done.wait()

    async def _pour(self, chunks: AsyncIterator[bytes], writer: AbstractStreamWriter) -> None:
        left = self._announced
        while (chunk := await self._next(chunks)) is not None:
            left -= len(chunk)
            if left < 0:
                raise self._failed(httpx.LocalProtocolError("the body is longer than announced"))
            for piece in _pieces(chunk):
                await self._unstalled(writer.write(piece))
        if left > 0:
            raise self._failed(httpx.LocalProtocolError("the body is shorter than announced"))
        await self._unstalled(writer.drain())

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await anext(chunks, None)
        except Exception as error:
            self.failure = error
            raise
        finally:
            self._put_off(clock() - began)

    def _put_off(self, seconds: float) -> None:
        """Put the deadline off by the time that we ourselves took: it is the peer's. While we take it, it runs."""
        if seconds > OUR_TIME_SECONDS and self.deadline is not None and (when := self.deadline.when()) is not None:
            with contextlib.suppress(RuntimeError):  # it is over already
                self.deadline.reschedule(when + seconds)

    async def _unstalled(self, step: Awaitable[None]) -> None:
        if self._announced <= PIECE:  # fits into the buffers: nothing but the answer can keep us waiting
            await step
            return
        try:
            async with asyncio.timeout(self._stall_seconds):
                await step
        except TimeoutError:
            raise self._failed(httpx.WriteTimeout("the peer stopped reading")) from None

    def _failed(self, error: Exception) -> Exception:
        self.failure = error
        return error


Outgoing: TypeAlias = _Whole | _Poured
"""`is_out` once all of it is; `failure` is what went wrong with it itself, of which aiohttp tells only in a text.

`deadline`, where the request has one, is put off by the time that the bytes take to come."""


def outgoing(request: httpx.Request, stall_seconds: float | None) -> Outgoing | None:
    """Return the body of a request in a form that aiohttp sends. Raises httpx.LocalProtocolError."""
    announced = int(request.headers.get("content-length", 0))
    if isinstance(request.stream, httpx.ByteStream) and announced <= PIECE:
        content = b"".join(request.stream)
        if len(content) != announced:
            how = "longer" if len(content) > announced else "shorter"
            raise httpx.LocalProtocolError(f"the body is {how} than announced")
        return _Whole(content) if content else None
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return _Poured(request.stream, announced, stall_seconds)


def _pieces(chunk: bytes) -> Iterator[bytes | memoryview]:
    if len(chunk) <= PIECE:
        yield chunk
        return
    view = memoryview(chunk)
    for start in range(0, len(chunk), PIECE):
        yield view[start : start + PIECE]


async def closed(chunks: object) -> None:
    """Finish a generator here and now, instead of whenever the garbage collector comes."""
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()
