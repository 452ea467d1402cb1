"""The cloud ends as the disk is, whatever happened in between; and what is equal already costs nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.engine.world import PREFIX, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World


def plant(world: World) -> None:
    """Make a small tree with names that are easy to get wrong."""
    odd = ("空 格/图 片.png", "d/100%/#?&=+.txt", "cafe\u0301/x", "d.x/y", "d-x/z")
    for path in ("a", "d/b", "d/e/c", "d/e/f/g", *odd):
        world.write(path, f"content of {path}")


def file_becomes_directory(root: Path) -> None:
    """Put a directory in the place of a file."""
    (root / "a").unlink()
    (root / "a").mkdir()
    (root / "a" / "a").write_text("a")


def directory_becomes_file(root: Path) -> None:
    """Put a file in the place of a directory."""
    shutil.rmtree(root / "d/e")
    (root / "d/e").write_text("e")


def directory_becomes_link(root: Path) -> None:
    """Put a link to a directory in the place of a directory."""
    shutil.rmtree(root / "d/e")
    (root / "d/e").symlink_to(root / "d.x")


def file_becomes_link(root: Path) -> None:
    """Put a link to a file in the place of a file."""
    (root / "a").unlink()
    (root / "a").symlink_to("d/b")


def files_change_places(root: Path) -> None:
    """Let two files take each other's names."""
    (root / "a").rename(root / "t")
    (root / "d/b").rename(root / "a")
    (root / "t").rename(root / "d/b")


def older_file(root: Path) -> None:
    """Change a file, and set its time back."""
    (root / "a").write_text("older")
    os.utime(root / "a", (1, 1))


CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _root: None,
    "new file": lambda root: (root / "new").write_text("new"),
    "changed file": lambda root: (root / "d/b").write_text("changed"),
    "deleted file": lambda root: (root / "d/b").unlink(),
    "renamed file": lambda root: (root / "d/b").rename(root / "d/e/renamed"),
    "deleted directory": lambda root: shutil.rmtree(root / "d"),
    "renamed directory": lambda root: (root / "d").rename(root / "空 格" / "d"),
    "same bytes elsewhere": lambda root: shutil.copy2(root / "a", root / "copy"),
    "file becomes directory": file_becomes_directory,
    "directory becomes file": directory_becomes_file,
    "directory becomes link": directory_becomes_link,
    "file becomes link": file_becomes_link,
    "files change places": files_change_places,
    "older file": older_file,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_cloud_follows_disk(world: World, change: Callable[[Path], object]) -> None:
    """After each change one pass makes both equal, byte for byte, and the next finds nothing to do."""
    plant(world)
    await world.sync()
    change(world.root)

    await world.sync()
    expected = {path.replace("e\u0301", "\u00e9"): content for path, content in world.disk().items()}

    assert world.cloud() == expected
    world.forget_calls()
    await world.sync()
    assert world.calls() == {}


async def test_a_second_look_asks_for_nothing(world: World) -> None:
    """Nothing changed: no link, no upload, no delete, not even a token."""
    plant(world)
    await world.sync()
    world.forget_calls()

    mirror = await world.sync()

    assert world.calls() == {}
    assert mirror.looks.sight.unchanged == len(world.disk())
    assert mirror.looks.sight.changes == 0


@pytest.mark.slow
async def test_two_thousand_tiny_files(world: World, emulator: Emulator) -> None:
    """Each goes up once, with one link and one upload."""
    for number in range(2000):
        world.write(f"{number % 40}/{number}", str(number))

    await world.sync()

    assert world.is_equal()
    assert world.calls()["cos"] == world.calls()["uploadfile"] == 2000
    assert world.calls()["token"] == 1
    assert emulator.counters.max_at_once_same_key == 1


async def test_never_more_at_once_than_configured(world: World, emulator: Emulator) -> None:
    """All slots are used, and nothing is sent without one; links are asked for ahead, up to twice as many."""
    for number in range(60):
        world.write(f"{number}")
    emulator.set_latency(0.03)

    await world.sync(uploads=5)

    assert emulator.counters.max_at_once["cos"] == 5
    assert 5 < emulator.counters.max_at_once["all"] <= 13


