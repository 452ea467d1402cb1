"""No surprising delete: what could not be seen is not gone, and many deletes wait for a person."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.config.schema import GuardConfig
from tcbsync.core.errors import StateError
from tcbsync.core.model import State
from tcbsync.core.safety import listing_of
from tcbsync.engine.holds import Holds
from tcbsync.store import rows
from tests.engine.world import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World

GUARD: dict[str, Any] = {"guard": GuardConfig(max_deletes=5, max_delete_percent=50)}


async def approve(world: World) -> int:
    """Let held deletes go, as `tcbsync approve` does."""
    async with world.assembly() as assembly:
        return await assembly.mirrors[0].parts.manifest.write(rows.approve)


async def test_an_emptied_root_is_held_until_a_person_approves(world: World) -> None:
    """An empty folder in the place of a full one is what an unmounted volume looks like."""
    await world.mirrored(3, **GUARD)
    for file in world.root.iterdir():
        file.unlink()

    await world.sync(**GUARD)

    assert len(world.cloud()) == 3
    assert world.report().counts().held_deletes == 3
    assert "no files any more" in world.report().hold()

    assert await approve(world) == 3
    await world.sync(**GUARD)
    assert world.cloud() == {}
    assert world.report().hold() == ""


async def test_uploads_go_on_while_deletes_are_held(world: World) -> None:
    """A hold is no stop."""
    await world.mirrored(10, **GUARD)
    for number in range(8):
        (world.root / str(number)).unlink()
    await world.sync(**GUARD)
    world.write("new")

    await world.sync(**GUARD)

    assert world.cloud()["new"] == b"content"
    assert world.report().counts().held_deletes == 8


LIMITS = {
    "below both": (20, 5, 0),
    "more than the number": (20, 6, 6),
    "more than the share": (6, 4, 4),
    "exactly half": (8, 4, 0),
}


@pytest.mark.parametrize(("files", "deletes", "held"), LIMITS.values(), ids=LIMITS)
async def test_the_guard_counts(world: World, files: int, deletes: int, held: int) -> None:
    """Deletes beyond the number, or the share, are all held; below it they go."""
    await world.mirrored(files, **GUARD)
    for number in range(deletes):
        (world.root / str(number)).unlink()

    await world.sync(**GUARD)

    assert world.report().counts().held_deletes == held
    assert len(world.cloud()) == files - (0 if held else deletes)


async def test_deletes_within_ten_minutes_count_together(world: World) -> None:
    """A tree that is emptied slowly is held like one that is emptied at once."""
    await world.mirrored(20, **GUARD)

    async with world.running(**GUARD) as mirror:
        await eventually(mirror.is_in_sync)
        for number in range(4):
            (world.root / str(number)).unlink()
        await eventually(lambda: len(world.cloud()) == 16)
        for number in range(4, 8):
            (world.root / str(number)).unlink()
        await eventually(lambda: world.report().counts().held_deletes == 4)

        assert len(world.cloud()) == 16


async def test_a_held_file_that_is_back_is_called_off_and_the_hold_ends(world: World) -> None:
    """When nothing is held any more, nothing says that something is."""
    await world.mirrored(6, **GUARD)
    away = world.root.parent / "away"
    away.mkdir()
    for number in range(6):
        (world.root / str(number)).rename(away / str(number))
    await world.sync(**GUARD)
    assert world.report().counts().held_deletes == 6
    world.forget_calls()

    for number in range(6):
        (away / str(number)).rename(world.root / str(number))
    await world.sync(**GUARD)

    assert world.report().counts().held_deletes == 0
    assert world.report().hold() == ""
    assert world.calls() == {}


async def test_an_approved_delete_is_looked_at_once_more(world: World) -> None:
    """Whoever approved saw a list of some time ago: a file that is back by now stays."""
    await world.mirrored(4, **GUARD)
    for number in range(4):
        (world.root / str(number)).unlink()
    await world.sync(**GUARD)
    world.write("0", "back")

    await approve(world)
    await world.sync(**GUARD)

    assert world.cloud() == {"0": b"back"}


async def test_an_approval_lets_go_of_nothing_else(world: World) -> None:
    """Deletes that are noted while approved ones go have their own grace."""
    await world.mirrored(10, **GUARD)
    options = {**GUARD, "delete_grace_seconds": 1000.0}
    for number in range(6):
        (world.root / str(number)).unlink()
    await world.sync(**GUARD)
    assert world.report().counts().held_deletes == 6

    async with world.running(**options) as mirror:
        await eventually(lambda: mirror.looks.has_scanned)
        (world.root / "9").unlink()
        await eventually(lambda: (row := world.row("9")) is not None and row.state == State.DELETE)
        await mirror.parts.manifest.write(rows.approve)
        mirror.nudge()
        await eventually(lambda: len(world.cloud()) == 4)

        assert "9" in world.cloud()


def unmount(root: Path) -> None:
    """Leave an empty folder where a full one was, as a volume does that is not mounted any more."""
    shutil.move(root, root.parent / "volume")
    root.mkdir()


@pytest.mark.slow
async def test_a_volume_that_comes_and_goes_while_it_runs(world: World) -> None:
    """Held while it is away, without a delete; when it is back, in sync without an upload."""
    await world.mirrored(8, **GUARD)
    world.forget_calls()

    async with world.running(**GUARD) as mirror:
        await eventually(mirror.is_in_sync)
        unmount(world.root)
        await eventually(lambda: world.report().counts().held_deletes == 8)
        world.root.rmdir()
        shutil.move(world.root.parent / "volume", world.root)
        await eventually(mirror.is_in_sync)

        assert len(world.cloud()) == 8
        assert {call for call in world.calls() if call != "token"} == set()


async def test_the_window_outlives_a_restart(world: World) -> None:
    """Deletes of an earlier process count for ten minutes, and not longer."""
    await world.mirrored(40, **GUARD)
    for portion, ahead, held in ((range(4), 0, 0), (range(4, 8), 300, 4), (range(8, 12), 700, 4)):
        for number in portion:
            (world.root / str(number)).unlink()
        world.host.ahead = ahead

        await world.sync(**GUARD)

        assert world.report().counts().held_deletes == held


async def test_an_approval_means_the_list_that_was_seen(world: World) -> None:
    """Where more is held by now than was listed, nothing goes, and the person is told."""
    await world.mirrored(20, **GUARD)
    for number in range(8):
        (world.root / str(number)).unlink()
    await world.sync(**GUARD)
    seen = listing_of(each.path for each in world.report().held())
    for number in range(8, 16):
        (world.root / str(number)).unlink()
    await world.sync(**GUARD)

    async with world.assembly() as assembly:
        manifest = assembly.mirrors[0].parts.manifest
        with pytest.raises(StateError, match="other deletes are held now"):
            await manifest.write(rows.approve, seen)
        assert world.report().counts().held_deletes == 16
        assert await manifest.write(rows.approve, listing_of(each.path for each in world.report().held())) == 16


@pytest.mark.slow
async def test_an_emptied_root_with_uploads_that_wait(world: World, emulator: Emulator) -> None:
    """Rows that want an upload are no files: what a look has not seen does not make the root any less empty."""
    await world.mirrored(3)
    world.write("waits")
    async with world.running() as mirror:
        emulator.set_latency(1.0)
        await eventually(lambda: "waits" in mirror.parts.busy)
        for file in world.root.iterdir():
            file.unlink()
        await mirror.looks.look([""])
        await mirror._delete(0.0)

        assert world.report().counts().held_deletes == 3
        assert "no files any more" in world.report().hold()


async def test_what_is_noted_after_the_judgement_waits_for_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look may write down hundreds of deletes while a few are on their way: none of them slips through with these."""
    await world.mirrored(20, **GUARD)
    for number in range(2):
        (world.root / str(number)).unlink()
    async with world.assembly(world.mirror(**GUARD), grace=False) as assembly:
        (mirror,) = assembly.mirrors
        await mirror.looks.look([""])
        judge = Holds.judge

        async def judging(holds: Holds, unapproved: int) -> None:
            await judge(holds, unapproved)
            for number in range(2, 12):
                (world.root / str(number)).unlink()
            await mirror.looks.look([str(number) for number in range(2, 12)])

        monkeypatch.setattr(Holds, "judge", judging)
        await mirror._delete(0.0)
        monkeypatch.setattr(Holds, "judge", judge)
        assert len(world.cloud()) == 18
        await mirror._delete(0.0)

    assert world.report().counts().held_deletes == 10
    assert len(world.cloud()) == 18
