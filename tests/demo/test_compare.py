"""Disk against cloud: whatever is not equal is found, wherever it was spoiled, and nothing else is reported."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import NoAnswer
from tcbsync.demo import compare
from tcbsync.demo.compare import Folder, byte_differences, differences
from tcbsync.demo.inspection import PIECE, Inspection
from tests.emulator.caller import ENV

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.emulator.caller import Caller

FILES = {"a.txt": b"one", "空/b #1?%20.bin": bytes(range(256)) * 4096, "c": b""}


async def mirror(root: Path, caller: Caller) -> None:
    """Put the same files on the disk and in the cloud."""
    for path, content in FILES.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(content)
        await caller.upload(path, content)


async def look(root: Path, inspection: Inspection) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Give what the listing shows, and what reading every byte shows."""

    def both() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        folder = Folder(root)
        tree = folder.look()
        listed = differences(tree, inspection.objects(), folder.md5)
        return [*map(tuple, listed)], [*map(tuple, byte_differences(tree, inspection, lambda: None))]  # type: ignore[list-item]

    return await asyncio.to_thread(both)


async def test_equal_is_equal(root: Path, caller: Caller, inspection: Inspection) -> None:
    """Files of any size and name that are in the cloud byte for byte show no difference."""
    await mirror(root, caller)

    found = await look(root, inspection)

    assert found == ([], [])


@pytest.mark.parametrize("position", [0, PIECE - 1, PIECE, 2**20 - 1])
async def test_one_altered_byte_in_the_cloud(
    root: Path, caller: Caller, inspection: Inspection, tmp_path: Path, position: int
) -> None:
    """A byte that was altered behind the service's back is found by reading, though the listing looks well."""
    await mirror(root, caller)

    with (tmp_path / "cloud" / ENV / "空/b #1?%20.bin").open("r+b") as stored:
        stored.seek(position)
        stored.write(b"\xff" if position % 256 != 255 else b"\0")

    assert await look(root, inspection) == ([], [("空/b #1?%20.bin", "other bytes")])


def _edit(root: Path) -> None:
    (root / "a.txt").write_bytes(b"two")


def _grow(root: Path) -> None:
    (root / "a.txt").write_bytes(b"one more")


def _shrink(root: Path) -> None:
    (root / "a.txt").write_bytes(b"on")


def _empty(root: Path) -> None:
    (root / "a.txt").write_bytes(b"")


def _fill(root: Path) -> None:
    (root / "c").write_bytes(b"x")


@pytest.mark.parametrize(
    ("change", "path", "what"),
    [
        pytest.param(_edit, "a.txt", "other bytes", id="edit"),
        pytest.param(_grow, "a.txt", "8 bytes on disk, 3 in the cloud", id="longer"),
        pytest.param(_shrink, "a.txt", "2 bytes on disk, 3 in the cloud", id="shorter"),
        pytest.param(_empty, "a.txt", "0 bytes on disk, 3 in the cloud", id="emptied"),
        pytest.param(_fill, "c", "1 bytes on disk, 0 in the cloud", id="filled"),
    ],
)
async def test_change_on_disk(
    root: Path, caller: Caller, inspection: Inspection, change: Callable[[Path], None], path: str, what: str
) -> None:
    """A file that changed is named by the listing, and by reading alone as well."""
    await mirror(root, caller)

    change(root)

    assert await look(root, inspection) == ([(path, what)], [(path, "other bytes")])


async def test_on_one_side_only(root: Path, caller: Caller, inspection: Inspection) -> None:
    """What only one side has is named, with the side."""
    await mirror(root, caller)
    (root / "new").write_bytes(b"new")
    (root / "a.txt").unlink()

    listed, read = await look(root, inspection)

    assert listed == [("a.txt", "only in the cloud"), ("new", "only on disk")]
    assert read == [("new", "only on disk")]


async def test_object_without_its_file_id(root: Path, caller: Caller, inspection: Inspection) -> None:
    """An object that the API would say does not exist is not equal, whatever its bytes are."""
    (root / "a.txt").write_bytes(b"one")
    await caller.upload("a.txt", b"one", form={"x-cos-meta-fileid": ""})

    listed, _ = await look(root, inspection)

    assert listed == [("a.txt", "sent without its file id: the API does not know it")]


async def test_reading_goes_on_after_a_difference(root: Path, caller: Caller, inspection: Inspection) -> None:
    """An object that is left half read does not spoil the reading of the next one."""
    await mirror(root, caller)
    (root / "空/b #1?%20.bin").write_bytes(b"\xff" * 2**20)
    (root / "missing").write_bytes(b"x")
    (root / "z").write_bytes(b"z")
    await caller.upload("z", b"z")

    _, read = await look(root, inspection)

    assert read == [("missing", "only on disk"), ("空/b #1?%20.bin", "other bytes")]


async def test_silent_emulator(root: Path, caller: Caller, inspection: Inspection) -> None:
    """Where nobody answers, that is said; it is never taken for an empty cloud."""
    await mirror(root, caller)
    await caller.emulator.close()

    with pytest.raises(NoAnswer, match="does not answer"):
        await look(root, inspection)


def test_left_out_with_a_reason(root: Path) -> None:
    """What cannot be mirrored is left out, each with its reason, and all the rest is seen."""
    (root / "e\u0301.txt").write_bytes(b"two code points")
    for directory in ("tw\u00e9", "twe\u0301"):
        (root / directory).mkdir()
        (root / directory / "a").write_bytes(b"twin")
    (root / "link").symlink_to("/etc")
    os.mkfifo(root / "fifo")
    (root / "back\\slash").write_bytes(b"x")
    (root / os.fsdecode(b"\xff")).write_bytes(b"x")

    tree = Folder(root).look()

    assert {key: os.path.basename(file.path) for key, file in tree.files.items()} == {"\u00e9.txt": "e\u0301.txt"}  # noqa: PTH119
    assert tree.left_out == {
        "tw\u00e9": "two names that differ only in Unicode normalisation",
        "link": "a symbolic link",
        "fifo": "not a regular file",
        "back\\slash": "the name holds a backslash",
        "\udcff": "the name is not valid UTF-8",
    }


def test_ignored(root: Path) -> None:
    """Names that the rules ignore, the folder's own among them, are counted and not looked into."""
    (root / ".tcbignore").write_text("*.log\nbuild/\n")
    (root / "build").mkdir()
    for path in ("a.log", "build/b", "c.tmp", "kept"):
        (root / path).write_bytes(b"x")

    tree = Folder(root).look()

    assert list(tree.files) == ["kept"]
    assert tree.ignored == 4
    assert tree.left_out == {}


def test_young_digest_is_not_remembered(root: Path) -> None:
    """A file that has just changed is read again even if nothing shows that it did: clocks may be coarse."""
    folder = Folder(root)
    (root / "a").write_bytes(b"one")
    file = folder.look().files["a"]
    folder.md5(file)

    (root / "a").write_bytes(b"two")
    digest = folder.md5(file)

    assert digest == hashlib.md5(b"two").hexdigest()


def test_remembered_digest_is_that_of_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest that is remembered is not taken for that of a later state, though the change kept the mtime."""
    monkeypatch.setattr(compare, "YOUNG_SECONDS", -1.0)
    folder = Folder(root)
    digests = []

    for content in (b"one", b"three"):
        (root / "a").write_bytes(content)
        os.utime(root / "a", (1e9, 1e9))
        digests.append(folder.md5(folder.look().files["a"]))

    assert digests == [hashlib.md5(content).hexdigest() for content in (b"one", b"three")]
