"""The transport's fences around a body that goes out: its length, its errors, and the time that it takes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tcbsync.cloud.outgoing import PIECE
from tcbsync.core.errors import FileChanged
from tests.cloud.calling import MIB, OK, Stream, calling, get, post
from tests.cloud.scripted import Received, answer, answering, receive, receive_head, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPEN_FILES = Path("/proc/self/fd")


@pytest.mark.parametrize(("chunks", "words"), [((b"abcd", b"ef"), "longer"), ((b"abc",), "shorter"), ((), "shorter")])
async def test_exactly_the_announced_length(chunks: tuple[bytes, ...], words: str) -> None:
    """A body of another length aborts the request before the server has a whole one; the pool stays usable."""
    whole: list[Received] = []
    stream = Stream(*chunks)

    async with serving(answering(OK, seen=whole)) as url, calling() as client:
        with pytest.raises(httpx.LocalProtocolError, match=words):
            await client.send(post(url, stream, 5))
        response = await client.send(post(url, Stream(b"12345"), 5))

    assert not stream.is_open
    assert response.status_code == 200
    assert [received.body for received in whole] == [b"12345"]


@pytest.mark.parametrize(("body", "words"), [(b"abcdef", "longer"), (b"abc", "shorter"), (b"", "shorter")])
async def test_exactly_the_announced_length_from_memory(body: bytes, words: str) -> None:
    """Bytes in memory that are more or fewer than announced are not even begun to be sent."""
    seen: list[Received] = []

    async with serving(answering(OK, seen=seen)) as url, calling() as client:
        with pytest.raises(httpx.LocalProtocolError, match=words):
            await client.send(post(url, httpx.ByteStream(body), 5))
        response = await client.send(post(url, httpx.ByteStream(b"12345"), 5))

    assert response.status_code == 200
    assert [received.body for received in seen] == [b"12345"]


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * MIB])
async def test_bytes_in_memory_arrive(size: int) -> None:
    """Whatever their number, all of them arrive, in their order."""
    seen: list[Received] = []
    body = bytes(range(256)) * (size // 256) + bytes(range(size % 256))

    async with serving(answering(OK, seen=seen)) as url, calling() as client:
        await client.send(post(url, httpx.ByteStream(body), size))

    assert seen[0].body == body


@pytest.mark.parametrize("sent", [b"", b"x" * 1000, b"x" * MIB])
async def test_the_bodys_error_comes_out_unchanged(sent: bytes) -> None:
    """What the iterator raises is what the caller gets, with its own cause, and the iterator is closed by then."""
    error = FileChanged("while it was read")
    error.__cause__ = cause = OSError("the reason")
    stream = Stream(sent, error=error)

    async with serving(answering(OK)) as url, calling() as client:
        with pytest.raises(FileChanged) as caught:
            await client.send(post(url, stream, 2 * MIB))
        is_open = stream.is_open

    assert caught.value is error
    assert caught.value.__cause__ is cause
    assert not is_open


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="needs /proc")
@pytest.mark.parametrize("is_in_memory", [True, False])
async def test_a_server_that_stops_reading(is_in_memory: bool) -> None:
    """A peer that takes nothing is given up after the stall limit, and our end of the connection is gone at once."""

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive_head(reader)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(10)

    stream = Stream(*[b"x" * MIB] * 64)
    body = httpx.ByteStream(b"x" * MIB * 64) if is_in_memory else stream
    async with serving(stall) as url, calling() as client:
        before = len(list(OPEN_FILES.iterdir()))
        with pytest.raises(httpx.WriteTimeout):
            await client.send(post(url, body, 64 * MIB, write=0.3))
        is_open = stream.is_open
        await asyncio.sleep(0.05)
        after = len(list(OPEN_FILES.iterdir()))

    assert not is_open
    assert after == before + 1, "the server's end alone"


async def test_a_slow_reader_is_no_stalled_one() -> None:
    """A peer that takes some bytes within each stall limit is waited for."""

    async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = int((await receive_head(reader)).headers["content-length"])
        while left > 0:
            left -= len(await reader.read(512 * 1024))
            await asyncio.sleep(0.01)
        writer.write(OK)

    async with serving(sip) as url, calling() as client:
        response = await client.send(post(url, Stream(*[b"x" * MIB] * 16), 16 * MIB, write=0.25))

    assert response.status_code == 200


class _Slow(Stream):
    """A body whose bytes come only every so often."""

    seconds = 0.1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in super().__aiter__():
            await asyncio.sleep(self.seconds)
            yield chunk


async def test_our_own_time_is_not_the_peers() -> None:
    """A body that we ourselves hold back takes many times the deadline, and arrives."""
    async with serving(answering(OK)) as url, calling() as client:
        response = await client.send(post(url, _Slow(*[b"x"] * 10), 10, deadline=0.3, read=0.3, write=0.05))

    assert response.status_code == 200


async def test_a_body_that_never_comes_is_given_up() -> None:
    """Where our own bytes do not come within the deadline, they will never come: a dead file system, say."""
    stream = _Slow(b"x")
    stream.seconds = 60

    async with serving(answering(OK)) as url, calling() as client:
        with pytest.raises(httpx.TimeoutException):
            await client.send(post(url, stream, 1, deadline=0.3))

    assert not stream.is_open


async def test_the_whole_request_has_a_deadline() -> None:
    """An answer that trickles for ever is given up at the deadline, though no single read takes long."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(trickle) as url, calling() as client:
        with pytest.raises(httpx.TimeoutException, match="the whole request"):
            await client.send(get(url, read=2.0, deadline=0.3))


