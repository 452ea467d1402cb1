"""When systemd's watchdog is fed: real watchers, a real manifest writer, a real socket; each is stopped once."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tcbsync.config.schema import ServiceConfig
from tcbsync.daemon.vitals import Vitals, silent_seconds
from tcbsync.daemon.watching import Watching
from tests.engine.world import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tcbsync.daemon.assemble import Assembly
    from tests.engine.world import World


@pytest.fixture
def meals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Be systemd with WatchdogSec=0.4 s. Gives a function that says how often it was fed since it was last asked."""
    place = str(tmp_path / "notify")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(place)
    listening.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")

    def count() -> int:
        meals = 0
        while True:
            try:
                meals += listening.recv(4096) == b"WATCHDOG=1"
            except BlockingIOError:
                return meals

    yield count
    listening.close()


@asynccontextmanager
async def alive(world: World) -> AsyncIterator[tuple[Vitals, Assembly, Watching]]:
    """Let everything live that the watchdog hears of, but for the mirror's loops."""
    async with world.assembly() as assembly, Watching(assembly.mirrors[0]).open() as watching:
        vitals = Vitals(assembly.pace.host.heart, assembly.store, lambda: [watching])
        tasks = [asyncio.create_task(vitals.keep_writing()), asyncio.create_task(vitals.keep_feeding())]
        yield vitals, assembly, watching
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def fed(meals: Callable[[], int]) -> int:
    """Count the meals of half a second, from now on."""
    meals()
    await asyncio.sleep(0.5)
    return meals()


@pytest.mark.slow
async def test_all_is_well(world: World, meals: Callable[[], int]) -> None:
    """Nothing to do is no silence, and a watcher's pulse is allowed to be slower than this watchdog is patient."""
    async with alive(world):
        await asyncio.sleep(2.5)

        assert await fed(meals)


async def test_a_dead_watcher_starves_it(world: World, meals: Callable[[], int]) -> None:
    """Its thread has ended; the loop turns, and nothing else would ever notice."""
    async with alive(world) as (vitals, _, watching):
        vitals._hung_seconds = 5.0
        observer = watching._watcher._observer
        assert observer is not None
        observer.stop()
        await asyncio.to_thread(observer.join)

        assert await fed(meals) == 0
        assert vitals.silent() == [f"{watching.mirror.name}: watcher"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_dead_writer_starves_it(world: World, meals: Callable[[], int]) -> None:
    """Whoever submits to a thread that has ended waits for ever."""
    async with alive(world) as (vitals, assembly, _):
        writer = assembly.store._writer

        def die(_connection: object) -> None:
            raise SystemExit

        writer.submit(die)
        await asyncio.to_thread(writer._thread.join)
        await asyncio.sleep(0.5)

        assert "manifest writer" in vitals.silent()
        assert await fed(meals) == 0
        writer._thread = type(writer._thread)(target=writer._run)  # so that it can be closed
        writer._thread.start()


async def test_a_silent_part_starves_it_and_is_told_once(
    world: World, meals: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    """An upload that waits for something that never comes."""
    async with alive(world) as (vitals, assembly, _):
        vitals._hung_seconds = 5.0
        assembly.pace.host.heart.silent_seconds = 0.05
        stuck = asyncio.create_task(assembly.pace.host.heart.live("site: upload of a", asyncio.sleep(60)))
        await eventually(lambda: "not moving: site: upload of a" in caplog.text)

        assert await fed(meals) == 0
        assert caplog.text.count("not moving") == 1
        stuck.cancel()
        await asyncio.wait([stuck])
        assert await fed(meals)


def test_a_part_may_be_silent_as_long_as_its_calls_may_take() -> None:
    """No file is sent so slowly, and no call is answered so late, that the limits allow it and the watchdog bites."""
    service = ServiceConfig(request_seconds=100, connect_seconds=1, min_bytes_per_second=1024, retry_max_seconds=7)

    seconds = silent_seconds(service)

    assert seconds == 6 * 101 + 1024 + 7