async def test_a_file_that_is_saved_fifty_times_ends_as_its_last_content(world: World, emulator: Emulator) -> None:
    """One operation on its key at a time, far fewer uploads than saves, and the last save wins."""
    emulator.set_latency(0.02)

    async with world.running() as mirror:
        for number in range(50):
            world.write("a", f"save {number}")
            await asyncio.sleep(0.01)
        await eventually(lambda: world.cloud() == {"a": b"save 49"})
        await eventually(mirror.is_in_sync)

    assert emulator.counters.max_at_once_same_key == 1
    assert world.calls()["cos"] < 25


@pytest.mark.slow
async def test_one_operation_on_a_key_at_a_time(world: World, emulator: Emulator) -> None:
    """Deleted while it is sent, saved while it is deleted: its operations queue up, and the last state wins."""
    emulator.set_latency(0.1)
    at_once = emulator.counters.at_once
    world.write("stays")

    async with world.running(delete_grace_seconds=0.0) as mirror:
        for number in range(4):
            file = world.write("a", f"save {number}")
            await eventually(lambda: at_once["cos"] > 0)
            file.unlink()
            await eventually(lambda: at_once["batchdeletefile"] > 0)
        world.write("a", "last")
        await eventually(lambda: world.cloud().get("a") == b"last")
        await eventually(mirror.is_in_sync)

    assert world.is_equal()
    assert emulator.counters.max_at_once_same_key == 1
    assert world.calls()["batchdeletefile"] == 4


async def test_everything_in_memory_can_be_thrown_away(world: World, emulator: Emulator) -> None:
    """Cut off at twenty moments of the same work, each time by a new process: it converges, and wastes little."""
    for number in range(60):
        world.write(f"{number}", str(number))
    emulator.set_latency(0.004)

    for moment in range(20):
        async with world.assembly(grace=False, uploads=4) as assembly:
            (mirror,) = assembly.mirrors
            working = asyncio.create_task(mirror.once())
            await asyncio.wait([working], timeout=0.003 * moment)
            working.cancel()
            await asyncio.wait([*mirror._flights, working])
    world.host.ahead = 3600
    await world.sync()

    assert world.is_equal()
    assert emulator.counters.max_at_once_same_key == 1
    assert world.calls()["cos"] <= 60 + 20 * 4


async def test_a_prefix_may_be_empty(world: World) -> None:
    """Then the key is the path."""
    plant(world)

    await world.sync(prefix="")

    assert {key for _, key in world.emulator.objects()} == set(world.cloud(prefix=""))
    assert not any(key.startswith(PREFIX) for key in world.cloud(prefix=""))


async def test_nothing_from_outside_the_root(world: World) -> None:
    """A link to a file, a link to a directory, a FIFO, a directory swapped for a link: none is followed or sent."""
    outside = world.root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    world.write("a")
    (world.root / "to-file").symlink_to(outside / "secret")
    (world.root / "to-directory").symlink_to(outside)
    os.mkfifo(world.root / "pipe")

    await world.sync()

    assert world.cloud() == {"a": b"content"}
    assert {path for path, _, blocks, _ in world.report().problems() if not blocks} == {
        "to-file",
        "to-directory",
        "pipe",
    }


async def test_names_that_the_cloud_cannot_hold_are_reported(world: World) -> None:
    """They stop nobody: the rest is mirrored, and a person is told which, and why."""
    (world.root / os.fsdecode(b"not-utf8-\xff")).write_text("x")
    world.write("back\\slash")
    world.write("fine")

    await world.sync()

    assert world.cloud() == {"fine": b"content"}
    assert len(world.report().problems()) == 2


async def test_twins_are_reported_and_neither_is_touched(world: World) -> None:
    """Two names that meet in one key: what the cloud holds of them stays as it is."""
    world.write("caf\u00e9", "first")
    await world.sync()
    world.write("cafe\u0301", "second")

    await world.sync()

    assert world.cloud() == {"caf\u00e9": b"first"}
    assert world.report().blocking_problems() == 1
