"""A file is read as one state, or not at all; and nothing is read that a link leads to."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import FileChanged, FileUnreadable, FileVanished
from tcbsync.core.model import Fingerprint
from tcbsync.local.digest import CHUNK, COARSE_TICK_NS, FINE_TICK_NS, OpenFile, unsettled_seconds
from tests.local.power import powerless
from tests.local.scanning import COMPOSED, DECOMPOSED, tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD = 1_600_000_000_123_456_789


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with a file in a directory, both of a certain age."""
    root = tmp_path / "root"
    tree(root, "d/a")
    (root / "d" / "a").write_bytes(b"content")
    os.utime(root / "d" / "a", ns=(OLD, OLD))
    return root


def read(file: OpenFile) -> bytes:
    """Read all that is left."""
    return b"".join(iter(file.read, b""))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 7])
def test_a_file_that_stands_still(tmp_path: Path, size: int) -> None:
    """Its bytes, in chunks; and at the end its digest and fingerprint, as one value."""
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    status = (tmp_path / "a").stat()

    with OpenFile(tmp_path, "a", "a") as file:
        chunks = list(iter(file.read, b""))
        found = file.finish()

    assert b"".join(chunks) == content
    assert all(len(chunk) <= CHUNK for chunk in chunks)
    assert found.digest == hashlib.md5(content).digest()
    assert found.fingerprint == (size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino) == file.fingerprint
    assert (found.path, found.local) == ("a", "a")


def test_a_name_that_the_disk_spells_otherwise(tmp_path: Path) -> None:
    """The disk is asked for its own spelling; the path is the composed one."""
    tree(tmp_path, f"{DECOMPOSED}/{DECOMPOSED}")

    with OpenFile(tmp_path, f"{COMPOSED}/{COMPOSED}", f"{DECOMPOSED}/{DECOMPOSED}") as file:
        read(file)
        found = file.finish()

    assert (found.path, found.local) == (f"{COMPOSED}/{COMPOSED}", f"{DECOMPOSED}/{DECOMPOSED}")


def test_reading_again_from_the_start(root: Path) -> None:
    """The digest is that of one reading, not of both."""
    with OpenFile(root, "d/a", "d/a") as file:
        first = file.read(3)
        file.rewind()
        second = read(file)
        found = file.finish()

    assert (first, second) == (b"con", b"content")
    assert found.digest == hashlib.md5(b"content").digest()


def grow(file: Path) -> None:
    """Write behind the end."""
    with file.open("ab") as stream:
        stream.write(b"more")


def shrink(file: Path) -> None:
    """Cut off the end."""
    os.truncate(file, 3)


def rewrite(file: Path) -> None:
    """Write other bytes of the same number."""
    with file.open("r+b") as stream:
        stream.write(b"CONTENT")


def rewrite_and_set_the_time_back(file: Path) -> None:
    """Write other bytes, and hide it as well as anybody can."""
    rewrite(file)
    os.utime(file, ns=(OLD, OLD))


def replace(file: Path) -> None:
    """Save as editors do: write another file, and rename it to this one."""
    (file.parent / "new").write_bytes(b"content")
    os.utime(file.parent / "new", ns=(OLD, OLD))
    (file.parent / "new").rename(file)


def touch(file: Path) -> None:
    """Set another time."""
    os.utime(file)


CHANGES = [grow, shrink, rewrite, rewrite_and_set_the_time_back, replace, touch]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("first", [0, 3, 7], ids=["before", "amid", "after"])
def test_a_file_that_changes_while_it_is_read(root: Path, change: Callable[[Path], None], first: int) -> None:
    """However it changes, and whenever: there is no proof."""
    with OpenFile(root, "d/a", "d/a") as file:
        file.read(first)
        change(root / "d" / "a")
        read(file)

        with pytest.raises(FileChanged, match="d/a changed while it was read"):
            file.finish()


def remove(file: Path) -> None:
    """Remove it."""
    file.unlink()


def remove_directory(file: Path) -> None:
    """Remove it, and the directory that it is in."""
    shutil.rmtree(file.parent)


def move_directory(file: Path) -> None:
    """Move the directory that it is in."""
    file.parent.rename(file.parent.with_name("moved"))


