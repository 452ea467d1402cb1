"""The limit of what all uploads send: what it lets through, whom it lets go first, and what cannot break it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.timetable import Timetable, timetable
from tcbsync.engine.bandwidth import BURST_SECONDS, FORM_BYTES, LOOK_SECONDS, ROOM_SECONDS, Bandwidth
from tcbsync.engine.brake import Brake, Closed
from tcbsync.engine.host import Host
from tests.engine.settling import virtually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MB = 1_000_000
LINK_SECONDS = 900
OURS = Brake()
MONDAY_NOON = 1_700_481_600.0
"""2023-11-20 12:00 UTC."""


class Wall(Host):
    """A wall clock that goes with the loop's, and can be set."""

    def __init__(self, start: float = MONDAY_NOON) -> None:
        super().__init__()
        self.start = start

    def now(self) -> float:
        return self.start + asyncio.get_running_loop().time()


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live where there is summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def stream(size: int, chunk: int = MB) -> AsyncIterator[bytes]:
    """Read a file, as it were."""
    while size > 0:
        yield bytes(min(chunk, size))
        size -= chunk


class Wire:
    """Sends bodies, and notes what left when."""

    def __init__(self, bandwidth: Bandwidth) -> None:
        self.bandwidth = bandwidth
        self.left: list[tuple[float, int]] = []
        self.spans: list[tuple[float, float]] = []

    async def send(self, body: AsyncIterator[bytes] | bytes, size: int) -> None:
        """Take the turn of one file, and send it."""
        clock = asyncio.get_running_loop().time
        async with self.bandwidth.share(size, OURS) as metered:
            began, sent = clock(), 0
            chunks = metered(body)
            assert not isinstance(chunks, bytes)
            async for piece in chunks:
                self.left.append((clock(), len(piece)))
                sent += len(piece)
            assert sent == size
            self.spans.append((began, clock()))

    def most_in(self, seconds: float) -> int:
        """Give the most bytes that left in any span of so many seconds."""
        most = total = first = 0
        for at, count in self.left:
            total += count
            while self.left[first][0] <= at - seconds:
                total -= self.left[first][1]
                first += 1
            most = max(most, total)
        return most


@pytest.mark.parametrize("limit", [1024, 50_000, 3 * MB])
@pytest.mark.parametrize(
    "sizes", [[10_000] * 40, [2 * MB] * 3, [0, 1, 5 * MB, 10_000] * 3], ids=["small", "large", "both"]
)
def test_all_together_send_what_the_limit_allows(limit: int, sizes: list[int]) -> None:
    """In any second not more than the limit and one burst; and over all not less, for nothing of it is wasted."""

    async def live() -> tuple[Wire, float]:
        wire = Wire(Bandwidth(Wall(), timetable(limit)))
        async with asyncio.TaskGroup() as tasks:
            for size in sizes:
                tasks.create_task(wire.send(bytes(size) if size < MB else stream(size), size))
        return wire, asyncio.get_running_loop().time()

    wire, took = virtually(live())

    assert wire.most_in(1.0) <= limit * (1 + BURST_SECONDS) + 512
    expected = (sum(sizes) + FORM_BYTES * len(sizes)) / limit
    assert expected - BURST_SECONDS - 0.1 <= took <= expected + 0.1


def test_small_limits_make_small_pieces() -> None:
    """A chunk of a mebibyte leaves in pieces of a twentieth of a second each, at even distances."""

    async def live() -> Wire:
        wire = Wire(Bandwidth(Wall(), timetable(50_000)))
        await wire.send(stream(MB), MB)
        return wire

    left = virtually(live()).left[10:]

    assert {size for _, size in left} == {2500}
    assert max(after - before for (before, _), (after, _) in pairwise(left)) < 0.051


@pytest.mark.slow
def test_many_large_files_under_a_small_limit_get_through_before_their_links_are_old() -> None:
    """16 files of 20 MB at 50 KB a second: each goes alone, at the whole limit, in half its link's time."""

    async def live() -> Wire:
        wire = Wire(Bandwidth(Wall(), timetable(50_000)))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(16):
                tasks.create_task(wire.send(stream(20 * MB), 20 * MB))
        return wire

    spans = virtually(live()).spans

    assert len(spans) == 16
    assert max(end - began for began, end in spans) < LINK_SECONDS / 2
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(spans))


def test_what_is_in_flight_can_be_sent_in_half_a_minute() -> None:
    """Smaller files share the limit, but never so many that the last one's link would grow old."""

    async def live() -> Wire:
        wire = Wire(Bandwidth(Wall(), timetable(50_000)))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(64):
                tasks.create_task(wire.send(bytes(100_000), 100_000))
        return wire

    spans = virtually(live()).spans

    assert max(end - began for began, end in spans) < ROOM_SECONDS + 1
    assert sum(began == 0 for began, _ in spans) == 14


