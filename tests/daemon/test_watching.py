"""A watcher and its mirror: what is handed over, what is not watched, and what status is kept."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING

import pytest

from tcbsync.daemon import watching as watching_room
from tcbsync.daemon.watching import PENDING_PATHS, Watching
from tcbsync.local import glance
from tcbsync.local.hints import Hint, WatchMode, WatchState
from tests.dead import dead
from tests.engine.world import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from tests.engine.world import World


@asynccontextmanager
async def watched(world: World, stir: Callable[[], None] = lambda: None) -> AsyncIterator[tuple[Watching, list[str]]]:
    """Watch a mirror that does not run; its hints are collected."""
    hinted: list[str] = []
    async with world.assembly() as assembly:
        (mirror,) = assembly.mirrors

        def collect(paths: Iterable[tuple[str, bool]], noticed_at: float | None = None) -> None:
            asyncio.get_running_loop()  # raises where this is not the event loop's thread
            hinted.extend(path for path, _ in paths)

        mirror.hint = collect  # type: ignore[method-assign]
        async with Watching(mirror, stir).open() as watching:
            yield watching, hinted


async def test_hints_come_in_the_event_loop(world: World) -> None:
    """The watcher's threads only hand over, and whoever tells how things are hears that they may change."""
    stirred = asyncio.Event()
    async with watched(world, stirred.set) as (watching, hinted):
        assert not stirred.is_set()
        world.write("a")

        await eventually(lambda: "a" in hinted)
        assert stirred.is_set()
        assert watching.silent_seconds < 5
        assert watching.state.mode is WatchMode.INOTIFY


async def test_what_is_ignored_is_not_watched_from_the_start(world: World) -> None:
    """A directory with a hundred thousand ignored files costs no watch and wakes nobody."""
    world.write(".tcbignore", "node_modules/\n")
    world.write("node_modules/deep/er/file")
    world.write("src/file")

    async with watched(world) as (watching, hinted):
        world.write("node_modules/deep/er/other")
        world.write("src/other")
        await eventually(lambda: "src/other" in hinted)

        assert watching.state.watches == 2
        assert not any(path.startswith("node_modules") for path in hinted)


async def test_ignored_names_are_compared_in_one_form(world: World) -> None:
    """A rule and a directory that are spelled in two Unicode forms are the same to the watcher as to the look."""
    world.write(".tcbignore", "caf\u00e9/\n")
    world.write("cafe\u0301/file")

    async with watched(world) as (watching, _):
        assert watching.state.watches == 1


@pytest.mark.slow
async def test_new_rules_are_followed(world: World) -> None:
    """What is ignored now is watched no more, what is not ignored any more is watched again."""
    world.write(".tcbignore", "a/\n")
    world.write("a/file")
    world.write("b/file")

    async with watched(world) as (watching, hinted):
        watching.check()
        world.write(".tcbignore", "b/\n")
        await watching.mirror.looks.open(anew=True)
        watching.check()
        await eventually(lambda: "" in hinted)
        hinted.clear()
        world.write("b/other")
        world.write("a/other")
        await eventually(lambda: "a/other" in hinted)

        assert "b/other" not in hinted


async def test_unchanged_rules_cost_no_walk(world: World) -> None:
    """A look that finds the same rules does not arm the watches again."""
    world.write("a/file")

    async with watched(world) as (watching, hinted):
        for _ in range(3):
            await watching.mirror.looks.open(anew=True)
            watching.check()
        world.write("a/other")
        await eventually(lambda: "a/other" in hinted)

        assert "" not in hinted


@pytest.mark.slow
async def test_a_missing_root_is_no_error(world: World) -> None:
    """It waits for the root, and has everything looked at when it is there."""
    world.root.rmdir()

    async with watched(world) as (watching, hinted):
        assert watching.state.mode is WatchMode.WAITING
        await eventually(lambda: watching.mirror.blind == ("",))

        world.write("a")
        await eventually(lambda: "" in hinted)
        await eventually(lambda: watching.mirror.blind == ())


BLIND = {
    "sees all": (WatchState(WatchMode.INOTIFY), ()),
    "native": (WatchState(WatchMode.NATIVE), ("",)),
    "some blind": (WatchState(WatchMode.DEGRADED, "limit", blind=("a", "b"), blind_count=2), ("a", "b")),
    "too many blind": (WatchState(WatchMode.DEGRADED, "limit", blind=("a", "b"), blind_count=3), ("",)),
    "no events": (WatchState(WatchMode.TIMED, "nfs"), ("",)),
    "no root": (WatchState(WatchMode.WAITING, "missing"), ("",)),
}


@pytest.mark.parametrize(("state", "blind"), BLIND.values(), ids=BLIND)
async def test_where_no_events_come_from_is_rescanned(world: World, state: WatchState, blind: tuple[str, ...]) -> None:
    """Every state of the watcher says which paths need a timer."""
    async with world.assembly() as assembly:
        watching = Watching(assembly.mirrors[0])

        await asyncio.to_thread(watching._on_state, state)

        await eventually(lambda: watching.mirror.blind == blind)


async def test_a_mirror_that_is_told_in_batches(world: World) -> None:
    """Many hints of one read are one call."""
    async with world.assembly() as assembly:
        watching = Watching(assembly.mirrors[0])

        await asyncio.to_thread(watching._on_hints, [Hint("a", is_quiet=True), Hint("b", is_quiet=False)])

        await eventually(lambda: len(watching.mirror.settle) == 2)


async def test_hints_that_wait_for_the_loop_are_bounded(world: World) -> None:
    """A burst while the loop is busy becomes one look at the root, not a list that grows without end."""
    async with world.assembly() as assembly:
        watching = Watching(assembly.mirrors[0])
        burst = [Hint(str(number), is_quiet=True) for number in range(PENDING_PATHS // 10 + 1)]

        for batch in range(10):  # the loop gets no turn meanwhile
            watching._on_hints([Hint(f"{batch}/{hint.path}", is_quiet=True) for hint in burst])
        waiting = len(watching._pending)

        assert waiting == 1
        await eventually(lambda: watching.mirror.settle.next_at() is not None)
        assert len(watching.mirror.settle) == 1


async def test_a_disk_that_dies_as_it_is_armed_keeps_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mirror whose watcher hangs can be stopped all the same: a reload, and the end, wait for that."""
    monkeypatch.setattr(glance, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(watching_room, "END_SECONDS", 0.5)
    async with world.assembly() as assembly:
        looks = assembly.mirrors[0].looks
        disk = await looks.open()
        looks.disk = None
        with dead(world.root):
            watching = Watching(assembly.mirrors[0])
            async with watching.open():
                looks.disk = disk  # it had answered, and dies before it is armed
                await eventually(watching._watcher._lifecycle.locked)
                ends_at = time.monotonic()
            took = time.monotonic() - ends_at
        await eventually(lambda: not watching._watcher._lifecycle.locked())

    assert took < 5
    assert "site: its watcher hangs" in caplog.text


async def test_a_watcher_whose_thread_is_dead_is_silent_for_ever(world: World) -> None:
    """A thread that has ended must not feed systemd's watchdog by what it did before."""
    async with watched(world) as (watching, _):
        was_silent = watching.silent_seconds

        observer = watching._watcher._observer
        assert observer is not None
        observer.stop()
        await asyncio.to_thread(observer.join)

        assert was_silent < 5
        assert watching.silent_seconds == inf