def link_directory(file: Path) -> None:
    """Move the directory out of the root, and put a link to it in its place."""
    outside = file.parents[2] / "outside"
    file.parent.rename(outside)
    file.parent.symlink_to(outside)


@pytest.mark.parametrize("change", [remove, remove_directory, move_directory, link_directory])
def test_a_file_that_goes_while_it_is_read(root: Path, change: Callable[[Path], None]) -> None:
    """Its bytes can still be read, but it is not there any more."""
    with OpenFile(root, "d/a", "d/a") as file:
        change(root / "d" / "a")
        content = read(file)

        with pytest.raises(FileVanished):
            file.finish()

    assert content == b"content"


def become_directory(file: Path) -> None:
    """Put a directory in its place."""
    file.unlink()
    file.mkdir()


def become_link(file: Path) -> None:
    """Put a link to the very same file in its place."""
    file.rename(file.with_name("moved"))
    file.symlink_to("moved")


@pytest.mark.parametrize("change", [become_directory, become_link])
def test_a_file_that_becomes_something_else_while_it_is_read(root: Path, change: Callable[[Path], None]) -> None:
    """The name does not stand for the file any more."""
    with OpenFile(root, "d/a", "d/a") as file:
        read(file)
        change(root / "d" / "a")

        with pytest.raises(FileChanged):
            file.finish()


@pytest.mark.parametrize("size", [0, 3])
def test_a_file_that_was_not_read_to_its_end(root: Path, size: int) -> None:
    """Half of a file has no digest: whoever forgets the rest is told."""
    with OpenFile(root, "d/a", "d/a") as file:
        file.read(size)

        with pytest.raises(FileChanged):
            file.finish()


def test_a_file_that_cannot_be_looked_at_any_more(root: Path) -> None:
    """Its directory was locked while it was read."""
    with OpenFile(root, "d/a", "d/a") as file:
        read(file)
        (root / "d").chmod(0)

        with powerless(), pytest.raises(FileUnreadable, match="cannot be looked at: Permission denied"):
            file.finish()


NOW = 1_700_000_000_500_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("mtime_ns", "ctime_ns", "seconds"),
    [
        pytest.param(OLD, OLD, 0, id="an old file"),
        pytest.param(NOW, NOW, 0.02, id="written just now"),
        pytest.param(NOW - 5_000_000, NOW - 5_000_000, 0.015, id="written a quarter of a tick ago"),
        pytest.param(NOW - FINE_TICK_NS, NOW - FINE_TICK_NS, 0, id="written a tick ago"),
        pytest.param(OLD, NOW - 5_000_000, 0.015, id="written just now, and the time set back"),
        pytest.param(NOW - 5_000_000, OLD, 0.015, id="a file system without changes of state"),
        pytest.param(NOW - NOW % SECOND, OLD, 1.5, id="a clock of whole seconds"),
        pytest.param(OLD, NOW - NOW % SECOND, 1.5, id="a clock of whole seconds, and the time set back"),
        pytest.param(OLD - OLD % SECOND, OLD, 0, id="an old file from an archive"),
        pytest.param(NOW + 3600 * SECOND + 1, OLD, 0, id="a time in the future cannot be waited for"),
        pytest.param(NOW - NOW % SECOND - COARSE_TICK_NS, OLD, 0, id="whole seconds, long enough ago"),
    ],
)
def test_how_long_a_young_file_has_to_wait(mtime_ns: int, ctime_ns: int, seconds: float) -> None:
    """Until the clock that stamps files has ticked: what is written from then on has another fingerprint."""
    fingerprint = Fingerprint(7, mtime_ns, ctime_ns, 1)

    wait = unsettled_seconds(fingerprint, NOW)

    assert wait == pytest.approx(seconds)


@pytest.mark.parametrize("change", [rewrite, rewrite_and_set_the_time_back])
def test_after_the_wait_no_change_goes_unseen(root: Path, change: Callable[[Path], None]) -> None:
    """On this very file system: opened just after a change, and changed again just after the wait."""
    for _ in range(20):
        change(root / "d" / "a")
        with OpenFile(root, "d/a", "d/a") as file:
            time.sleep(unsettled_seconds(file.fingerprint, time.time_ns()))
            read(file)
            change(root / "d" / "a")

            with pytest.raises(FileChanged):
                file.finish()
