"""What can be opened: a regular file below the root, reached without a link. Everything else says why not."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import FileUnreadable, FileVanished, LocalError
from tcbsync.local.digest import OpenFile
from tests.local.power import powerless
from tests.local.scanning import descriptors, tree

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with a file in a directory."""
    root = tmp_path / "root"
    tree(root, "d/a")
    return root


def file_is_missing(root: Path) -> None:
    """Remove the file."""
    (root / "d" / "a").unlink()


def directory_is_missing(root: Path) -> None:
    """Remove the directory."""
    shutil.rmtree(root / "d")


def root_is_missing(root: Path) -> None:
    """Remove everything."""
    shutil.rmtree(root)


def directory_is_a_file(root: Path) -> None:
    """Put a file in the place of the directory."""
    shutil.rmtree(root / "d")
    (root / "d").touch()


def directory_is_a_link(root: Path) -> None:
    """Put a link in the place of the directory, to a directory with a file of that name."""
    (root / "d").rename(root.parent / "outside")
    (root / "d").symlink_to(root.parent / "outside")


@pytest.mark.parametrize(
    "change", [file_is_missing, directory_is_missing, root_is_missing, directory_is_a_file, directory_is_a_link]
)
def test_what_is_not_there(root: Path, change: Callable[[Path], None]) -> None:
    """The disk is to be looked at again; no link is followed, in the middle of the path either."""
    change(root)

    with pytest.raises(FileVanished, match="d/a is gone"):
        OpenFile(root, "d/a", "d/a")


def file_is_a_link(root: Path) -> None:
    """Put a link in the place of the file, to a file outside."""
    (root / "d" / "a").rename(root.parent / "secret")
    (root / "d" / "a").symlink_to(root.parent / "secret")


def file_is_a_directory(root: Path) -> None:
    """Put a directory in its place."""
    (root / "d" / "a").unlink()
    (root / "d" / "a").mkdir()


def file_is_a_fifo(root: Path) -> None:
    """Put a FIFO in its place, into which nobody writes."""
    (root / "d" / "a").unlink()
    os.mkfifo(root / "d" / "a")


def file_is_a_socket(root: Path) -> None:
    """Put a socket in its place."""
    (root / "d" / "a").unlink()
    before = Path.cwd()
    os.chdir(root / "d")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("a")
    finally:
        os.chdir(before)


def file_is_locked(root: Path) -> None:
    """Let nobody read it."""
    (root / "d" / "a").chmod(0)


def directory_is_locked(root: Path) -> None:
    """Let nobody enter the directory."""
    (root / "d").chmod(0)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "change",
    [file_is_a_link, file_is_a_directory, file_is_a_fifo, file_is_a_socket, file_is_locked, directory_is_locked],
)
def test_what_cannot_be_read(root: Path, change: Callable[[Path], None]) -> None:
    """It is there and no file that may be read: nobody waits for it, and the reason is told with the path."""
    change(root)

    with powerless(), pytest.raises(FileUnreadable, match="d/a cannot be read: "):
        OpenFile(root, "d/a", "d/a")


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    """`current` leads to the release that is current."""
    (root.parent / "current").symlink_to("root")

    with OpenFile(root.parent / "current", "d/a", "d/a") as file:
        assert file.read() == b"d/a"


def test_no_descriptor_is_left_behind(root: Path) -> None:
    """Neither by what is closed, once or twice, nor by what could not be opened."""
    paths = ["d/a", "d/missing", "d/a/b", "d", "missing/a", "d/link", "d/fifo"]
    (root / "d" / "link").symlink_to("a")
    os.mkfifo(root / "d" / "fifo")
    before = descriptors()

    for path in paths * 3:
        try:
            file = OpenFile(root, path, path)
        except LocalError:
            continue
        file.close()
        file.close()

    assert descriptors() == before


def test_an_error_in_the_middle_closes_the_file(root: Path) -> None:
    """The block's own error passes through."""
    before = descriptors()

    with pytest.raises(LookupError), OpenFile(root, "d/a", "d/a"):
        raise LookupError("a defect")

    assert descriptors() == before
