"""A root that dies, in each of the ways there are: it is said, and it is picked up again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.watch import Watcher, WatchMode
from tests.local.watching import Recorder, barrier, eventually, probe, watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with a directory in it, below a directory that can be moved too."""
    (tmp_path / "above" / "root" / "d").mkdir(parents=True)
    return tmp_path / "above" / "root"


@pytest.fixture
def mounted(root: Path) -> Iterator[Path]:
    """Return the root with a file system of its own mounted on it."""
    mount(root)
    yield root
    while os.path.ismount(root):
        subprocess.run(["umount", str(root)], check=True)


def mount(*arguments: object) -> None:
    """Mount a new tmpfs, or what the arguments say; skip the test where that is not allowed."""
    options = ["-t", "tmpfs", "none"] if len(arguments) == 1 else []
    command = ["mount", *options, *map(str, arguments)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount")


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


def test_a_link_as_root_that_is_turned_is_noticed(root: Path) -> None:
    """The root may be a symbolic link to the current release; nothing in the old release makes an event."""
    current, fresh = root.with_name("current"), root.with_name("fresh")
    (fresh / "new").mkdir(parents=True)
    current.symlink_to(root)

    with watching(current) as (watcher, recorder):
        root.with_name("turned").symlink_to(fresh)
        root.with_name("turned").rename(current)

        expect_recovery(current, watcher, recorder)


def test_a_file_system_that_is_unmounted_and_mounted_again(mounted: Path) -> None:
    """What is hidden below the mount point is another root, and so is the next mount."""
    (mounted / "on-tmpfs").mkdir()

    with watching(mounted) as (watcher, recorder):
        subprocess.run(["umount", str(mounted)], check=True)
        expect_recovery(mounted, watcher, recorder)
        recorder.clear()
        mount(mounted)

        expect_recovery(mounted, watcher, recorder)


def test_a_mount_over_the_root_is_noticed(root: Path) -> None:
    """A bind mount on top makes no event at all."""
    other = root.with_name("other")
    (other / "new").mkdir(parents=True)

    with watching(root) as (watcher, recorder):
        mount("--bind", other, root)
        try:
            expect_recovery(root, watcher, recorder)
        finally:
            subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_mount_beneath_the_root_is_noticed(root: Path) -> None:
    """What comes and goes with a mount makes no event either; the mount table tells."""
    with watching(root) as (watcher, recorder):
        mount(root / "d")
        try:
            expect_recovery(root, watcher, recorder)
            (root / "d" / "on-tmpfs").mkdir()
            barrier(root, recorder, "mounted")
            recorder.clear()
        finally:
            subprocess.run(["umount", "-l", str(root / "d")], check=True)

        expect_recovery(root, watcher, recorder)
