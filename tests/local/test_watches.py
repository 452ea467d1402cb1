"""The watches alone, read step by step, so that the disk can change between any two steps."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.watches import HOARD_EVERY, UNWATCH_AT_ONCE
from tests.local.watching import QUEUE, armed, exchange, numbers, read_all, read_events_singly

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
def outside(root: Path) -> Path:
    """Return the directory beside the root."""
    return root.with_name("outside")


def test_the_watch_comes_before_the_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is made just after its parent was listed has made an event."""
    really_list = os.scandir

    def list_and_make(path: str) -> object:
        entries = list(really_list(path))
        monkeypatch.undo()
        (root / "late").mkdir()
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", list_and_make)
    with armed(root) as watches:
        hints = read_all(watches)

        assert hints == {"late": False}
        assert watches.tree.find("late") is not None


@pytest.mark.parametrize("what", ["link", "file", "nothing"])
def test_a_directory_that_is_replaced_before_its_watch_is_let_go(root: Path, outside: Path, what: str) -> None:
    """Between listing and watching it has become something else: nothing outside and no file is watched."""

    def replace(path: str) -> bool:
        (root / path).rmdir()
        if what == "link":
            (root / path).symlink_to(outside)
        elif what == "file":
            (root / path).touch()
        return False

    (root / "d").mkdir()
    with armed(root, skips=replace) as watches:
        assert list(numbers(watches)) == [""]
        assert watches.blind == {}


