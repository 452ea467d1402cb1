"""Links that are swapped in while a file is on its way: nothing outside the root is sent, and nothing is proved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.faults import Fault
from tcbsync.emulator.storage import Storage
from tcbsync.local.digest import CHUNK
from tests.engine.world import PREFIX, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.emulator.journal import StoredObject
    from tcbsync.emulator.server import Emulator
    from tcbsync.emulator.storage import Form, Incoming
    from tests.engine.world import World

SIZE = 24 * CHUNK
"""More than the kernel's buffers take at once."""
SECRET = b"s" * SIZE
"""What is outside is as large as what is inside, so that its size gives nothing away."""


def swap_file(root: Path) -> str:
    """Put a link to a file outside in the place of the file."""
    (root / "d" / "e" / "file").unlink()
    (root / "d" / "e" / "file").symlink_to(root.parent / "outside" / "e" / "file")
    return "d/e/file"


def swap_directory(root: Path) -> str:
    """Put a link to a directory outside, which has such a file, in the place of the directory."""
    (root / "d" / "e").rename(root.parent / "elsewhere")
    (root / "d" / "e").symlink_to(root.parent / "outside" / "e")
    return "d/e"


def swap_above(root: Path) -> str:
    """Do the same one further up."""
    (root / "d").rename(root.parent / "elsewhere")
    (root / "d").symlink_to(root.parent / "outside")
    return "d"


def move_out(root: Path) -> str:
    """Move the directory out, and leave a link to where it is now."""
    (root / "d").rename(root.parent / "elsewhere")
    (root / "d").symlink_to(root.parent / "elsewhere")
    return "d"


SWAPS = [swap_file, swap_directory, swap_above, move_out]


@pytest.fixture
def stored(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys of all objects that ever came to be, and put a secret beside the root."""
    outside = world.root.parent / "outside" / "e"
    outside.mkdir(parents=True)
    (outside / "file").write_bytes(SECRET)
    keys: list[str] = []
    store = Storage.store

    def noted(storage: Storage, incoming: Incoming, env: str, key: str, form: Form) -> StoredObject:
        keys.append(key)
        return store(storage, incoming, env, key, form)

    monkeypatch.setattr(Storage, "store", noted)
    return keys


def skipped(world: World) -> dict[str, str]:
    """Give what was looked at and is not mirrored, with the reason."""
    return {path: reason for path, reason, blocks, _ in world.report().problems() if not blocks}


@pytest.mark.slow
@pytest.mark.parametrize("swap", SWAPS)
async def test_a_link_that_is_swapped_in_before_the_file_is_opened(
    world: World, emulator: Emulator, stored: list[str], swap: Callable[[Path], str]
) -> None:
    """No event told of it. When its turn comes it is told of as a link, and its row goes without a call."""
    emulator.install(Fault(call="cos", kind="stall", seconds=2, count=1, key=PREFIX + "first"))
    for file in (world.write("first"), world.write("d/e/file", b"1" * SIZE)):
        os.utime(file, (1, 1))  # so that both are seen at once

    async with world.running(watches=False, uploads=1) as mirror:
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        await eventually(lambda: world.row("d/e/file"))
        link = swap(world.root)
        await eventually(mirror.is_in_sync)

        assert stored == [PREFIX + "first"]
        assert skipped(world) == {link: "a symbolic link; links are not followed"}
        assert world.row("d/e/file") is None


@pytest.mark.slow
@pytest.mark.parametrize("swap", SWAPS)
async def test_a_link_that_is_swapped_in_while_the_file_is_sent(
    world: World, emulator: Emulator, stored: list[str], swap: Callable[[Path], str]
) -> None:
    """The upload is broken off before its last byte: no object comes to be, and the link is told of as one."""
    emulator.install(Fault(call="cos", kind="slow_read", seconds=1, count=1))
    world.write("d/e/file", b"1" * SIZE)

    async with world.running() as mirror:
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        link = swap(world.root)
        world.write("beside")
        await eventually(mirror.is_in_sync)

        assert stored == [PREFIX + "beside"]
        assert skipped(world) == {link: "a symbolic link; links are not followed"}
        assert world.row("d/e/file") is None
