"""A mirror that runs: what it notices, what it does not lose, and how it ends."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.settle import Settle
from tcbsync.emulator.faults import Fault
from tcbsync.engine import flights
from tcbsync.engine import mirror as mirror_module
from tcbsync.engine.brake import Brake
from tests.engine.world import PREFIX, alive, eventually

if TYPE_CHECKING:
    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World


@pytest.mark.slow
async def test_rules_that_are_edited_while_it_runs_hold_at_once(world: World) -> None:
    """What is ignored now goes from the cloud, what is no longer ignored comes, and later changes are seen."""
    world.write(".tcbignore", "a/\n")
    world.write("a/1")
    world.write("b/1")

    async with world.running() as mirror:
        await eventually(lambda: set(world.cloud()) == {"b/1"})
        world.write(".tcbignore", "b/\n")
        await eventually(lambda: set(world.cloud()) == {"a/1"})
        world.write("a/2")
        world.write("b/2")
        await eventually(lambda: set(world.cloud()) == {"a/1", "a/2"})
        (world.root / ".tcbignore").unlink()
        await eventually(lambda: set(world.cloud()) == {"a/1", "a/2", "b/1", "b/2"})
        await eventually(mirror.is_in_sync)


async def test_a_rescan_finds_and_counts_what_no_event_told_of(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Without any watcher the rescan makes both equal, and says how many changes it found."""
    world.write("a")
    world.write("b")

    async with world.running(watches=False, rescan_seconds=1) as mirror:
        await eventually(mirror.is_in_sync)
        assert mirror.drift == 0
        os.utime(world.write("a", "changed"), (1, 1))
        (world.root / "b").unlink()
        await eventually(world.is_equal)
        await eventually(lambda: mirror.drift == 2)

    assert "the rescan found" in caplog.text


@pytest.mark.parametrize("is_told", [False, True], ids=["nothing", "an event"])
async def test_an_event_that_was_on_its_way_makes_no_drift(world: World, is_told: bool) -> None:
    """A rescan may see a change before its event arrives; who told of what is not known then, and nothing counted."""
    async with world.assembly() as assembly:
        (mirror,) = assembly.mirrors
        counting = asyncio.create_task(mirror._count_drift(3))
        await asyncio.sleep(0)
        if is_told:
            mirror.hint([("a", True)])
        await counting

        assert mirror.drift == (0 if is_told else 3)


async def test_what_waits_to_be_looked_at_is_no_drift(world: World) -> None:
    """A rescan that comes while paths wait, because events have told of them, finds what was known."""
    world.write("a")

    async with world.running(watches=False, rescan_seconds=1, quiet_seconds=1000) as mirror:
        await eventually(lambda: mirror.looks.has_scanned)
        mirror.hint([("elsewhere", False)])
        os.utime(world.write("a", "changed"), (1, 1))
        await eventually(lambda: world.cloud() == {"a": b"changed"})
        await asyncio.sleep(0.4)

        assert mirror.drift == 0


async def test_blind_parts_are_rescanned_on_a_short_timer(world: World) -> None:
    """Where no events come from, it is looked at every few seconds, and that is no drift."""
    world.write("blind/a")

    async with world.running(watches=False, blind_rescan_seconds=1) as mirror:
        await eventually(mirror.is_in_sync)
        mirror.blind = ("blind",)
        os.utime(world.write("blind/b"), (1, 1))
        await eventually(world.is_equal)

        assert mirror.drift == 0


async def test_a_file_that_is_still_written_waits_until_it_is_quiet(world: World, emulator: Emulator) -> None:
    """A writer that holds the file open and goes on writing: it goes up when it is closed, at once, and once."""
    async with world.running(quiet_seconds=20) as mirror:
        await eventually(mirror.is_in_sync)
        with (world.root / "a").open("w") as file:
            for number in range(10):
                file.write(f"{number}\n")
                file.flush()
                await asyncio.sleep(0.05)

            assert "cos" not in world.calls()
        await eventually(world.is_equal)

    assert emulator.counters.calls["cos"] == 1


async def test_a_file_that_is_held_open_goes_up_when_it_is_quiet(world: World) -> None:
    """A log that is never closed is in the cloud all the same, as it was when it stood still."""
    async with world.running() as mirror:
        await eventually(mirror.is_in_sync)
        with (world.root / "a").open("w") as file:
            file.write("line\n")
            file.flush()

            await eventually(lambda: world.cloud() == {"a": b"line\n"})


async def test_a_stop_gives_what_is_in_flight_time_to_land(world: World, emulator: Emulator) -> None:
    """Nothing that has begun is cut off without need; nothing else is begun."""
    emulator.set_latency(0.2)
    for number in range(100):
        world.write(f"{number}")

    async with world.running(watches=False, uploads=4):
        await eventually(lambda: emulator.counters.at_once["cos"] == 4)

    landed = len(world.cloud())
    assert 4 <= landed < 20
    assert world.report().counts().files == landed


async def test_a_stop_does_not_wait_for_what_never_lands(
    world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some seconds it is abandoned; its row says that it is not done."""
    monkeypatch.setattr(flights, "LANDING_SECONDS", 0.2)
    emulator.install(Fault(call="cos", kind="stall", seconds=20))
    world.write("a")

    async with asyncio.timeout(10), world.running(watches=False):
        await eventually(lambda: emulator.counters.at_once["cos"] == 1)

    assert world.report().counts().pending_uploads == 1


@pytest.mark.parametrize("turns", range(5))
async def test_a_wait_is_cancelled_whenever_the_cancellation_comes(turns: int) -> None:
    """Also in the very moment in which the event is set: a loop that misses its cancellation never ends."""
    event = asyncio.Event()
    waiting = asyncio.create_task(mirror_module._wait(event, 100))
    await asyncio.sleep(0.01)

    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    is_over = waiting.done()
    waiting.cancel()

    if not is_over:
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_every_slot_is_given_back(world: World, emulator: Emulator) -> None:
    """After errors of every kind, vanished files and a stop, as many can be in flight as at the beginning."""
    for number in range(30):
        world.write(f"{number}")
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=-501007, key=f"{PREFIX}1*"))
    emulator.install(Fault(call="cos", kind="cut_amid", probability=0.3))
    emulator.set_latency(0.01)

    async with world.assembly(uploads=4) as assembly:
        async with alive(assembly):
            await eventually(lambda: len(world.cloud()) > 5)
            for number in range(20, 30):
                (world.root / f"{number}").unlink()
            await asyncio.sleep(0.1)
        for slots in (assembly.pace.link_slots, assembly.pace.upload_slots, assembly.pace.delete_slots):
            for _ in range(4):
                await asyncio.wait_for(slots.acquire(Brake()), 1)
        assert len(assembly.mirrors[0].parts.busy) == 0


@pytest.mark.slow
async def test_more_changes_than_can_be_remembered_are_one_look_at_everything(world: World) -> None:
    """The paths that wait are bounded; beyond that the root stands for all of them."""
    async with world.assembly() as assembly:
        (mirror,) = assembly.mirrors
        mirror.settle = mirror.looks._settle = Settle(mirror.settle.delays, max_paths=10)
        async with alive(assembly):
            await eventually(mirror.is_in_sync)
            for number in range(200):
                world.write(f"{number}")
            await eventually(world.is_equal)

            assert len(mirror.settle) <= 10
