"""What cannot be looked at is never taken for gone; and what the disk says for sure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.local.power import powerless
from tests.local.scanning import DECOMPOSED, disk, look, scan, tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_that_cannot_be_listed_is_a_problem(tmp_path: Path) -> None:
    """With all that is in it; the rest of the tree is looked at."""
    tree(tmp_path, "a", "locked/b", "locked/d/c", "open/e")
    (tmp_path / "locked").chmod(0)

    with powerless():
        sight = scan(disk(tmp_path))

    assert sight.files.keys() == {"a", "open/e"}
    assert sight.problems == {"locked": "cannot be listed: Permission denied"}


def test_files_that_cannot_be_looked_at_are_problems(tmp_path: Path) -> None:
    """In a directory that may be listed and not entered, each name is known, and of none what it is."""
    tree(tmp_path, "listed/a", "listed/d/b")
    (tmp_path / "listed").chmod(0o600)

    with powerless():
        sight = scan(disk(tmp_path))

    assert sight.files == {}
    assert sight.problems == {
        "listed/a": "cannot be looked at: Permission denied",
        "listed/d": "cannot be listed: Permission denied",
    }


def test_what_is_ignored_is_no_problem(tmp_path: Path) -> None:
    """Nobody wanted to know what it is."""
    tree(tmp_path, "listed/a.psd", "listed/b", "drafts/c")
    (tmp_path / "listed").chmod(0o600)
    (tmp_path / "drafts").chmod(0)

    with powerless():
        sight = scan(disk(tmp_path, "*.psd", "drafts/"))

    assert sight.problems.keys() == {"listed/b"}


def test_a_root_that_cannot_be_listed_is_a_problem(tmp_path: Path) -> None:
    """The root is the empty path, which covers everything."""
    tree(tmp_path / "root", "a")
    (tmp_path / "root").chmod(0o300)

    with powerless():
        sight = scan(disk(tmp_path / "root"))

    assert sight.problems == {"": "cannot be listed: Permission denied"}


def test_names_that_cannot_be_looked_at_are_problems(tmp_path: Path) -> None:
    """Asked for one by one, too; a name that is not ASCII needs the list, which cannot be had."""
    tree(tmp_path / "root", "a", DECOMPOSED)
    (tmp_path / "root").chmod(0)

    with powerless():
        by_name = look(disk(tmp_path / "root"), ["a"])
        by_list = look(disk(tmp_path / "root"), ["a", DECOMPOSED])

    assert by_name.problems == {"a": "cannot be looked at: Permission denied"}
    assert by_list.problems == {"": "cannot be listed: Permission denied"}


def test_a_name_that_is_too_long_is_a_problem_of_its_own(tmp_path: Path) -> None:
    """The disk cannot say that there is no such file."""
    sight = look(disk(tmp_path), ["a" * 300])

    assert list(sight.problems.values()) == ["cannot be looked at: File name too long"]


def test_the_root_has_an_identity(tmp_path: Path) -> None:
    """Its device and inode: another directory in its place is another root."""
    (tmp_path / "root").mkdir()
    root = disk(tmp_path / "root")
    before = root.identity()

    (tmp_path / "root").rename(tmp_path / "away")
    (tmp_path / "root").mkdir()

    status = (tmp_path / "away").stat()
    assert before == (status.st_dev, status.st_ino) != root.identity()


def test_a_missing_root_has_none(tmp_path: Path) -> None:
    """Nor has a file in its place."""
    (tmp_path / "file").touch()

    with pytest.raises(FileNotFoundError):
        disk(tmp_path / "missing").identity()
    with pytest.raises(NotADirectoryError):
        disk(tmp_path / "file").identity()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with something of each kind in it."""
    root = tmp_path / "root"
    tree(root, "file", "d/file", "d/e/file", "notes.psd", "drafts/a", f"{DECOMPOSED}/a")
    (root / "link").symlink_to("file")
    (root / "d" / "link").symlink_to("e")
    os.mkfifo(root / "fifo")
    return root


ABSENT = {
    "no such file": "missing",
    "no such file in a directory": "d/missing",
    "no such directory": "missing/a/b",
    "a link": "link",
    "a link to nothing it knows": "d/link",
    "beneath a link, though the file is there behind it": "d/link/file",
    "a FIFO": "fifo",
    "a directory": "d",
    "beneath what is a file now": "file/a",
    "beneath what is a file now, deeper": "d/file/a/b/c",
    "beneath a FIFO": "fifo/a",
    "a file that is ignored now": "notes.psd",
    "a file beneath a directory that is ignored now": "drafts/a",
}
PRESENT = {
    "a file": "file",
    "a file in a directory": "d/e/file",
    "a file in a directory that is spelled otherwise": f"{DECOMPOSED}/a",
}


