"""A root that dies, in each of the ways there are: it is said, and it is picked up again."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.watch import Watcher, WatchMode
from tests.local.watching import QUICK, Recorder, eventually, open_descriptors, probe, watching

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with a directory in it, below a directory that can be moved too."""
    (tmp_path / "above" / "root" / "d").mkdir(parents=True)
    return tmp_path / "above" / "root"


def expect_waiting(watcher: Watcher, recorder: Recorder) -> None:
    """Wait until the loss has been said, with a reason and a hint to look."""
    eventually(lambda: watcher.state.mode is WatchMode.WAITING)
    eventually(lambda: "" in recorder.paths())
    assert "root" in watcher.state.reason
    assert recorder.states[-1].mode is WatchMode.WAITING
    recorder.clear()


def expect_recovery(root: Path, watcher: Watcher, recorder: Recorder) -> None:
    """Wait until the root is watched again: said, hinted, and every directory reports."""
    eventually(lambda: "" in recorder.paths())
    eventually(lambda: watcher.state.mode is WatchMode.INOTIFY)
    assert watcher.state.reason == ""
    probe(root, recorder)


def test_a_root_that_is_missing_at_the_start_is_picked_up(root: Path) -> None:
    """Starting succeeds, the state says what is missing, and it is watched once it is there."""
    shutil.rmtree(root)

    with watching(root) as (watcher, recorder):
        assert watcher.state.mode is WatchMode.WAITING
        assert f"root {root} is missing" in watcher.state.reason
        (root / "late").mkdir(parents=True)

        expect_recovery(root, watcher, recorder)


def test_a_root_that_is_a_file_is_picked_up_as_a_directory(root: Path) -> None:
    """A file in its place is said to be one, and replaced by a directory it is watched."""
    shutil.rmtree(root)
    root.touch()

    with watching(root) as (watcher, recorder):
        assert "not a directory" in watcher.state.reason
        root.unlink()
        (root / "late").mkdir(parents=True)

        expect_recovery(root, watcher, recorder)


def test_a_root_that_is_deleted_is_picked_up_again(root: Path) -> None:
    """Deleted and made again, with other contents."""
    with watching(root) as (watcher, recorder):
        shutil.rmtree(root)
        expect_waiting(watcher, recorder)
        (root / "other").mkdir(parents=True)

        expect_recovery(root, watcher, recorder)


@pytest.mark.parametrize("what", ["root", "above"])
def test_a_root_that_is_renamed_away_is_picked_up_again(root: Path, what: str) -> None:
    """Whether it or a directory above is renamed; what happens at the other place is not hinted."""
    moved = root if what == "root" else root.parent
    aside = moved.with_name("aside")

    with watching(root) as (watcher, recorder):
        moved.rename(aside)
        expect_waiting(watcher, recorder)
        next(aside.rglob("d")).joinpath("file").touch()
        assert recorder.paths() == set()
        aside.rename(moved)

        expect_recovery(root, watcher, recorder)


def test_a_root_that_is_replaced_is_noticed(root: Path) -> None:
    """Another directory under the same name, as deployments do it, though there is always one."""
    fresh = root.with_name("fresh")
    (fresh / "new").mkdir(parents=True)

    with watching(root) as (watcher, recorder):
        root.rename(root.with_name("old"))
        fresh.rename(root)

        expect_recovery(root, watcher, recorder)


@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_the_loss_of_the_root_is_noticed_at_once(root: Path, how: str) -> None:
    """Its own event tells; there is no need to wait for the next look at it."""
    with watching(root, timing=replace(QUICK, root_poll=3600.0)) as (watcher, recorder):
        if how == "deleted":
            shutil.rmtree(root)
        else:
            root.rename(root.with_name("aside"))

        expect_waiting(watcher, recorder)


@pytest.mark.parametrize("losses", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_however_often_the_root_is_lost_nothing_is_left_behind(root: Path, losses: int) -> None:
    """Each time it is watched afresh, with the descriptors and the watches of the first time."""
    with watching(root, timing=replace(QUICK, root_poll=0.005)) as (watcher, recorder):
        (root / "d" / "e").mkdir()
        eventually(lambda: watcher.state.watches == 3)
        before = open_descriptors()
        for _ in range(losses):
            root.rename(root.with_name("aside"))
            eventually(lambda: watcher.state.mode is WatchMode.WAITING)
            root.with_name("aside").rename(root)
            eventually(lambda: watcher.state.mode is WatchMode.INOTIFY)
            recorder.clear()

        assert watcher.state.watches == 3
        eventually(lambda: open_descriptors() <= before)  # its own looks open files, too
        probe(root, recorder)


def test_a_link_as_root_that_is_turned_is_noticed(root: Path) -> None:
    """The root may be a symbolic link to the current release; nothing in the old release makes an event."""
    current, fresh = root.with_name("current"), root.with_name("fresh")
    (fresh / "new").mkdir(parents=True)
    current.symlink_to(root)

    with watching(current) as (watcher, recorder):
        root.with_name("turned").symlink_to(fresh)
        root.with_name("turned").rename(current)

        expect_recovery(current, watcher, recorder)


def test_a_link_as_root_that_follows_a_renamed_directory_is_noticed(root: Path) -> None:
    """It is the same directory, with all its watches; but what is new in it lies at another path than before."""
    current, moved = root.with_name("current"), root.with_name("moved")
    current.symlink_to(root)

    with watching(current) as (watcher, recorder):
        root.with_name("turned").symlink_to(moved)
        root.rename(moved)
        root.with_name("turned").rename(current)

        expect_recovery(current, watcher, recorder)
        (current / "new").mkdir()
        probe(current, recorder)