@pytest.mark.slow
def test_small_files_do_not_wait_behind_a_large_one() -> None:
    """They go beside it, however many come; it keeps about half of the limit; a second one waits for the first."""

    async def live() -> tuple[Wire, Wire]:
        bandwidth = Bandwidth(Wall(), timetable(50_000))
        large, small = Wire(bandwidth), Wire(bandwidth)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(large.send(stream(10 * MB), 10 * MB))
            for _ in range(3000):
                tasks.create_task(small.send(bytes(10_000), 10_000))
        return large, small

    large, small = virtually(live())

    first, second = large.spans
    assert second[0] == first[1]
    assert first[1] - first[0] == pytest.approx(400, rel=0.15)
    assert small.spans[0][1] < 2 * ROOM_SECONDS
    large.left = sorted(large.left + small.left)
    assert large.most_in(1.0) <= 50_000 * (1 + BURST_SECONDS) + 512


@pytest.mark.parametrize("size", [10_000, 20 * MB], ids=["small", "large"])
def test_who_came_first_goes_first(size: int) -> None:
    """Among the small as among the large."""
    order = []

    async def live() -> None:
        bandwidth = Bandwidth(Wall(), timetable(1024))

        async def send(number: int) -> None:
            async with bandwidth.share(size + number, OURS):
                order.append(number)
                await asyncio.sleep(size / 1024)

        async with asyncio.TaskGroup() as tasks:
            for number in (3, 1, 2, 0):
                tasks.create_task(send(number))

    virtually(live())

    assert order == [3, 1, 2, 0]


def test_mirrors_take_turns() -> None:
    """A mirror with many files that wait lets another's one go before them, but for the next two."""
    order, theirs = [], Brake()

    async def live() -> None:
        bandwidth = Bandwidth(Wall(), timetable(1024))

        async def send(brake: Brake, number: int) -> None:
            async with bandwidth.share(20 * MB, brake):
                order.append(number)
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(send(OURS, number))
            await asyncio.sleep(0.5)
            tasks.create_task(send(theirs, 1000))

    virtually(live())

    assert order.index(1000) == 3
    assert len(order) == 21


def test_who_is_stopped_waits_no_longer() -> None:
    """Behind a file that takes hours, the next one leaves within a second and those behind it at once."""
    left: list[float] = []

    async def live() -> None:
        bandwidth, brake = Bandwidth(Wall(), timetable(1024)), Brake()

        async def wait() -> None:
            with contextlib.suppress(Closed):
                async with bandwidth.share(20 * MB, brake):
                    raise AssertionError("it was stopped")
            left.append(asyncio.get_running_loop().time() - 10.0)

        async with asyncio.TaskGroup() as tasks, bandwidth.share(20 * MB, OURS):
            for _ in range(3):
                tasks.create_task(wait())
            await asyncio.sleep(10.0)
            brake.is_on = True
            await asyncio.sleep(3600)

    virtually(live())

    assert len(left) == 3
    assert left[:2] == [0.0, 0.0]
    assert left[2] <= LOOK_SECONDS


def test_a_turn_that_is_given_up_makes_room() -> None:
    """Cancelled while it waits or while it sends: the next one's turn comes all the same."""

    async def live() -> None:
        bandwidth = Bandwidth(Wall(), timetable(50_000))

        async def send() -> None:
            async with bandwidth.share(20 * MB, OURS):
                await asyncio.sleep(3600)

        tasks = [asyncio.create_task(send()) for _ in range(3)]
        await asyncio.sleep(5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), bandwidth.share(20 * MB, OURS):
            pass

    virtually(live())


async def test_without_a_limit_nothing_is_in_the_way() -> None:
    """The bytes are the very same object, there is no queue, and a stream's chunks pass as they are."""
    bandwidth, data, chunk = Bandwidth(Wall()), b"bytes", b"x" * MB

    async def read() -> AsyncIterator[bytes]:
        yield chunk

    async with bandwidth.share(10**12, OURS) as metered, bandwidth.share(10**12, OURS):
        streamed = metered(read())
        assert metered(data) is data
        assert not isinstance(streamed, bytes)
        assert [piece is chunk async for piece in streamed] == [True]


