"""A look at a part of the tree: what it covers, in what pieces it comes, and what makes its decisions void."""

from __future__ import annotations

import gc
import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.core.model import State
from tcbsync.engine import compare
from tcbsync.local.scan import Disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.local.scan import Place
    from tests.engine.world import World


@pytest.mark.slow
async def test_memory_does_not_grow_with_the_tree(world: World) -> None:
    """A tree ten times as large is looked at in about the same memory, all new as it is."""

    async def peak(directories: int) -> int:
        for directory in range(directories):
            place = world.root / f"{directory}"
            place.mkdir(exist_ok=True)
            for number in range(50):
                (place / f"{number}").touch()
        async with world.assembly() as assembly:
            (mirror,) = assembly.mirrors
            comparison = compare.Comparison(await mirror.looks.open(), mirror.parts.manifest)
            gc.collect()
            tracemalloc.start()
            found = sum(len(plan.uploads) for plan in comparison.slices([""]))
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert found == 50 * directories
        return most

    small = await peak(30)
    large = await peak(240)

    assert large < 1.5 * small


def tree(root: Path, files: int) -> None:
    """Make some files in some directories."""
    for number in range(files):
        file = root / f"{number % 3}" / f"{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}")


async def test_a_look_comes_in_slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many decisions or files at a time; nothing is lost or decided twice, and the deletes come last."""
    monkeypatch.setattr(compare, "SLICE_DECISIONS", 4)
    monkeypatch.setattr(compare, "SLICE_FILES", 8)
    tree(world.root, 30)
    await world.sync()
    for number in range(0, 30, 6):
        (world.root / "0" / f"{number}").unlink()
    for number in range(1, 30, 3):
        (world.root / "1" / f"{number}").write_text(f"changed {number}")

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        disk = await mirror.looks.open()
        slices = list(compare.Comparison(disk, mirror.parts.manifest).slices([""]))

        assert [len(plan.deletes) for plan in slices][-1] == 5  # all at once: nobody judges a part of them
        assert sum(len(plan.deletes) for plan in slices) == 5
        assert sorted(up.found.path for plan in slices for up in plan.uploads) == sorted(
            f"1/{number}" for number in range(1, 30, 3)
        )
        assert sum(plan.unchanged for plan in slices) == 15
        assert len(slices) > 2


SCOPES = {
    "a file": ["0/3"],
    "a file and its directory": ["0", "0/3"],
    "a directory": ["0"],
    "the root among others": ["1/1", ""],
    "what is not there": ["0/none", "none/at/all"],
}


@pytest.mark.parametrize("scopes", SCOPES.values(), ids=SCOPES)
async def test_a_look_covers_its_scope_and_no_more(world: World, scopes: list[str]) -> None:
    """Changes inside the scope are decided about, those outside are not seen."""
    tree(world.root, 12)
    await world.sync()
    for number in range(12):
        (world.root / f"{number % 3}" / f"{number}").write_text(f"changed {number}")

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        await mirror.looks.open()
        sight = await mirror.looks.look(scopes)
        seen = {job.path for job in mirror.parts.manifest.jobs(State.UPLOAD, float("inf"), 100)}

    expected = {
        f"{number % 3}/{number}"
        for number in range(12)
        if "" in scopes or f"{number % 3}" in scopes or f"{number % 3}/{number}" in scopes
    }
    assert seen == expected
    assert sight.uploads >= len(expected)


async def test_a_decision_from_an_old_row_is_void(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that ends while a look is under way may have changed the row: its path is looked at again."""
    world.write("a")
    world.write("b")

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        snapshot = Disk.snapshot

        def interrupted(disk: Disk, place: Place, **how: Any) -> Any:
            with mirror.parts.busy.holding(["a"]):
                return snapshot(disk, place, **how)

        monkeypatch.setattr(Disk, "snapshot", interrupted)
        await mirror.looks.look([""])

        assert {job.path for job in mirror.parts.manifest.jobs(State.UPLOAD, float("inf"), 10)} == {"b"}
        assert mirror.settle.due(float("inf")) == ["a"]


@pytest.fixture
def after_each(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], None]:
    """Return what has a function called with each directory that was looked at as a whole. Each is a slice."""
    monkeypatch.setattr(compare, "SLICE_FILES", 1)
    snapshot = Disk.snapshot

    def call(function: Callable[[str], None]) -> None:
        def interrupted(disk: Disk, place: Place, **how: Any) -> Any:
            seen = snapshot(disk, place, **how)
            if how.get("names") is None:
                function(place.path)
            return seen

        monkeypatch.setattr(Disk, "snapshot", interrupted)

    return call


async def test_a_saved_file_does_not_wait_for_the_end_of_a_long_look(
    world: World, after_each: Callable[[Callable[[str], None]], None]
) -> None:
    """It is looked at between two slices: its row wants an upload while a part of the tree is still unseen."""
    tree(world.root, 30)
    await world.sync()

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        known: list[bool] = []

        def save(_directory: str) -> None:
            known.append(mirror.parts.manifest.record("saved") is not None)
            if len(known) == 1:
                world.write("saved")
                mirror.settle.hint("saved", 0, is_quiet=True)

        after_each(save)
        await mirror.looks.look([""], defers=True)
        again = mirror.settle.due(float("inf"))

    assert known == [False, True, True, True]
    assert again == ["saved"]


async def test_a_long_look_decides_nothing_about_what_a_shorter_one_saw(
    world: World, after_each: Callable[[Callable[[str], None]], None]
) -> None:
    """What was gone when it passed, and is back since, is not deleted; nor is a directory that is new since."""
    tree(world.root, 30)
    await world.sync()
    (world.root / "0" / "0").unlink()

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors

        def come_back(directory: str) -> None:
            if directory == "0":
                world.write("0/0", "it is back")
                world.write("new/a")
                mirror.settle.hint("0/0", 0, is_quiet=True)
                mirror.settle.hint("new/a", 0, is_quiet=True)

        after_each(come_back)
        await mirror.looks.look([""], defers=True)
        records = {path: mirror.parts.manifest.record(path) for path in ("0/0", "new/a")}
        again = mirror.settle.due(float("inf"))

    assert {path: record and record.state for path, record in records.items()} == dict.fromkeys(records, State.UPLOAD)
    assert again == ["0/0", "new/a"]


async def test_files_that_may_still_be_written_are_given_time(world: World) -> None:
    """In a directory that is looked at, a file of just now waits; one that was closed, or is old, does not."""
    world.write("d/young")
    world.write("d/closed")
    os.utime(world.write("d/old"), (1, 1))

    async with world.assembly(world.mirror(quiet_seconds=100)) as assembly:
        (mirror,) = assembly.mirrors
        await mirror.looks.look(["d", "d/closed"], defers=True)

        jobs = mirror.parts.manifest.jobs(State.UPLOAD, world.host.now(), 10)
        assert {job.path for job in jobs} == {"d/closed", "d/old"}
        assert mirror.settle.due(float("inf")) == ["d/young"]
