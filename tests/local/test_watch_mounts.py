"""File systems that come and go at and beneath the root, and those whose changes no event tells of."""

from __future__ import annotations

import re
import shutil
import sys
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.local import mounts, watch_emitter
from tcbsync.local.mounts import Mount, Mounts, is_far, mounts_around
from tcbsync.local.watch import WatchMode
from tests.local.watching import QUICK, barrier, eventually, mount, mounted, probe, umount, watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tcbsync.local.watch import Watcher
    from tests.local.watching import Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")

TABLE = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /srv/assets rw,relatime shared:1 - nfs4 server:/export rw
41 40 0:51 / /srv/assets/a\\040b rw - fuse.sshfs host: rw
42 27 0:52 / /srv/assets-local rw - ext4 /dev/vdb rw
43 42 0:53 / /srv/assets-local/cache rw - tmpfs none rw
44 42 0:54 / /srv/over rw - tmpfs none rw
45 42 0:55 / /srv/over rw - cifs //host/share rw
46 27 254:0 /elsewhere /srv/odd/\x0c\u2028\udcff rw - ext4 /dev/vda rw
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with two directories in it."""
    for name in ("d", "e/beneath"):
        (tmp_path / "root" / name).mkdir(parents=True)
    return tmp_path / "root"


def expect_recovery(root: Path, watcher: Watcher, recorder: Recorder, scope: str = "") -> None:
    """Wait until the scope is watched as it is now: hinted, healthy, and every directory reports."""
    eventually(lambda: recorder.covers(scope))
    eventually(lambda: watcher.state.mode is WatchMode.INOTIFY)
    probe(root, recorder)
    recorder.clear()


@contextmanager
def stalled(root: Path) -> Iterator[tuple[Watcher, Recorder, threading.Event]]:
    """Watch the root, with a reader that looks at nothing until the event is set."""
    reached, go_on = threading.Event(), threading.Event()

    def skips(path: str) -> bool:
        if path == "stall":
            reached.set()
            go_on.wait(60)
        return False

    with watching(root, skips=skips) as (watcher, recorder):
        (root / "stall").mkdir()
        assert reached.wait(10)
        try:
            yield watcher, recorder, go_on
        finally:
            go_on.set()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home", Mounts("ext4", frozenset())),
        ("/srv/assets/site", Mounts("nfs4", frozenset())),
        ("/srv/assets", Mounts("nfs4", frozenset({Mount("a b", "fuse.sshfs", "0:51 /")}))),
        ("/srv/assets/a b/c", Mounts("fuse.sshfs", frozenset())),
        ("/srv/assets-local", Mounts("ext4", frozenset({Mount("cache", "tmpfs", "0:53 /")}))),
        ("/srv/over", Mounts("cifs", frozenset())),
        ("/srv/odd", Mounts("ext4", frozenset({Mount("\x0c\u2028\udcff", "ext4", "254:0 /elsewhere")}))),
    ],
)
def test_the_longest_and_topmost_mount_counts(folder: str, expected: Mounts) -> None:
    """A folder lies on the innermost mount, the last one where several are stacked; others lie beneath it."""
    assert mounts_around(folder, TABLE)._replace(what="") == expected


@pytest.mark.parametrize(
    ("folder", "what"),
    [
        ("/home", "254:0 /home"),
        ("/", "254:0 "),
        ("/srv/assets", "0:50 "),
        ("/srv/assets/site/a", "0:50 /site/a"),
        ("/srv/assets-local", "0:52 "),
        ("/srv/odd/\x0c\u2028\udcff/a", "254:0 /elsewhere/a"),
        ("/elsewhere/a", "254:0 /elsewhere/a"),
    ],
)
def test_a_folder_is_a_directory_of_a_device(folder: str, what: str) -> None:
    """Wherever it is mounted: bound to another place, or upon itself, it is the same."""
    assert mounts_around(folder, TABLE).what == what


@pytest.mark.parametrize(
    ("kind", "expected"), [("nfs", True), ("fuse.sshfs", True), ("fuseblk", False), ("ext4", False)]
)
def test_far_file_systems_are_known(kind: str, expected: bool) -> None:
    """Network and user-space file systems can change without an event; a local disk cannot."""
    assert is_far(kind) is expected


def test_a_far_root_is_timed_and_still_watched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this host changes makes its hint; for the rest the state asks for rescans, and says why."""
    monkeypatch.setattr(mounts, "_FAR", re.compile("tmpfs"))
    with mounted(root), watching(root) as (watcher, recorder):
        (root / "new").mkdir()
        probe(root, recorder)

        assert watcher.state.mode is WatchMode.TIMED
        assert "the root is on tmpfs: changes made elsewhere make no event" in watcher.state.reason


def test_a_far_mount_beneath_is_blind_unless_it_is_skipped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named for rescans of its own, as soon as it is there; one that is ignored is nobody's trouble."""
    monkeypatch.setattr(mounts, "_FAR", re.compile("tmpfs"))
    with (
        watching(root, skips=lambda path: path == "e") as (watcher, recorder),
        mounted(root / "d"),
        mounted(root / "e"),
    ):
        eventually(lambda: watcher.state.mode is WatchMode.DEGRADED)
        (root / "d" / "file").touch()
        barrier(root, recorder)

        assert watcher.state.blind == ("d",)
        assert "'d' is tmpfs" in watcher.state.reason
        assert "d/file" in recorder.paths()