@pytest.mark.parametrize("local", ABSENT.values(), ids=ABSENT)
def test_what_is_surely_absent(root: Path, local: str) -> None:
    """There is no regular file that should be mirrored: nothing that a delete could wrong."""
    assert disk(root, "*.psd", "drafts/").surely_absent(local)


@pytest.mark.parametrize("local", PRESENT.values(), ids=PRESENT)
def test_what_is_not(root: Path, local: str) -> None:
    """A regular file is there."""
    assert not disk(root, "*.psd", "drafts/").surely_absent(local)


def test_a_link_to_nothing_is_absent(root: Path) -> None:
    """It is no file, whatever it leads to."""
    (root / "dangling").symlink_to("missing")

    assert disk(root).surely_absent("dangling")
    assert disk(root).surely_absent("dangling/a")


@pytest.mark.parametrize("local", ["locked/a", "locked/missing", "locked/d/a", "locked/a/b"])
@pytest.mark.parametrize("mode", [0, 0o600, 0o200])
def test_what_cannot_be_looked_at_is_not_absent(tmp_path: Path, local: str, mode: int) -> None:
    """Whether it is there or not: nobody can say so."""
    tree(tmp_path, "locked/a", "locked/d/a")
    (tmp_path / "locked").chmod(mode)

    with powerless():
        assert not disk(tmp_path).surely_absent(local)


def test_a_root_that_cannot_be_entered_says_nothing(tmp_path: Path) -> None:
    """Not even of files that were never there."""
    tree(tmp_path / "root", "a")
    (tmp_path / "root").chmod(0o400)

    with powerless():
        assert not disk(tmp_path / "root").surely_absent("a")
        assert not disk(tmp_path / "root").surely_absent("missing")


def test_a_missing_root_says_nothing(tmp_path: Path) -> None:
    """The file is gone because everything is; a file or a dangling link in the root's place is as bad."""
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("missing")

    for name in ("missing", "file", "dangling", "missing/below"):
        assert not disk(tmp_path / name).surely_absent("a")
        assert not disk(tmp_path / name).surely_absent("d/a")


def test_a_root_that_is_a_link_says_what_is_absent(root: Path) -> None:
    """`current` leads to a release that is there."""
    (root.parent / "current").symlink_to("root")

    assert disk(root.parent / "current").surely_absent("missing")
    assert not disk(root.parent / "current").surely_absent("file")


def test_a_name_that_is_too_long_is_not_absent(root: Path) -> None:
    """The disk refuses the question."""
    assert not disk(root).surely_absent("a" * 300)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("file", "file"),
        ("d/file", "d/file"),
        ("d/e/missing", "d/e/missing"),
        ("missing", "missing"),
        ("missing/a/b", "missing"),
        ("d/missing/a", "d/missing"),
        ("link/a", "link"),
        ("d/link/file", "d/link"),
        ("file/a/b", "file"),
        ("fifo/a", "fifo"),
    ],
)
def test_lifting(root: Path, local: str, expected: str) -> None:
    """What lies beneath something that is no directory is decided there."""
    assert disk(root).lift(local) == expected


def test_lifting_stops_where_nobody_may_look(tmp_path: Path) -> None:
    """Beneath a directory that cannot be entered nothing is known."""
    tree(tmp_path, "locked/d/e/a")
    (tmp_path / "locked").chmod(0)

    with powerless():
        assert disk(tmp_path).lift("locked/d/e/a") == "locked/d"


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("notes.psd", True),
        ("missing.psd", True),
        ("d/missing.psd", True),
        ("drafts", True),
        ("drafts/a", True),
        ("drafts/missing/b", True),
        ("file", False),
        ("d", False),
        ("linked", False),
        ("plain/drafts", False),
        ("gone/drafts", False),
    ],
)
def test_what_is_ignored(root: Path, local: str, *, expected: bool) -> None:
    """By its name, its kind, or what is above it; a link is no directory, and a file is none."""
    tree(root, "plain/drafts")
    (root / "linked").symlink_to("d")

    assert disk(root, "*.psd", "drafts/", "linked/").is_ignored(local) is expected


def test_what_cannot_be_looked_at_is_not_ignored_for_its_kind(tmp_path: Path) -> None:
    """It is looked at, and becomes the problem that it is."""
    tree(tmp_path, "locked/drafts/a")
    (tmp_path / "locked").chmod(0)

    with powerless():
        assert not disk(tmp_path, "drafts/").is_ignored("locked/drafts")


def test_ignoring_knows_no_spellings(root: Path) -> None:
    """A name in decomposed form is ignored by a rule in composed form."""
    assert disk(root, "caf\u00e9/").is_ignored(f"{DECOMPOSED}/a")
    assert disk(root, "caf\u00e9/").is_ignored(DECOMPOSED)
