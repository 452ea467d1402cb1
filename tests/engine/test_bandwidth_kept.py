"""A limit on real sockets: what arrives in a second, and what must not be given up because it is slow."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync import status
from tcbsync.cloud.api import Body, Link
from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import SecretSource
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.timetable import timetable
from tcbsync.emulator.faults import Fault
from tcbsync.engine.bandwidth import Bandwidth
from tcbsync.engine.brake import Brake
from tcbsync.engine.host import Host
from tests.cloud.scripted import answer, receive_head, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'


class Arrivals:
    """An object store that notes how many bytes have arrived, and when."""

    def __init__(self) -> None:
        self.noted: list[tuple[float, int]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take uploads from one connection."""
        while True:
            left = int((await receive_head(reader)).headers["content-length"])
            while left:
                data = await reader.read(min(left, 64 * 1024))
                left -= len(data)
                self.noted.append((time.monotonic(), len(data)))
            writer.write(answer(204, ETag=ETAG))

    def rates(self, seconds: float) -> list[float]:
        """Give the bytes a second of each span of so many seconds, from the first byte to the last."""
        start, end = self.noted[0][0], self.noted[-1][0]
        spans = [0] * (int((end - start) / seconds) + 1)
        for at, count in self.noted:
            spans[int((at - start) / seconds)] += count
        return [count / seconds for count in spans]


async def stream(size: int) -> AsyncIterator[bytes]:
    """Read a large file, as the engine does."""
    while size:
        yield bytes(min(size, MIB))
        size -= min(size, MIB)


@pytest.mark.parametrize("limit", [200_000, 2_000_000])
async def test_what_arrives_is_smooth(limit: int) -> None:
    """Small files and large ones together, for three seconds: each second near the limit, and none far above it."""
    arrivals, bandwidth, brake = Arrivals(), Bandwidth(Host(), timetable(limit)), Brake()
    async with serving(arrivals) as url:
        cloud = open_cloud(
            CloudSettings(api_base=url, total_seconds=0.5, stall_seconds=0.5), SecretSource("wx-test", "no-secret")
        )

        async def send(size: int) -> None:
            chunks = stream(size) if size > MIB // 10 else bytes(size)
            async with bandwidth.share(size, brake) as metered:
                await cloud.send(Link("a", "f", url, "a", "t", "c"), Body(size, metered(chunks)))

        async with asyncio.TaskGroup() as tasks:
            for size in (limit * 2, 10_000, limit // 2, 0, limit // 4, 1000, limit // 4):
                tasks.create_task(send(size))
        await cloud.close()

    rates = arrivals.rates(1.0)
    assert len(rates) >= 3
    assert max(rates) < 1.5 * limit
    assert all(0.6 * limit < rate for rate in rates[:-1])
    assert max(arrivals.rates(0.25)) < 3 * limit


async def test_what_is_slow_for_our_sake_is_not_given_up(world: World, emulator: Emulator) -> None:
    """Every limit of time is over long before the bytes are out, and yet each file is sent once, and in time."""
    for number in range(16):
        world.write(f"small{number}", bytes([number]) * 100_000)
    world.write("large", b"l" * (3 * MIB // 2))
    started = time.monotonic()

    impatient = {"request_seconds": 2, "min_bytes_per_second": 10**9, "write_stall_seconds": 0.5, "read_seconds": 0.5}
    mirror = await world.sync(bandwidth=600_000, uploads=16, **impatient)

    assert time.monotonic() - started > (1_600_000 + 3 * MIB // 2) / 600_000 - 0.5
    assert world.is_equal()
    assert emulator.counters.calls["cos"] == 17
    assert mirror.parts.tally.failures == 0


async def test_what_is_sent_again_counts_too(world: World, emulator: Emulator) -> None:
    """Bytes that were sent in vain were sent."""
    emulator.install(Fault(call="cos", kind="cut_after", count=2))
    world.write("a", b"a" * 400_000)
    started = time.monotonic()

    await world.sync(bandwidth=400_000)

    assert world.is_equal()
    assert time.monotonic() - started > 2.5


async def test_links_and_deletes_are_not_limited(world: World) -> None:
    """Forty deletes and a link under a limit of a kilobyte a second take no time."""
    await world.mirrored(40)
    for number in range(39):
        (world.root / f"{number}").unlink()
    started = time.monotonic()

    await world.sync(bandwidth=1024)

    assert world.is_equal()
    assert time.monotonic() - started < 20


async def test_status_says_what_the_limit_is(world: World) -> None:
    """The limit that holds now, in bytes a second, and until when; nothing without one."""
    async with world.assembly(bandwidth={"00:00": 500_000}) as assembly:
        limited = status.service_status(assembly.pace)
    async with world.assembly() as assembly:
        free = status.service_status(assembly.pace)

    assert (limited["bandwidth"], limited["bandwidth_until"]) == (500_000, None)
    assert (free["bandwidth"], free["bandwidth_until"]) == (None, None)
    assert status.limits(limited) == ["bandwidth 500 KB/s"]
    assert status.limits(free) == []