def test_the_hour_decides_amid_a_file() -> None:
    """At 13:01 the limit begins, at 13:02 it ends: the files that are being sent obey, and go on."""
    limits = timetable({"13:01": 10_000, "13:02": None})

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(150):
            await asyncio.sleep(0.99)
            yield bytes(20_000)

    async def live() -> Wire:
        wire = Wire(Bandwidth(Wall(), limits))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wire.send(slow(), 150 * 20_000))
            await asyncio.sleep(70)
            tasks.create_task(wire.send(bytes(50 * MB), 50 * MB))
        return wire

    wire = virtually(live())
    before, amid = (sum(size for at, size in wire.left if low <= at < low + 59.9) for low in (0, 60))

    assert before == 60 * 20_000
    assert 60 * 7000 < amid <= 60 * 10_000 + 2500
    assert 119.9 <= wire.spans[0][1] < 121


def test_a_limit_that_is_put_in_place_holds_for_what_is_under_way() -> None:
    """A reload amid a large file: the rest of it obeys."""

    async def live() -> float:
        bandwidth = Bandwidth(Wall())
        wire = Wire(bandwidth)

        async def read() -> AsyncIterator[bytes]:
            yield bytes(MB)
            bandwidth.timetable = timetable(100_000)
            yield bytes(MB)

        await wire.send(read(), 2 * MB)
        return asyncio.get_running_loop().time()

    assert virtually(live()) == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("jump", [-(10**9), -3600, 3600, 10**8])
def test_a_wall_clock_that_jumps_lets_nothing_through(jump: float) -> None:
    """The rate is kept by the loop's clock; the wall's says only which hour it is."""

    async def live() -> float:
        host = Wall()
        wire = Wire(Bandwidth(host, timetable(100_000)))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wire.send(stream(MB), MB))
            await asyncio.sleep(3)
            host.start += jump
        return asyncio.get_running_loop().time()

    assert virtually(live()) == pytest.approx(10, abs=0.3)


MARCH_26, OCTOBER_29 = 1_679_788_800.0, 1_698_534_000.0
"""01:00 on the two Sundays of 2023 that had 23 and 25 hours."""

SUMMER: dict[str, tuple[float, list[int]]] = {
    "an hour is skipped": (MARCH_26, [0, 0, 1, 1]),
    "an hour comes twice": (OCTOBER_29, [0, 0, 0, 1, 0, 1, 1]),
}
"""The limit each half hour from then on, by a timetable whose step is at 02:30."""


@pytest.mark.parametrize("name", SUMMER)
def test_summer_time_needs_no_care(name: str) -> None:
    """What the operator's clock shows counts: an hour that is skipped, or that comes twice, is no special case."""
    start, expected = SUMMER[name]
    at = start
    host = Host()
    host.now = lambda: at  # type: ignore[method-assign]
    bandwidth = Bandwidth(host, timetable({"00:00": 1000, "02:30": 2000}))

    limits = []
    for half_hour in range(len(expected)):
        at = start + 1800 * half_hour
        limits.append(bandwidth.limit())

    assert limits == [2000 if each else 1000 for each in expected]


UNTIL = {
    "for ever": (timetable(1000), 1000, None),
    "today": (timetable({"08:00": 1000, "19:00": None}), 1000, "19:00"),
    "another day": (timetable({"Mon-Fri 08:00": 1000, "Sat 00:00": None}), 1000, "Sat 00:00"),
    "the same again": (timetable({"08:00": 1000, "12:00": 1000, "19:00": None}), 1000, "19:00"),
    "no limit now": (timetable({"08:00": None, "19:00": 1000}), None, "19:00"),
    "none at all": (None, None, None),
}


@pytest.mark.parametrize("name", UNTIL)
def test_it_says_until_when(name: str) -> None:
    """The limit of this hour, and when another one begins, as a person says it."""
    table, limit, until = UNTIL[name]

    async def live() -> tuple[int | None, str | None]:
        bandwidth = Bandwidth(Wall(), table)
        return bandwidth.limit(), bandwidth.until()

    assert virtually(live()) == (limit, until)


@pytest.mark.parametrize("table", [None, timetable(1 << 30)], ids=["no limit", "a limit"])
async def test_a_source_is_closed_when_its_reader_goes(table: Timetable | None) -> None:
    """A body that is cut off lets go of its file at once, and what the source raises passes unchanged."""
    bandwidth, closed = Bandwidth(Wall(), table), []

    async def read() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            raise OSError("gone")
        finally:
            closed.append(True)

    async with bandwidth.share(1, OURS) as metered:
        left, failed = metered(read()), metered(read())
    assert not isinstance(left, bytes)
    assert not isinstance(failed, bytes)
    async with contextlib.aclosing(left):  # type: ignore[type-var]
        await anext(left)
    with pytest.raises(OSError, match="gone"):
        _ = [piece async for piece in failed]

    assert closed == [True, True]
