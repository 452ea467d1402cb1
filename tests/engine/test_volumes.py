"""Volumes that come, go and are swapped: at the root and below it, while it runs and while it does not. Real mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.config.schema import GuardConfig
from tcbsync.core.errors import StateError
from tcbsync.core.model import State
from tcbsync.engine.holds import Holds
from tcbsync.local.scan import Disk
from tcbsync.store import rows
from tests.engine.world import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.store.manifest import Job
    from tests.engine.world import World

NO_LIMIT: dict[str, Any] = {"guard": GuardConfig(max_deletes=None, max_delete_percent=None)}


def mount(*words: str | Path) -> None:
    """Mount something; skip where that is not permitted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root and mount(8)")
    if subprocess.run(["mount", *map(str, words)], capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not permitted here")


def unmount(place: Path) -> None:
    """Take a volume away, whoever looks at it."""
    subprocess.run(["umount", "-l", str(place)], check=True)


class Volume:
    """A file system in memory that can be mounted at a place, taken away, and mounted there again as it was."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", home)

    def attach(self, place: Path) -> None:
        """Mount it there."""
        place.mkdir(exist_ok=True)
        mount("--bind", self.home, place)


@contextmanager
def volumes(world: World, *names: str) -> Iterator[list[Volume]]:
    """Make volumes, and take everything that is mounted away at the end."""
    made: list[Volume] = []
    try:
        made.extend(Volume(world.root.parent / name) for name in names)
        yield made
    finally:
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
        for place in sorted((point for point in points if point.startswith(f"{world.root.parent}/")), reverse=True):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def fill(folder: Path, count: int) -> None:
    """Make so many files, each of its own size."""
    for number in range(count):
        (folder / f"{number}").write_text("x" * (number + 1))


def held(world: World) -> int:
    """Count the deletes that are held."""
    return world.report().counts().held_deletes


async def test_another_volume_at_the_root_across_a_restart(world: World) -> None:
    """Whatever the guard allows: what another file system lacks is held, uploads go on, and no restart forgets that."""
    with volumes(world, "one", "other") as (one, other):
        fill(one.home, 9)
        one.attach(world.root)
        await world.sync(**NO_LIMIT)
        unmount(world.root)
        fill(other.home, 6)
        (other.home / "new").write_text("new")
        other.attach(world.root)

        await world.sync(**NO_LIMIT)
        await world.sync(**NO_LIMIT)

        assert held(world) == 3
        assert "another file system" in world.report().hold()
        assert len(world.cloud()) == 10


async def test_another_volume_after_a_first_look_that_was_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that it had written already know which volume they are of."""

    async def cut_off(_: object) -> None:
        raise StateError("killed")

    with volumes(world, "one", "other") as (one, other):
        fill(one.home, 9)
        one.attach(world.root)
        async with world.assembly() as assembly:
            (mirror,) = assembly.mirrors
            monkeypatch.setattr(mirror.looks._holds, "review", cut_off)
            with pytest.raises(StateError):
                await mirror.looks.look([""])
            for job in mirror.parts.manifest.jobs(State.UPLOAD, world.host.now(), 9):
                await mirror._flights.uploads.upload(job)
        unmount(world.root)
        fill(other.home, 6)
        other.attach(world.root)

        await world.sync(**NO_LIMIT)

        assert held(world) == 3
        assert len(world.cloud()) == 9


async def test_the_recorded_volume_is_back(world: World) -> None:
    """The hold ends by itself; what was really deleted there goes, and all the rest costs nothing."""
    with volumes(world, "one") as (one,):
        fill(one.home, 9)
        one.attach(world.root)
        await world.sync(**NO_LIMIT)
        unmount(world.root)
        await world.sync(**NO_LIMIT)
        await world.sync(**NO_LIMIT)
        assert held(world) == 9
        (one.home / "0").unlink()
        one.attach(world.root)
        world.forget_calls()

        await world.sync(**NO_LIMIT)
        await world.sync(**NO_LIMIT)

        assert (held(world), world.report().hold()) == (0, "")
        assert world.is_equal()
        assert world.calls() == {"token": 1, "batchdeletefile": 1}


async def test_a_remount_that_changes_nothing_holds_nothing(world: World) -> None:
    """Another device with the same files is the root from now on: later deletes there are believed."""
    with volumes(world, "one", "other") as (one, other):
        fill(one.home, 9)
        one.attach(world.root)
        await world.sync(**NO_LIMIT)
        unmount(world.root)
        shutil.copytree(one.home, other.home, dirs_exist_ok=True)
        other.attach(world.root)
        await world.sync(**NO_LIMIT)
        assert (held(world), world.report().hold()) == (0, "")
        (world.root / "0").unlink()

        await world.sync(**NO_LIMIT)

        assert held(world) == 0
        assert world.is_equal()


async def test_a_person_accepts_the_new_volume(world: World) -> None:
    """Approved deletes go, and the volume that is there now is the one that is known."""
    with volumes(world, "one", "other") as (one, other):
        fill(one.home, 9)
        one.attach(world.root)
        await world.sync(**NO_LIMIT)
        unmount(world.root)
        fill(other.home, 6)
        other.attach(world.root)
        await world.sync(**NO_LIMIT)

        async with world.assembly() as assembly:
            await assembly.mirrors[0].parts.manifest.write(rows.approve)
        await world.sync(**NO_LIMIT)
        assert len(world.cloud()) == 6
        (world.root / "0").unlink()
        await world.sync(**NO_LIMIT)

        assert world.is_equal()
        assert world.report().hold() == ""


@pytest.mark.parametrize("place", ["video", "d/vide\u0301o"])
async def test_a_volume_below_the_root_is_away(world: World, place: str) -> None:
    """Its share is small and the guard would let it go: it is held, and what is deleted elsewhere is not."""
    with volumes(world, "one") as (one,):
        fill(one.home, 3)
        for number in range(30):
            world.write(f"{number}", "y" * (number + 10))
        (world.root / place).parent.mkdir(exist_ok=True)
        one.attach(world.root / place)
        await world.sync()
        unmount(world.root / place)
        (world.root / "0").unlink()

        await world.sync()
        await world.sync()

        assert held(world) == 3
        assert len(world.cloud()) == 32
        one.attach(world.root / place)
        await world.sync()
        assert (held(world), len(world.cloud())) == (0, 32)


async def test_a_volume_that_covers_files(world: World) -> None:
    """What is hidden beneath a new mount is not gone either."""
    with volumes(world, "one") as (one,):
        for number in range(4):
            world.write(f"d/{number}", "y" * (number + 10))
        world.write("stays")
        await world.sync(**NO_LIMIT)

        one.attach(world.root / "d")
        await world.sync(**NO_LIMIT)
        assert held(world) == 4
        unmount(world.root / "d")
        await world.sync(**NO_LIMIT)

        assert (held(world), len(world.cloud())) == (0, 5)


async def test_an_unmount_amid_the_grace(world: World) -> None:
    """A delete that was noted before waits with the others: when it is sent, the volume is asked about once more."""
    with volumes(world, "one") as (one,):
        fill(one.home, 9)
        one.attach(world.root)
        async with world.running(delete_grace_seconds=1.0, watches=False, **NO_LIMIT) as mirror:
            await eventually(mirror.is_in_sync)
            (world.root / "0").unlink()
            mirror.hint([("0", True)])
            await eventually(lambda: (row := world.row("0")) is not None and row.state == State.DELETE)
            unmount(world.root)
            await eventually(lambda: held(world) == 9)

            assert len(world.cloud()) == 9
            assert "batchdeletefile" not in world.calls()


async def test_a_look_at_a_part_believes_no_other_volume(world: World) -> None:
    """A hint that is older than the unmount finds nothing there: that is no delete, and everything is looked at."""
    with volumes(world, "one") as (one,):
        fill(one.home, 9)
        one.attach(world.root)
        async with world.running(watches=False, delete_grace_seconds=0.0, **NO_LIMIT) as mirror:
            await eventually(mirror.is_in_sync)
            unmount(world.root)
            mirror.hint([("0", True), ("1", True)])
            await eventually(lambda: held(world) == 9)

            assert len(world.cloud()) == 9


async def test_a_look_during_which_a_volume_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning saw files and its end none: nothing is concluded, and it is looked at again."""
    with volumes(world, "one") as (one,):
        fill(one.home, 3)
        for number in range(9):
            world.write(f"{number}", "y" * (number + 10))
        one.attach(world.root / "video")
        await world.sync(**NO_LIMIT)
        snapshot = Disk.snapshot

        def unmounting(disk: Disk, place: Any, **options: Any) -> Any:
            if place.path == "video" and (world.root / "video").is_mount():
                unmount(world.root / "video")
            return snapshot(disk, place, **options)

        monkeypatch.setattr(Disk, "snapshot", unmounting)
        await world.sync(**NO_LIMIT)

        assert len(world.cloud()) == 12
        assert held(world) == 3


async def test_a_delete_does_not_overtake_the_hold(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the hold is written, what a delete that is about to go finds on the other volume proves nothing."""
    with volumes(world, "one") as (one,):
        fill(one.home, 9)
        one.attach(world.root)
        async with world.assembly(world.mirror(**NO_LIMIT), grace=False) as assembly:
            (mirror,) = assembly.mirrors
            await mirror.once()
            (world.root / "0").unlink()
            await mirror.looks.look([""])
            unmount(world.root)
            gone: list[Job] = []
            hold_away = Holds._hold_away

            async def overtaken(holds: Holds) -> bool:
                jobs = mirror.parts.manifest.jobs(State.DELETE, world.host.now(), 10)
                gone.extend(await mirror._deletes._surely_gone(jobs))
                return await hold_away(holds)

            monkeypatch.setattr(Holds, "_hold_away", overtaken)
            await mirror.looks.look([""])

        assert gone == []
        assert held(world) == 9
