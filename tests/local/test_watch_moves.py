"""Directories that come, go and move, at any speed: nothing is lost, and nothing has a wrong path."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.local.watching import barrier, eventually, probe, watching

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root that has an outside on the same file system."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return the directory beside the root."""
    return tmp_path / "outside"


def test_move_out_and_a_short_lived_namesake(root: Path, outside: Path) -> None:
    """The sequence that kills watchdog's own reader: nothing dies, and later files are seen."""
    (root / "d").mkdir()

    with watching(root) as (_, recorder):
        (root / "d").rename(outside / "d")
        (root / "d").mkdir()
        (root / "d").rmdir()
        (outside / "d").rmdir()

        (root / "e").mkdir()
        probe(root, recorder)


def test_a_new_directory_is_hinted_and_watched(root: Path) -> None:
    """Files that were written before the watch was there lie beneath the hint for their directory."""
    with watching(root) as (_, recorder):
        (root / "a" / "b" / "c").mkdir(parents=True)
        (root / "a" / "b" / "c" / "file").touch()
        barrier(root, recorder)

        assert recorder.covers("a/b/c/file")
        assert recorder.quiet("a") == [False]
        probe(root, recorder)


def test_a_tree_that_is_moved_in_is_quiet_and_watched(root: Path, outside: Path) -> None:
    """One hint for its top means all beneath; what is written there later is seen."""
    (outside / "a" / "b").mkdir(parents=True)
    (outside / "a" / "b" / "file").touch()

    with watching(root) as (watcher, recorder):
        (outside / "a").rename(root / "a")
        barrier(root, recorder)

        assert recorder.quiet("a") == [True]
        assert watcher.state.watches in (1, 3)  # the number is as old as the last pulse
        probe(root, recorder)


def test_a_tree_that_is_moved_within_has_its_new_path(root: Path) -> None:
    """Both names are hinted, and the whole subtree reports under the new one."""
    (root / "old" / "b" / "c").mkdir(parents=True)
    (root / "x").mkdir()

    with watching(root) as (_, recorder):
        (root / "old").rename(root / "x" / "new")
        barrier(root, recorder)

        assert recorder.quiet("old") == [True]
        assert recorder.quiet("x/new") == [True]
        probe(root, recorder)


def test_a_tree_that_is_moved_out_goes_silent(root: Path, outside: Path) -> None:
    """Its watches are kept without a path for a while, and then given back."""
    for number in range(20):
        (root / "d" / str(number)).mkdir(parents=True)

    with watching(root) as (watcher, recorder):
        (root / "d").rename(outside / "d")
        barrier(root, recorder)
        (outside / "d" / "3" / "file").touch()
        eventually(lambda: watcher.state.watches == 1)
        (outside / "d" / "4" / "file").touch()
        barrier(root, recorder, "again")

        assert recorder.paths() == {"d", "barrier", "again"}


def test_a_tree_that_comes_back_is_watched(root: Path, outside: Path) -> None:
    """However short or long it was away, the watches are there again under its new name."""
    (root / "d" / "e").mkdir(parents=True)

    with watching(root) as (watcher, recorder):
        (root / "d").rename(outside / "d")
        (outside / "d").rename(root / "soon")
        probe(root, recorder)
        (root / "soon").rename(outside / "d")
        eventually(lambda: watcher.state.watches == 1)
        (outside / "d").rename(root / "late")

        probe(root, recorder)


def test_directories_that_swap_names_are_told_apart(root: Path) -> None:
    """Three renames in a row, each with a subtree of its own."""
    (root / "a" / "in-a").mkdir(parents=True)
    (root / "b" / "in-b").mkdir(parents=True)

    with watching(root) as (_, recorder):
        (root / "a").rename(root / "c")
        (root / "b").rename(root / "a")
        (root / "c").rename(root / "b")

        probe(root, recorder)


def test_parent_and_child_change_places(root: Path) -> None:
    """What was above lies beneath afterwards; no path leads in a circle."""
    (root / "a" / "b").mkdir(parents=True)

    with watching(root) as (_, recorder):
        for _ in range(50):
            (root / "a" / "b").rename(root / "b")
            (root / "a").rename(root / "b" / "a")
            (root / "b" / "a").rename(root / "a")
            (root / "b").rename(root / "a" / "b")

        probe(root, recorder)


def test_make_fill_and_rename_two_hundred_times(root: Path) -> None:
    """Deployments that build a directory aside and rename it leave no directory deaf."""
    with watching(root) as (_, recorder):
        for number in range(200):
            (root / "tmp" / "x" / "y").mkdir(parents=True)
            (root / "tmp" / "x" / "file").touch()
            (root / "tmp").rename(root / f"final{number}")
        barrier(root, recorder)

        assert recorder.lacks([f"final{number}/x/file" for number in range(200)]) == []
        probe(root, recorder)


def test_a_new_tree_at_full_speed_loses_nothing(root: Path) -> None:
    """5,000 files in 500 directories: after each file existed, it or a directory above it was hinted."""
    files = [f"{top}/{middle}/{name}" for top in range(10) for middle in range(50) for name in range(10)]

    with watching(root) as (_, recorder):
        for path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        barrier(root, recorder)

        assert recorder.lacks(files) == []
        probe(root, recorder)


def test_a_hint_for_a_new_directory_comes_after_its_watch(root: Path) -> None:
    """Whoever lists a directory on its hint, and hears no more of it, has seen all of it."""
    with watching(root) as (_, recorder):
        for number in range(100):
            directory = root / str(number)
            directory.mkdir()
            eventually(lambda path=str(number): path in recorder.paths())  # type: ignore[misc]
            (directory / "file").touch()
        barrier(root, recorder)

        assert {f"{number}/file" for number in range(100)} <= recorder.paths()
