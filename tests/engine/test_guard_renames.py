"""What was renamed is no delete that the guard counts; what only looks like it is one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.engine.test_guard import GUARD

if TYPE_CHECKING:
    from tests.engine.world import World

RENAMED = 60
"""More than one batch: fewer deletes are not asked about whether they are renames."""


def tree(world: World, name: str, files: int) -> None:
    """Make a directory of so many files, each of its own content."""
    for number in range(files):
        world.write(f"{name}/{number}", f"content {number}")


async def test_renamed_files_do_not_count(world: World) -> None:
    """A directory beyond every limit is renamed three times in a row: each of its files is there under a new name."""
    tree(world, "a", RENAMED)
    await world.sync(**GUARD)

    for before, after in ("ab", "bc", "cd"):
        (world.root / before).rename(world.root / after)
        await world.sync(**GUARD)

    assert world.report().hold() == ""
    assert world.is_equal()


async def test_only_what_is_there_again_is_a_rename(world: World) -> None:
    """What is gone from a renamed directory counts; the renamed rest goes."""
    tree(world, "a", RENAMED)
    await world.sync(**GUARD)
    (world.root / "a").rename(world.root / "b")
    for number in range(6):
        (world.root / "b" / f"{number}").unlink()

    await world.sync(**GUARD)

    assert world.report().counts().held_deletes == 6
    assert "6 objects would be deleted" in world.report().hold()
    assert len(world.cloud()) == RENAMED


async def test_one_copy_excuses_one_delete(world: World) -> None:
    """Many files of the same content, and one new one: the others are deleted, not renamed."""
    for number in range(RENAMED):
        world.write(f"a/{number}", "the same")
    for number in range(20):
        world.write(f"stays/{number}")
    await world.sync(**GUARD)
    shutil.rmtree(world.root / "a")
    world.write("b", "the same")

    await world.sync(**GUARD)

    assert world.report().counts().held_deletes == RENAMED - 1


async def test_a_copy_of_long_ago_excuses_nothing(world: World) -> None:
    """Duplicates that were there all the time say nothing of a rename."""
    for folder in ("a", "b"):
        tree(world, folder, RENAMED)
    await world.sync(**GUARD)
    world.host.ahead = 700
    shutil.rmtree(world.root / "a")

    await world.sync(**GUARD)

    assert world.report().counts().held_deletes == RENAMED
