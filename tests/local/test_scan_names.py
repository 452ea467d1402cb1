"""Names: those that the cloud refuses, those that are spelled in two ways, and those that somebody asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.scan import ROOT, Place, fingerprint_of
from tests.local.scanning import COMPOSED, DECOMPOSED, disk, look, scan, tree

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.core.model import Line
    from tcbsync.local.scan import Listings


@pytest.mark.parametrize(
    ("name", "words"),
    [("a\\b", "backslash"), ("a\x1bb", "control character"), ("${filename}", "${filename}"), ("a\udcff", "UTF-8")],
)
def test_names_that_the_cloud_refuses_are_told(tmp_path: Path, name: str, words: str) -> None:
    """With the reason; a directory of such a name once, and not each file in it."""
    tree(tmp_path, f"file/{name}", f"directory/{name}/a", f"directory/{name}/b")

    sight = scan(disk(tmp_path))

    assert sight.skipped.keys() == {f"file/{name}", f"directory/{name}"}
    assert all(words in reason for reason in sight.skipped.values())
    assert (sight.files, sight.problems) == ({}, {})


def test_the_prefix_counts(tmp_path: Path) -> None:
    """A path that is too long only behind the prefix is told, too."""
    tree(tmp_path, "a" * 200)

    fits = scan(disk(tmp_path, prefix="p" * 650))
    too_long = scan(disk(tmp_path, prefix="p" * 651))

    assert (len(fits.files), fits.skipped) == (1, {})
    assert (too_long.files, list(too_long.skipped.values())) == (
        {},
        ["the path has 851 bytes; the cloud takes at most 850"],
    )


def test_a_name_in_decomposed_form(tmp_path: Path) -> None:
    """Its path is composed; its spelling is remembered for whoever opens it, that of the directory with it."""
    tree(tmp_path, f"{DECOMPOSED}/{DECOMPOSED}.png")

    assert scan(disk(tmp_path)).files == {f"{COMPOSED}/{COMPOSED}.png": f"{DECOMPOSED}/{DECOMPOSED}.png"}


@pytest.mark.parametrize("other", ["file", "directory"])
def test_two_names_that_meet_in_one_key_are_a_problem(tmp_path: Path, other: str) -> None:
    """Neither overwrites the other, be they files or directories; names beside them are not concerned."""
    tree(tmp_path, COMPOSED if other == "file" else f"{COMPOSED}/a", DECOMPOSED, f"{DECOMPOSED}.png", "b")

    sight = scan(disk(tmp_path))

    assert sight.files.keys() == {f"{COMPOSED}.png", "b"}
    assert sight.problems.keys() == {COMPOSED}
    assert "meet in one key" in sight.problems[COMPOSED]


def test_two_directories_that_meet_in_one_key_are_not_entered(tmp_path: Path) -> None:
    """What is in them would meet as well."""
    tree(tmp_path, f"{COMPOSED}/a", f"{DECOMPOSED}/b")

    sight = scan(disk(tmp_path))

    assert (sight.files, list(sight.problems)) == ({}, [COMPOSED])


@pytest.mark.parametrize("count", [2, 3])
def test_several_forms_that_meet_in_one_key(tmp_path: Path, count: int) -> None:
    """None of them the composed one: still one problem."""
    forms = ["s\u0323\u0307", "s\u0307\u0323", "\u1e63\u0307"]  # s with two dots, one above and one below
    tree(tmp_path, *forms[:count])

    sight = scan(disk(tmp_path))

    assert (sight.files, list(sight.problems)) == ({}, ["\u1e69"])


def test_some_names(tmp_path: Path) -> None:
    """Only what was asked for is looked at; what is not there is not there, and a directory is given to be walked."""
    tree(tmp_path, "a", "b", "c.psd", "d/e")
    root = disk(tmp_path, "*.psd")

    snapshot, directories = root.snapshot(ROOT, names=["a", "c.psd", "d", "missing"])

    assert snapshot.files.keys() == {"a"}
    assert directories == [Place("d", "d")]
    assert (snapshot.problems, snapshot.skipped) == ([], [])


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
def test_a_name_is_found_in_any_form(tmp_path: Path, asked: str) -> None:
    """Whichever of its spellings was asked for, and whichever the disk has."""
    root = tmp_path / "root"
    tree(root, "a", DECOMPOSED)

    assert look(disk(root), [asked]).files == {COMPOSED: DECOMPOSED}

    (root / DECOMPOSED).rename(root / COMPOSED)
    assert look(disk(root), [asked]).files == {COMPOSED: COMPOSED}


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
def test_twins_are_found_by_the_name_of_either(tmp_path: Path, asked: str) -> None:
    """A look at one of them must not take it for the only one."""
    tree(tmp_path, COMPOSED, DECOMPOSED)

    sight = look(disk(tmp_path), [asked])

    assert (sight.files, list(sight.problems)) == ({}, [COMPOSED])


def lines(root: Path, *names: str) -> list[Line]:
    """Return what a look at the root would find of these names, in their order."""
    return [(name, *fingerprint_of((root / name).lstat())) for name in sorted(names)]


def test_what_is_as_it_is_known_is_only_counted(tmp_path: Path) -> None:
    """The rules were asked about it when its row was made. What is not as it is known is looked at as anything else."""
    tree(tmp_path, "a.psd", "b.psd", "c\\", "d", "e", "f", "z.psd")
    known = [*lines(tmp_path, "a.psd", "b.psd", "c\\", "d", "e", "f"), ("gone", 1, 2, 3, 4)]
    (tmp_path / "b.psd").write_bytes(b"other bytes")
    (tmp_path / "d").write_bytes(b"other bytes")
    (tmp_path / "e").unlink()
    (tmp_path / "e").symlink_to("f")

    snapshot, _ = disk(tmp_path, "*.psd").snapshot(ROOT, known=known)

    assert snapshot.unchanged == len(["a.psd", "c\\", "f"])
    assert snapshot.files.keys() == {"d"}
    assert snapshot.unmatched == ["b.psd", "d", "e", "gone"]
    assert [skipped.path for skipped in snapshot.skipped] == ["e"]


@pytest.mark.parametrize("part", [0, 1, 2, 3, 4])
def test_any_difference_is_one(tmp_path: Path, part: int) -> None:
    """Of the name, the size, either time or the inode."""
    tree(tmp_path, "a", "b")
    known = lines(tmp_path, "a", "b")
    other = [*known[1]]
    other[part] = "c" if part == 0 else -1

    snapshot, _ = disk(tmp_path).snapshot(ROOT, known=[known[0], tuple(other)])  # type: ignore[list-item]

    assert snapshot.unchanged == 1
    assert snapshot.files.keys() == {"b"}
    assert snapshot.unmatched == [other[0]]


def test_a_tree_that_is_as_it_is_known(tmp_path: Path) -> None:
    """In whatever order the disk gives the names, and beside directories, which are entered as ever."""
    names = [*"cabfed", "\u00e9", "\uffee", "\U0001f600"]
    tree(tmp_path, *names, "d1/x", "ignored/x")

    snapshot, directories = disk(tmp_path, "ignored/").snapshot(ROOT, known=lines(tmp_path, *names))

    assert (snapshot.unchanged, snapshot.files, snapshot.unmatched) == (len(names), {}, [])
    assert [directory.path for directory in directories] == ["d1"]


@pytest.mark.parametrize("twin", [DECOMPOSED, f"{DECOMPOSED}/a"], ids=["a file", "a directory"])
def test_a_twin_of_what_is_as_it_is_known(tmp_path: Path, twin: str) -> None:
    """It is found all the same, and neither of the two is taken for the only one."""
    tree(tmp_path, COMPOSED, "b")
    known = lines(tmp_path, COMPOSED, "b")
    tree(tmp_path, twin)

    snapshot, directories = disk(tmp_path).snapshot(ROOT, known=known)

    assert [problem.path for problem in snapshot.problems] == [COMPOSED]
    assert snapshot.files.keys() == {"b"}
    assert directories == []
    assert snapshot.unmatched == ["b", COMPOSED]


def test_lifting_stops_at_names_that_the_cloud_refuses(tmp_path: Path) -> None:
    """A directory of such a name is told of once, and not each file that changes in it."""
    tree(tmp_path, "d/back\\slash/e/a", "d/latin\udce9/a")

    assert disk(tmp_path).lift("d/back\\slash/e/a", {}) == "d/back\\slash"
    assert disk(tmp_path).lift("d/latin\udce9/a", {}) == "d/latin\udce9"
    assert disk(tmp_path).lift("d/back\\slash", {}) == "d/back\\slash"
    assert disk(tmp_path, prefix="p" * 850).lift("d/back", {}) == "d"


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
def test_lifting_stops_at_twins(tmp_path: Path, asked: str) -> None:
    """What lies in one of two directories that meet in one key is decided where both are seen, and never by itself."""
    tree(tmp_path, f"d/{COMPOSED}/e/a", f"d/{DECOMPOSED}/b", f"alone/{DECOMPOSED}/a")

    assert disk(tmp_path).lift(f"d/{asked}/e/a", {}) == f"d/{asked}"
    assert disk(tmp_path).lift(f"d/{asked}", {}) == f"d/{asked}"
    assert disk(tmp_path).lift(f"alone/{DECOMPOSED}/a", {}) == f"alone/{DECOMPOSED}/a"


def test_many_paths_are_lifted_by_one_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files were saved at once beneath names that could have twins."""
    tree(tmp_path, *(f"{COMPOSED}/{name}/a" for name in "abc"), f"{DECOMPOSED}.d/a")
    listed: list[str] = []
    listing = os.listdir

    def noted(path: str) -> list[str]:
        listed.append(path)
        return listing(path)

    monkeypatch.setattr(os, "listdir", noted)
    listings: Listings = {}

    lifted = [
        disk(tmp_path).lift(f"{name}/a", listings) for name in (f"{COMPOSED}/a", f"{COMPOSED}/b", f"{DECOMPOSED}.d")
    ]

    assert lifted == [f"{COMPOSED}/a/a", f"{COMPOSED}/b/a", f"{DECOMPOSED}.d/a"]
    assert listed == [str(tmp_path)]


def test_a_file_beneath_twins_is_absent_all_the_same(tmp_path: Path) -> None:
    """Where one of the two is a link, the other is a directory like any other: what goes from it is gone."""
    tree(tmp_path, f"{DECOMPOSED}/a")
    (tmp_path / COMPOSED).symlink_to(DECOMPOSED)

    assert disk(tmp_path).surely_absent(f"{DECOMPOSED}/missing")
    assert not disk(tmp_path).surely_absent(f"{DECOMPOSED}/a")