def test_a_root_that_is_unmounted_and_mounted_again(root: Path) -> None:
    """What is hidden below the mount point is another root, and so is the next mount."""
    with mounted(root):
        (root / "on-tmpfs").mkdir()
        with watching(root) as (watcher, recorder):
            umount(root)
            expect_recovery(root, watcher, recorder)
            mount(root)
            expect_recovery(root, watcher, recorder)


def test_a_mount_over_the_root_is_noticed(root: Path) -> None:
    """A bind mount on top makes no event at all."""
    other = root.with_name("other")
    (other / "new").mkdir(parents=True)

    with watching(root) as (watcher, recorder), mounted("--bind", other, root):
        expect_recovery(root, watcher, recorder)


def test_a_root_like_the_one_before_is_noticed(root: Path) -> None:
    """On top of a tmpfs lies another, whose root has the same inode; only the device is another."""
    with mounted(root), watching(root) as (watcher, recorder):
        mount(root)
        (root / "new").mkdir()

        expect_recovery(root, watcher, recorder)


@pytest.mark.parametrize("how", ["mounted", "made"])
def test_a_root_that_is_replaced_between_two_looks_is_noticed(root: Path, how: str) -> None:
    """Device and inode may be given again at once; that the watches are gone makes an event."""
    with mounted(root) if how == "mounted" else nullcontext(), stalled(root) as (watcher, recorder, go_on):
        if how == "mounted":
            umount(root)
            mount(root)
        else:
            shutil.rmtree(root)
            root.mkdir()
        (root / "new").mkdir()
        go_on.set()

        expect_recovery(root, watcher, recorder)


def test_a_mount_beneath_the_root_comes_and_goes(root: Path) -> None:
    """Its coming makes no event; the mount table tells, and what it covers or uncovers is hinted and watched."""
    with watching(root) as (watcher, recorder):
        with mounted(root / "d"):
            (root / "d" / "on-tmpfs").mkdir()
            expect_recovery(root, watcher, recorder, "d")

        expect_recovery(root, watcher, recorder, "d")
        eventually(lambda: watcher.state.watches == 4)


def test_a_bind_mount_that_is_in_use_goes_without_an_event(root: Path) -> None:
    """Its file system stays mounted elsewhere, so nothing but the mount table tells."""
    other = root.with_name("other")
    (other / "new").mkdir(parents=True)

    with watching(root) as (watcher, recorder):
        with mounted("--bind", other, root / "d"):
            expect_recovery(root, watcher, recorder, "d")

        expect_recovery(root, watcher, recorder, "d")
        (other / "new" / "file").touch()
        barrier(root, recorder)
        assert recorder.paths() == {"barrier"}


def test_a_mount_that_is_replaced_between_two_looks_is_noticed(root: Path) -> None:
    """The mount table may read the same before and after; that something was unmounted makes an event."""
    with mounted(root / "d"), stalled(root) as (watcher, recorder, go_on):
        umount(root / "d")
        mount(root / "d")
        (root / "d" / "new").mkdir()
        go_on.set()

        expect_recovery(root, watcher, recorder, "d")


def test_a_mount_that_comes_back_after_the_walk_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk that answers an unmount notes the mounts of that moment, so that the next look sees a difference.

    Where the kernel tells of no mount, the looks alone are enough.
    """
    monkeypatch.setattr(watch_emitter, "mount_news", lambda: None)
    with mounted(root / "d"), watching(root, timing=replace(QUICK, root_poll=1.0)) as (watcher, recorder):
        umount(root / "d")
        eventually(lambda: "" in recorder.paths())
        recorder.clear()
        mount(root / "d")

        expect_recovery(root, watcher, recorder, "d")


def test_mounts_are_noticed_at_once(root: Path) -> None:
    """The kernel tells of them; there is no need to wait for the next look at the root."""
    with watching(root, timing=replace(QUICK, root_poll=3600.0)) as (watcher, recorder):
        with mounted(root / "d"):
            (root / "d" / "new").mkdir()
            expect_recovery(root, watcher, recorder, "d")

        expect_recovery(root, watcher, recorder, "d")


def test_a_root_that_comes_with_its_volume_is_noticed_at_once(root: Path) -> None:
    """As at a boot, when the disk is mounted after the daemon has begun."""
    volume = root.with_name("volume")
    volume.mkdir()

    with (
        watching(volume / "e", timing=replace(QUICK, root_poll=3600.0)) as (watcher, recorder),
        mounted("--bind", root, volume),
    ):
        expect_recovery(volume / "e", watcher, recorder)


@pytest.mark.parametrize("what", ["e", ""], ids=["a directory beside", "the root itself"])
def test_a_directory_that_a_mount_shows_twice_is_blind_at_one_path(root: Path, what: str) -> None:
    """There is one watch to an inode, and so one path: the other is named for rescans, and nothing goes in circles."""
    (root / "d" / "hidden").mkdir()

    with watching(root) as (watcher, recorder):
        with mounted("--bind", root / what, root / "d"):
            eventually(lambda: watcher.state.mode is WatchMode.DEGRADED)
            eventually(lambda: "d" in recorder.paths())
            recorder.clear()
            (root / what / "file").touch()
            barrier(root, recorder)
            reason, paths = watcher.state.reason, recorder.paths()
            blind = watcher.state.blind

        assert blind == ("d",)
        assert "a mount shows the same directory at another path too" in reason
        assert paths == {f"{what}/file".lstrip("/"), "barrier"}
        expect_recovery(root, watcher, recorder, "d")
