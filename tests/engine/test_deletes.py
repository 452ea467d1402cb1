"""Deletes: in batches, after a grace, one result each, and never of a file that is there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import State
from tcbsync.emulator.faults import Fault
from tcbsync.emulator.server import Behaviours, Emulator, Settings
from tcbsync.engine import deletes
from tcbsync.store import rows
from tests.engine.world import ENV, PREFIX, World, eventually

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("stays")


async def test_deletes_go_in_batches_of_fifty(world: World) -> None:
    """A directory that goes away costs one call for fifty objects."""
    files = [world.write(f"d/{number}", str(number)) for number in range(120)]
    await world.sync()
    for file in files:
        file.unlink()

    await world.sync()

    assert world.others() == {}
    assert world.calls()["batchdeletefile"] == 3


async def test_a_file_that_is_replaced_by_delete_and_create_is_never_missing(world: World, emulator: Emulator) -> None:
    """Within the grace it is back: the object is overwritten, and at no moment deleted."""
    file = world.write("a", "old")

    async with world.running(delete_grace_seconds=1.0) as mirror:
        await eventually(world.is_equal)
        file.unlink()
        await eventually(lambda: (row := world.row("a")) is not None and row.state == State.DELETE)
        world.write("a", "new")
        await eventually(lambda: world.others() == {"a": b"new"})
        await eventually(mirror.is_in_sync)

    assert "batchdeletefile" not in world.calls()


async def test_a_file_that_is_moved_away_and_back_costs_nothing(world: World) -> None:
    """The cloud still holds its bytes: no upload, no delete."""
    file = world.write("a")
    away = world.root.parent / "away"

    async with world.running(delete_grace_seconds=1.0) as mirror:
        await eventually(mirror.is_in_sync)
        world.forget_calls()
        file.rename(away)
        await eventually(lambda: (row := world.row("a")) is not None and row.state == State.DELETE)
        away.rename(file)
        await eventually(mirror.is_in_sync)

    assert world.calls() == {}
    assert world.is_equal()


@pytest.mark.slow
async def test_a_file_that_comes_back_while_its_delete_waits_for_a_slot(world: World, emulator: Emulator) -> None:
    """More batches than slots: what is saved again meanwhile goes up, and its delete is called off."""
    files = [world.write(f"{number:03}", str(number)) for number in range(200)]

    async with world.running(deletes=1) as mirror:
        await eventually(mirror.is_in_sync)
        emulator.set_latency(0.1)
        for file in files:
            file.unlink()
        await eventually(lambda: emulator.counters.at_once["batchdeletefile"] > 0)
        for number in range(0, 200, 7):
            world.write(f"{number:03}", f"again {number}")
        emulator.set_latency(0.02)
        await eventually(world.is_equal)
        await eventually(mirror.is_in_sync)

    assert emulator.counters.max_at_once_same_key == 1


async def test_the_disk_is_asked_once_more_before_a_delete(world: World) -> None:
    """A file that is back, and of which nobody has told, is not deleted; it is looked at instead."""
    file = world.write("a")

    async with world.running(watches=False, delete_grace_seconds=0.3) as mirror:
        await eventually(mirror.is_in_sync)
        file.unlink()
        mirror.hint([("a", True)])
        await eventually(lambda: (row := world.row("a")) is not None and row.state == State.DELETE)
        world.write("a", "back")
        await eventually(lambda: world.others() == {"a": b"back"})

    assert "batchdeletefile" not in world.calls()


async def test_the_ignore_rules_of_the_last_moment_count(world: World) -> None:
    """A round may take long: what it was begun by is not what is wanted any more."""
    world.write("a.old")
    await world.sync()
    ignore = world.write(".tcbignore", "*.old\n")

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        await mirror.looks.look([""])
        jobs = mirror.parts.manifest.jobs(State.DELETE, world.host.now(), 10)
        before = await mirror._deletes._surely_gone(jobs)
        ignore.unlink()
        await mirror.looks.open(anew=True)

        assert [job.path for job in before] == ["a.old"]
        assert await mirror._deletes._surely_gone(jobs) == []


async def test_a_decision_that_is_being_written_counts(world: World) -> None:
    """The file is back and a look has said so; that its row is not written yet costs the upload no minute."""
    file = world.write("a")
    await world.sync()
    file.unlink()

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        await mirror.looks.look([""])
        world.write("a", "back")
        slow = mirror.parts.manifest.write(lambda _connection, _mirror: time.sleep(0.5))
        looking = asyncio.create_task(mirror.looks.look(["a"]))
        await asyncio.sleep(0.2)
        await mirror._delete(0.0)
        await asyncio.gather(slow, looking)

        assert [job.path for job in mirror.parts.manifest.jobs(State.UPLOAD, world.host.now(), 10)] == ["a"]


async def test_a_missing_item_is_asked_for_again(world: World, emulator: Emulator) -> None:
    """An object that the answer leaves out is not taken for deleted."""
    for name in "abc":
        world.write(name)
    await world.sync()
    emulator.install(Fault(call="batchdeletefile", kind="missing_item", key=f"{PREFIX}b", count=1))
    for name in "abc":
        (world.root / name).unlink()

    await world.sync()
    row = world.row("b")

    assert world.others() == {"b": b"content"}
    assert row is not None
    assert (row.state, row.digest) == (State.DELETE, None)
    assert [failure.path for failure in world.report().failures()] == ["b"]

    world.host.ahead = 3600
    await world.sync()
    assert world.others() == {}


async def test_a_refused_item_waits_and_in_the_end_is_parked(
    world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are deleted; it is tried again later and later, then waits for a person with its reason."""
    monkeypatch.setattr(deletes, "PARK_ATTEMPTS", 2)
    emulator.install(Fault(call="batchdeletefile", kind="item_error", key=f"{PREFIX}b", errcode=-501022, errmsg="no"))
    for name in "ab":
        world.write(name)
    await world.sync()
    for name in "ab":
        (world.root / name).unlink()

    for _ in range(4):
        await world.sync()
        world.host.ahead += 6 * 3600
    (failure,) = world.report().failures()

    assert world.others() == {"b": b"content"}
    assert (failure.path, failure.code, failure.next_at) == ("b", "delete", None)
    assert "-501022" in failure.reason

    emulator.clear_faults()
    async with world.assembly(grace=False) as assembly:
        assert await assembly.mirrors[0].parts.manifest.write(rows.retry) == 1
    await world.sync()
    assert world.others() == {}


