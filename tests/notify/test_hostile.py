"""A webhook that hangs, drips, floods or lies: what it costs is bounded, and the next one is told all the same."""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
import zlib
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.http import Http
from tcbsync.cloud.wire import CloudSettings
from tcbsync.notify.post import Hook, Patience, Post, attempt, way_out
from tests.cloud.scripted import answer, receive, serving
from tests.engine.world import eventually
from tests.notify.test_post import ALL, QUICK, delivering, notice

if TYPE_CHECKING:
    from tests.cloud.scripted import Handler
    from tests.notify.robot import Robot

MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"


async def hangs(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take the request, and say nothing."""
    await receive(reader)
    await asyncio.sleep(600)


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a byte now and then, for ever."""
    await receive(reader)
    writer.write(OK + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as much as is taken, for ever."""
    await receive(reader)
    writer.write(OK + b"\r\n")
    while True:
        writer.write(b"x" * MIB)
        await writer.drain()


async def heads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with headers, for ever."""
    await receive(reader)
    writer.write(OK)
    for number in range(10**9):
        writer.write(b"X-%d: %b\r\n" % (number, b"y" * 4000))
        await writer.drain()


@cache
def bomb() -> bytes:
    """Give a quarter of a megabyte that unpacks to a quarter of a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(256)) + packer.flush()


async def bombs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with a little that would be a lot."""
    await receive(reader)
    writer.write(answer(200, bomb(), Content_Encoding="gzip"))
    await writer.drain()
    await asyncio.sleep(600)


HOSTILE: dict[str, Handler] = {each.__name__: each for each in (hangs, drips, floods, heads, bombs)}


def memory() -> int:
    """Give the most that this process has ever had in memory, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
async def test_it_is_given_up_in_time_and_costs_little(name: str) -> None:
    """A try ends within its limit, with a reason; and what was answered is not kept."""
    bomb()  # now, and not within the time limit
    async with serving(HOSTILE[name]) as url:
        way = Http(CloudSettings(read_seconds=0.5, total_seconds=2, connect_seconds=1))
        before, begun = memory(), time.monotonic()

        failure = await attempt(way.send, url, b"{}", "wecom")

        took, grown = time.monotonic() - begun, memory() - before
        await way.close()

    assert failure is not None
    assert took < 4
    assert grown < 60 * MIB


async def test_one_that_hangs_holds_up_no_other(group: Robot) -> None:
    """Each webhook has a way of its own; and to end takes no time while one hangs."""
    async with serving(hangs) as url:
        stuck = Post(Hook(url, "json", ALL), "web-1", QUICK)
        well = Post(Hook(group.hook, "json", ALL), "web-1", QUICK)
        async with delivering(stuck, well):
            for _ in range(5):
                stuck.put(notice())
                well.put(notice())
            await eventually(lambda: len(group.documents) == 5, 5)
            begun = time.monotonic()

        assert time.monotonic() - begun < 1
        assert not stuck.is_done


async def test_a_packed_answer_that_is_short_is_read() -> None:
    """Though nobody asked for that: some servers pack everything."""

    async def packs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(answer(200, gzip.compress(b'{"errcode": 0}'), Content_Encoding="gzip"))

    async with serving(packs) as url:
        way = way_out(None, None, 1)

        failure = await attempt(way.open().send, url, b"{}", "wecom")

        await way.close()
    assert failure is None


def test_six_hours_of_tries_are_few() -> None:
    """What is given up after hours has cost some dozens of tries, not thousands."""
    patience, waited, tries = Patience(), 0.0, 0
    while waited < patience.give_up:
        tries += 1
        waited += patience.wait(tries)

    assert tries < 45