def test_a_move_in_two_reads_keeps_its_watches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between "moved from" and "moved to" the watches wait in limbo, and are not given back."""
    (root / "old" / "beneath").mkdir(parents=True)
    with armed(root) as watches:
        before = numbers(watches)
        read_events_singly(monkeypatch)
        (root / "old").rename(root / "new")

        watches.read()
        in_between = list(numbers(watches))
        has_more = watches.settle()
        read_all(watches)

        assert (in_between, has_more) == ([""], False)
        assert numbers(watches) == {path.replace("old", "new"): number for path, number in before.items()}


def test_what_is_moved_out_is_silent_at_once_and_unwatched_after_limbo(root: Path, outside: Path) -> None:
    """Nothing is hinted under the old path; the watches go in batches, because each that goes makes an event."""
    for number in range(2 * UNWATCH_AT_ONCE):
        (root / "d" / str(number)).mkdir(parents=True)
    with armed(root, limbo_seconds=0.0) as watches:
        (root / "d").rename(outside / "d")
        hints = read_all(watches)
        (outside / "d" / "7" / "file").touch()
        hints |= read_all(watches)

        counts = [len(watches.tree)]
        while watches.settle():
            counts.append(len(watches.tree))

        assert hints == {"d": True}
        assert counts == [2 * UNWATCH_AT_ONCE + 2, UNWATCH_AT_ONCE + 2, 2]
        assert len(watches.tree) == 1


def test_a_move_within_one_read_leaves_no_old_path(root: Path, outside: Path) -> None:
    """What is written before the move has the old path; what is written after it lies beneath the new one."""
    (root / "within").mkdir()
    (root / "out").mkdir()
    with armed(root) as watches:
        for old, new in ((root / "within", root / "new"), (root / "out", outside / "out")):
            (old / "before").touch()
            old.rename(new)
            (new / "after").touch()

        hints = watches.read()

        assert hints == {"within/before": True, "within": True, "new": True, "out/before": True, "out": True}


def test_what_comes_back_while_watches_are_given_back_is_watched(root: Path, outside: Path) -> None:
    """Between two batches the tree may be moved in again: those that still have a watch keep it."""
    for number in range(UNWATCH_AT_ONCE + 100):
        (root / "d" / str(number)).mkdir(parents=True)
    with armed(root, limbo_seconds=0.0) as watches:
        (root / "d").rename(outside / "d")
        read_all(watches)
        assert watches.settle()
        (outside / "d").rename(root / "d")
        read_all(watches)
        while watches.settle():
            pass
        read_all(watches)

        assert len(numbers(watches)) == len(watches.tree) == UNWATCH_AT_ONCE + 102
        for number in range(UNWATCH_AT_ONCE + 100):
            (root / "d" / str(number) / "file").touch()
        assert len(read_all(watches)) == UNWATCH_AT_ONCE + 100


def test_a_walk_corrects_what_lost_events_left_wrong(root: Path, outside: Path) -> None:
    """After an overflow all paths are right again, without a watch that was given back or taken twice."""
    for name in ("moved/beneath", "gone/beneath", "stays"):
        (root / name).mkdir(parents=True)
    with armed(root) as watches:
        before = numbers(watches)
        (root / "moved").rename(root / "stays" / "there")
        (root / "gone").rename(outside / "gone")
        (root / "new").mkdir()
        while watches.descriptor.read():
            pass

        watches.arm("")
        after = numbers(watches)

        assert watches.descriptor.read() == b""
        assert after.pop("new") not in before.values()
        assert after == {
            "": before[""],
            "stays": before["stays"],
            "stays/there": before["moved"],
            "stays/there/beneath": before["moved/beneath"],
        }


def test_a_link_where_a_directory_was_is_no_mount(root: Path) -> None:
    """Moved, with a link left behind, the directory is at its new path only, and watched there."""
    (root / "d").mkdir()
    with armed(root) as watches:
        (root / "d").rename(root / "moved")
        (root / "d").symlink_to("moved")
        while watches.descriptor.read():
            pass

        watches.arm("moved")

        assert list(numbers(watches)) == ["", "moved"]
        assert watches.blind == {}


def test_nothing_stays_watched_without_a_path(root: Path, outside: Path) -> None:
    """A directory that left unseen, from one that is deleted then, is given back like any other."""
    (root / "d" / "left").mkdir(parents=True)
    with armed(root, limbo_seconds=0.0) as watches:
        (root / "d" / "left").rename(outside / "left")
        while watches.descriptor.read():
            pass
        (root / "d").rmdir()
        read_all(watches)
        while watches.settle():
            pass

        assert len(watches.tree) == 1


def test_knowledge_that_contradicts_the_disk_asks_for_a_walk(root: Path) -> None:
    """A directory is found beneath what is known to lie beneath it: nothing is put in a ring."""
    (root / "a" / "b").mkdir(parents=True)
    with armed(root) as watches:
        before = numbers(watches)
        (root / "a" / "b").rename(root / "other")
        (root / "a").rename(root / "other" / "b")
        (root / "other").rename(root / "a")

        watches.arm("a/b")
        assert numbers(watches) == before
        assert watches.needs_rewalk
        watches.arm("")

        assert numbers(watches) == {"": before[""], "a": before["a/b"], "a/b": before["a"]}


@pytest.mark.parametrize("is_split", [False, True], ids=["one read", "a read each"])
def test_directories_that_are_exchanged_are_told_apart(
    root: Path, monkeypatch: pytest.MonkeyPatch, is_split: bool
) -> None:
    """RENAME_EXCHANGE says "moved from" of a name that something has just been moved to."""
    (root / "a" / "in-a").mkdir(parents=True)
    (root / "b" / "in-b").mkdir(parents=True)
    with armed(root) as watches:
        before = numbers(watches)
        if is_split:
            read_events_singly(monkeypatch)

        exchange(root / "a", root / "b")
        hints = read_all(watches)

        assert hints == {"a": True, "b": True}
        assert numbers(watches) == {
            "": before[""],
            "a": before["b"],
            "a/in-b": before["b/in-b"],
            "b": before["a"],
            "b/in-a": before["a/in-a"],
        }


def test_an_old_move_does_not_undo_what_a_walk_has_seen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is ahead of the events: a directory that a walk has placed since stays where it was found."""
    (root / "x" / "first").mkdir(parents=True)
    with armed(root) as watches:
        read_events_singly(monkeypatch)
        (root / "x").rename(root / "y")
        (root / "y").rename(root / "z")
        (root / "y" / "second").mkdir(parents=True)

        watches.arm("")
        read_all(watches)

        assert set(numbers(watches)) == {"", "y", "y/second", "z", "z/first"}


def test_events_are_hoarded_during_a_long_walk(root: Path) -> None:
    """The kernel's queue would overflow before the walk ends; what it holds is moved into memory in time."""
    limit = int(QUEUE.read_text(encoding="ascii"))
    if limit > 50_000:
        pytest.skip("the queue is so long that filling it takes too long")
    renames = limit // HOARD_EVERY // 6
    (root / "file").touch()
    for number in range(3 * HOARD_EVERY):
        (root / str(number)).mkdir()

    def write(_path: str) -> bool:
        for _ in range(renames):
            (root / "file").rename(root / "elif")
            (root / "elif").rename(root / "file")
        return False

    with armed(root, skips=write) as watches:
        read_all(watches)

        assert watches.overflows == 0


def test_a_directory_that_is_deleted_and_made_again_has_a_new_watch(root: Path) -> None:
    """Though somebody still stands in the old one, which therefore keeps its own."""
    (root / "d").mkdir()
    with armed(root, limbo_seconds=0.0) as watches:
        before = numbers(watches)["d"]
        standing = os.open(root / "d", os.O_RDONLY)
        (root / "d").rmdir()
        (root / "d").mkdir()
        read_all(watches)
        (root / "d" / "file").touch()

        assert read_all(watches) == {"d/file": True}
        assert numbers(watches)["d"] != before
        os.close(standing)
        while watches.settle():
            pass
        assert len(watches.tree) == 2