async def test_an_object_that_is_not_there_counts_as_deleted(world: World, emulator: Emulator) -> None:
    """NONEXIST is success: nothing is left to do."""
    file = world.write("a")
    await world.sync()
    emulator._service.storage.delete(ENV, PREFIX + "a")
    file.unlink()

    await world.sync()

    assert world.row("a") is None
    assert world.report().failures() == []


@pytest.mark.slow
async def test_a_lost_answer_to_a_delete_is_asked_for_again(world: World, emulator: Emulator) -> None:
    """The objects are gone, the answer is not there: the rows stay until the cloud has said so."""
    file = world.write("a")
    await world.sync()
    emulator.install(Fault(call="batchdeletefile", kind="stored_reply_lost", count=1))
    file.unlink()

    await world.sync()

    assert world.row("a") is None
    assert world.calls()["batchdeletefile"] == 2


async def test_a_delete_that_fails_whole_waits_with_its_code(world: World, emulator: Emulator) -> None:
    """A permanent refusal of the call parks its rows; nothing else stops."""
    file = world.write("a")
    world.write("b")
    await world.sync()
    emulator.install(Fault(call="batchdeletefile", kind="errcode", errcode=-501006))
    file.unlink()
    world.write("c")

    await world.sync()
    (failure,) = world.report().failures()

    assert (failure.path, failure.code, failure.next_at) == ("a", "-501006", None)
    assert set(world.others()) == {"a", "b", "c"}


async def test_a_defect_in_a_delete_stops_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with a batch, its rows say so and the mirror lives on."""
    file = world.write("a")

    async with world.running() as mirror:
        await eventually(mirror.is_in_sync)

        async def broken(_env: str, _ids: object) -> None:
            raise ValueError("a defect")

        monkeypatch.setattr(mirror.parts.cloud, "delete", broken)
        file.unlink()
        await eventually(lambda: bool(world.report().failures()))
        world.write("b")
        await eventually(lambda: "b" in world.others())

    (failure,) = world.report().failures()
    assert (failure.path, failure.code) == ("a", "internal")


async def test_deletes_of_a_service_that_says_nothing_of_missing_ids(tmp_path: Path) -> None:
    """Whether it answers ok or NONEXIST for an id that is not there is not documented; both are success."""
    async with Emulator(Settings(data=tmp_path / "c", behaviours=Behaviours(missing_delete_status=0))) as emulator:
        world = World(tmp_path / "other root", tmp_path / "other state", emulator)
        world.write("stays")
        file = world.write("a")
        await world.sync()
        emulator._service.storage.delete(ENV, PREFIX + "a")
        file.unlink()

        await world.sync()

        assert world.row("a") is None


async def test_a_stop_amid_a_delete_leaves_its_row(world: World, emulator: Emulator) -> None:
    """Cut off before the answer: the row is there, and the next pass finishes the work."""
    file = world.write("a")
    await world.sync()
    emulator.install(Fault(call="batchdeletefile", kind="stall", seconds=0.5, count=1))
    file.unlink()

    async with world.assembly(grace=False) as assembly:
        working = asyncio.create_task(assembly.mirrors[0].once())
        await eventually(lambda: emulator.counters.at_once["batchdeletefile"] > 0)
        working.cancel()
        await asyncio.wait([working])
    row = world.row("a")

    assert row is not None
    assert (row.state, row.digest) == (State.DELETE, None)
    await world.sync()
    assert world.others() == {}
    assert world.row("a") is None


async def test_the_rows_of_a_cut_off_delete_are_not_trusted(world: World, emulator: Emulator) -> None:
    """The object may be gone: a file that comes back, the same in every respect, goes up again."""
    file = world.write("a")
    await world.sync()
    emulator.install(Fault(call="batchdeletefile", kind="stored_reply_lost"))
    away = file.rename(world.root.parent / "away")
    async with world.assembly(grace=False, attempts=1) as assembly:
        working = asyncio.create_task(assembly.mirrors[0].once())
        await eventually(lambda: emulator.counters.calls["batchdeletefile"] > 0)
        working.cancel()
        await asyncio.wait([working])
    emulator.clear_faults()
    away.rename(file)

    await world.sync()

    assert world.is_equal()
