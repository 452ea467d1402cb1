"""A look at the disk: what is a file, what is told and skipped, and what is no hole but a problem."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import stat
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.keys import MAX_FILE_BYTES
from tcbsync.core.model import Fingerprint, Found
from tcbsync.local.scan import ROOT, Place, fingerprint_of
from tests.local.scanning import descriptors, disk, scan, tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_files_and_directories(tmp_path: Path) -> None:
    """A directory's files with what lstat says of them, and the directories in it."""
    tree(tmp_path, "a.png", "d/b", "e/f/c")

    snapshot, directories = disk(tmp_path).snapshot(ROOT)

    status = (tmp_path / "a.png").lstat()
    fingerprint = Fingerprint(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    assert snapshot.files == {"a.png": fingerprint}
    assert snapshot.found("a.png") == Found("a.png", fingerprint, "a.png")
    assert sorted(directories) == [Place("d", "d"), Place("e", "e")]
    assert (snapshot.problems, snapshot.skipped, snapshot.spellings) == ([], [], {})


def test_a_whole_tree(tmp_path: Path) -> None:
    """Directory by directory, hidden files and empty ones too; empty directories are nothing."""
    tree(tmp_path, "a", ".hidden/b", "d/e/f/c", "d d/ü/图.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "d" / "nothing").touch()

    sight = scan(disk(tmp_path))

    assert sight.files.keys() == {"a", ".hidden/b", "d/e/f/c", "d d/ü/图.png", "d/nothing"}
    assert (sight.problems, sight.skipped) == ({}, {})


def test_links_are_told_and_not_followed(tmp_path: Path) -> None:
    """To a file, a directory, out of the root, to nothing, in a circle: none of them leads anywhere."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    tree(root, "a", "d/b")
    tree(outside, "secret")
    links: dict[str, str | Path] = {
        "to-file": "a",
        "to-directory": "d",
        "out": outside,
        "to-secret": outside / "secret",
        "to-nothing": "missing",
        "d/up": "..",
        "itself": "itself",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)

    sight = scan(disk(root))

    assert sight.files.keys() == {"a", "d/b"}
    assert sight.skipped == dict.fromkeys(links, "a symbolic link; links are not followed")
    assert sight.problems == {}


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """`current` leads to the release that is current."""
    tree(tmp_path / "release-7", "a", "d/b")
    (tmp_path / "current").symlink_to("release-7")

    assert scan(disk(tmp_path / "current")).files.keys() == {"a", "d/b"}


def test_fifos_sockets_and_devices_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no files; nobody waits for a FIFO."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")

    sight = scan(disk(tmp_path))

    assert sight.skipped == {"fifo": "a FIFO, not a regular file", "socket": "a socket, not a regular file"}
    assert sight.files == {}


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_devices_are_told(tmp_path: Path, kind: int) -> None:
    """Character and block devices alike."""
    try:
        os.mknod(tmp_path / "device", kind | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device needs root")

    assert scan(disk(tmp_path)).skipped == {"device": "a device, not a regular file"}


def test_a_file_that_is_too_large_is_a_problem(tmp_path: Path) -> None:
    """5 GB can be sent; with one byte more, what the cloud holds stays as it is."""
    for name, size in {"largest": MAX_FILE_BYTES, "too-large": MAX_FILE_BYTES + 1}.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)

    sight = scan(disk(tmp_path))

    assert sight.files.keys() == {"largest"}
    assert sight.problems == {"too-large": "larger than 5 GB, which the cloud does not take"}


def test_ignored_names_are_nothing(tmp_path: Path) -> None:
    """Neither seen, nor told, nor entered."""
    tree(tmp_path, "a.psd", "a.png", "drafts/a.png", "d/drafts/b/c", "d/a.psd")
    os.mkfifo(tmp_path / "fifo.psd")

    sight = scan(disk(tmp_path, "*.psd", "drafts/"))

    assert (list(sight.files), sight.skipped, sight.problems) == (["a.png"], {}, {})


def test_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """It was removed since it was listed, or became a file."""
    tree(tmp_path, "file")
    root = disk(tmp_path)

    for place in (Place("missing", "missing"), Place("file", "file"), Place("missing/below", "missing/below")):
        snapshot, directories = root.snapshot(place)

        assert (snapshot.files, snapshot.problems, snapshot.skipped, directories) == ({}, [], [], [])


def test_a_directory_that_became_a_link_is_empty(tmp_path: Path) -> None:
    """Between being listed and being looked at: what the link leads to is not the tree's."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    tree(root, "d/a")
    tree(outside, "secret")
    _, directories = disk(root).snapshot(ROOT)
    (root / "d").rename(tmp_path / "away")
    (root / "d").symlink_to(outside)

    snapshot, beneath = disk(root).snapshot(directories[0])

    assert (snapshot.files, snapshot.problems, beneath) == ({}, [], [])


def test_files_that_vanish_while_they_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are gone; that is no problem."""
    tree(tmp_path, *map(str, range(50)))
    really = os.scandir

    @contextlib.contextmanager
    def meddled(descriptor: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        """List, and remove everything but the first name before anybody looks at it."""
        with really(descriptor) as entries:
            listed = list(entries)
        for entry in listed[1:]:
            (tmp_path / entry.name).unlink()
        yield iter(listed)

    monkeypatch.setattr(os, "scandir", meddled)

    snapshot, _ = disk(tmp_path).snapshot(ROOT)

    assert snapshot.files.keys() == {file.name for file in tmp_path.iterdir()}
    assert len(snapshot.files) == 1
    assert snapshot.problems == []


@pytest.mark.parametrize(
    ("inode", "mtime_ns", "ctime_ns"),
    [(2**64 - 1, 1, 1), (1, 2**63, 1), (1, 1, 2**70), (1, -1, 1)],
    ids=["an inode of 64 bits", "the year 2262", "a time far off", "before 1970"],
)
def test_numbers_that_the_manifest_cannot_hold(inode: int, mtime_ns: int, ctime_ns: int) -> None:
    """Some file systems number beyond 63 bits, and anybody may set any time: the fingerprint holds what fits."""

    class Status:
        st_size, st_mtime_ns, st_ctime_ns, st_ino = 7, mtime_ns, ctime_ns, inode

    fingerprint = fingerprint_of(Status())  # type: ignore[arg-type]

    assert all(0 <= part < 2**63 for part in fingerprint)
    assert fingerprint[0] == 7
    assert fingerprint != fingerprint_of(type("Status", (Status,), {"st_ino": inode - 1})())


def test_a_file_from_the_far_future(tmp_path: Path) -> None:
    """It is a file like others."""
    tree(tmp_path, "a")
    os.utime(tmp_path / "a", ns=(2**63 + 5, 2**63 + 5))

    snapshot, _ = disk(tmp_path).snapshot(ROOT)

    assert all(0 <= part < 2**63 for part in snapshot.files["a"])


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    """By a tree that was looked at, and by a directory that is not there."""
    tree(tmp_path, "a", "d/e/f/b")
    root = disk(tmp_path)
    before = descriptors()

    scan(root)
    root.snapshot(Place("missing", "missing"))

    assert descriptors() == before


def test_a_large_directory_makes_no_object_for_each_file(tmp_path: Path) -> None:
    """A name and four numbers are kept of a file, and nothing of a kind of its own."""
    for number in range(10_000):
        (tmp_path / f"{number:05}").touch()
    root = disk(tmp_path)
    gc.collect()
    before = Counter(type(each) for each in gc.get_objects())

    snapshot, _ = root.snapshot(ROOT)

    gc.collect()
    more = Counter(type(each) for each in gc.get_objects()) - before
    assert len(snapshot.files) == 10_000
    assert {type(fingerprint) for fingerprint in snapshot.files.values()} == {tuple}
    assert sum(count for kind, count in more.items() if kind is not tuple) < 1000, more.most_common(5)