async def test_waiting_for_a_connection_is_not_timed() -> None:
    """No more requests than max_connections run at once, and those that wait have their whole deadline left."""
    running, most = 0, 0

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        while True:
            await receive(reader)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.15)
            running -= 1
            writer.write(OK)

    async with serving(work) as url, calling(max_connections=2) as client:
        responses = await asyncio.gather(*(client.send(get(url, deadline=0.6)) for _ in range(10)))

    assert {response.status_code for response in responses} == {200}
    assert most == 2


@pytest.mark.parametrize("reads_on", [True, False])
async def test_an_early_refusal_is_an_answer(reads_on: bool) -> None:
    """A 403 in mid-body is handed over, and the iterator is closed; the connection is not used again."""
    connections = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await receive_head(reader)
        writer.write(answer(403, b"<Code>AccessDenied</Code>"))
        while reads_on and await reader.read(MIB):
            pass
        await asyncio.sleep(2)

    stream = Stream(*[b"x" * MIB] * 64)
    async with serving(refuse) as url, calling() as client:
        first = await client.send(post(url, stream, 64 * MIB))
        is_open = stream.is_open
        second = await client.send(post(url, Stream(b"x" * MIB), MIB))

    assert (first.status_code, first.content) == (403, b"<Code>AccessDenied</Code>")
    assert second.status_code == 403
    assert not is_open
    assert connections == 2


async def test_an_early_success_is_none() -> None:
    """A success before the whole body is out proves nothing."""

    async def praise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive_head(reader)
        writer.write(answer(204))
        await asyncio.sleep(2)

    async with serving(praise) as url, calling() as client:
        with pytest.raises(httpx.RemoteProtocolError, match="before the whole body"):
            await client.send(post(url, Stream(*[b"x" * MIB] * 64), 64 * MIB))


async def test_cancelling_aborts() -> None:
    """A cancelled request closes its connection and its iterator before the caller goes on."""
    arrived, left = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive_head(reader)
        arrived.set()
        while await reader.read(MIB):
            pass
        left.set()

    stream = Stream(*[b"x" * MIB] * 512)
    async with serving(wait) as url, calling() as client:
        task = asyncio.create_task(client.send(post(url, stream, 512 * MIB)))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        is_open = stream.is_open
        await asyncio.wait_for(left.wait(), 5)

    assert not is_open
