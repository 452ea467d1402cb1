"""Where the kernel's help ends: lost events, no more watches, no permission, file systems elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.mounts import Mounts, is_far, mounts_around
from tcbsync.local.watch import Hint, Watcher, WatchMode
from tcbsync.local.watch_report import no_descriptor, seen_by
from tcbsync.local.watches import Watches
from tests.local.watching import QUICK, Recorder, eventually, probe, watching

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def overflow(directory: Path) -> None:
    """Make more events than the kernel keeps for one descriptor: two for each rename."""
    here, there = directory / "here", directory / "there"
    here.touch()
    for _ in range(int(QUEUE.read_text(encoding="ascii")) // 4 + 100):
        here.rename(there)
        there.rename(here)


def run_child(script: str, *arguments: object, before: Sequence[str]) -> None:
    """Run a script in a process with other rights or limits; skip where that cannot be had."""
    if (
        shutil.which(before[0]) is None
        or subprocess.run([*before, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip(f"cannot run {before[0]}")
    prelude = "import sys\nfrom pathlib import Path\nfrom tests.local.watching import *\nroot = Path(sys.argv[1])\n"
    command = [*before, sys.executable, "-c", prelude + script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
def test_an_overflow_is_counted_and_answered_by_the_root(tmp_path: Path) -> None:
    """While the reader is held up, events and a new directory are lost; then everything is walked and hinted."""
    (tmp_path / "noise").mkdir()
    reached, release = threading.Event(), threading.Event()

    def skips(path: str) -> bool:
        if path == "stall":
            reached.set()
            release.wait(60)
        return False

    with watching(tmp_path, skips=skips) as (watcher, recorder):
        (tmp_path / "stall").mkdir()
        assert reached.wait(10)
        overflow(tmp_path / "noise")
        (tmp_path / "unheard" / "deep").mkdir(parents=True)
        release.set()

        eventually(lambda: "" in recorder.paths())
        assert watcher.state.overflows == 1
        assert watcher.state.mode is WatchMode.INOTIFY
        probe(tmp_path, recorder)


@pytest.mark.slow
def test_a_handler_that_hangs_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Reading pauses behind a handler that takes nothing; what is lost then is made good by the root."""
    recorder, release = Recorder(), threading.Event()

    def on_hints(hints: Sequence[Hint]) -> None:
        release.wait(60)
        recorder.on_hints(hints)

    watcher = Watcher(tmp_path, on_hints=on_hints, timing=QUICK)
    watcher.start()
    try:
        for _ in range(20):
            overflow(tmp_path)
        release.set()

        eventually(lambda: "" in recorder.paths())
        assert recorder.batches < 40
        assert watcher.state.overflows
    finally:
        release.set()
        watcher.stop()


@pytest.mark.slow
def test_the_watch_limit_degrades_and_heals(tmp_path: Path) -> None:
    """Beyond the limit, directories are blind and named with the sysctl line; when it is raised, all are seen."""
    for number in range(100):
        (tmp_path / f"d{number:03}" / "beneath").mkdir(parents=True)

    run_child(
        """
limit = Path("/proc/sys/user/max_inotify_watches")
limit.write_text("61")
with watching(root) as (watcher, recorder):
    state = watcher.state
    assert (state.mode.value, state.watches) == ("degraded", 61), state
    assert "sysctl -w user.max_inotify_watches=524288" in state.reason, state
    assert state.blind_count == len(state.blind) >= 69, state
    assert "" not in recorder.paths()
    limit.write_text("1000")
    eventually(lambda: watcher.state.mode.value == "inotify")
    assert set(state.blind) <= recorder.paths()
    assert watcher.state.watches == 201
    probe(root, recorder)
""",
        tmp_path,
        before=["unshare", "--user", "--map-root-user"],
    )


@pytest.mark.slow
def test_many_blind_directories_are_counted_not_kept(tmp_path: Path) -> None:
    """A flat tree far beyond the limit: the list stays short, the number is right, and it heals by a walk."""
    for number in range(1500):
        (tmp_path / str(number)).mkdir()

    run_child(
        """
limit = Path("/proc/sys/user/max_inotify_watches")
limit.write_text("100")
with watching(root) as (watcher, recorder):
    assert (len(watcher.state.blind), watcher.state.blind_count) == (100, 1401), watcher.state
    limit.write_text("2000")
    eventually(lambda: watcher.state.mode.value == "inotify" and watcher.state.watches == 1501)
    probe(root, recorder)
""",
        tmp_path,
        before=["unshare", "--user", "--map-root-user"],
    )


@pytest.mark.slow
def test_no_descriptor_means_rescans_until_there_is_one(tmp_path: Path) -> None:
    """The limit of instances is said by name; when there is room again, the root is hinted and watched."""
    (tmp_path / "d").mkdir()

    run_child(
        """
limit = Path("/proc/sys/user/max_inotify_instances")
limit.write_text("0")
with watching(root) as (watcher, recorder):
    assert watcher.state.mode.value == "rescan", watcher.state
    assert "fs.inotify.max_user_instances" in watcher.state.reason, watcher.state
    limit.write_text("10")
    eventually(lambda: watcher.state.mode.value == "inotify" and "" in recorder.paths())
    probe(root, recorder)
""",
        tmp_path,
        before=["unshare", "--user", "--map-root-user"],
    )


@pytest.mark.slow
@pytest.mark.parametrize("where", ["d", ""])
def test_unreadable_directories_degrade_and_heal(tmp_path: Path, where: str) -> None:
    """What may not be read is blind and named, be it the root; when it may be read, it is hinted and watched."""
    (tmp_path / "d" / "beneath").mkdir(parents=True)
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]

    run_child(
        """
where = root / sys.argv[2]
where.chmod(0)
with watching(root) as (watcher, recorder):
    state = watcher.state
    assert state.mode.value == ("degraded" if sys.argv[2] else "rescan"), state
    assert state.blind == (sys.argv[2],) and "Permission denied" in state.reason, state
    where.chmod(0o755)
    eventually(lambda: watcher.state.mode.value == "inotify" and sys.argv[2] in recorder.paths())
    probe(root, recorder)
""",
        tmp_path,
        where,
        before=powerless if os.geteuid() == 0 else ["env"],
    )


TABLE = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /srv/assets rw,relatime shared:1 - nfs4 server:/export rw
41 40 0:51 / /srv/assets/a\\040b rw - fuse.sshfs host: rw
42 27 0:52 / /srv/assets-local rw - ext4 /dev/vdb rw
43 42 0:53 / /srv/assets-local/cache rw - tmpfs none rw
44 42 0:54 / /srv/over rw - tmpfs none rw
45 42 0:55 / /srv/over rw - cifs //host/share rw
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home", Mounts("ext4", ())),
        ("/srv/assets/site", Mounts("nfs4", ())),
        ("/srv/assets", Mounts("nfs4", (("a b", "fuse.sshfs"),))),
        ("/srv/assets/a b/c", Mounts("fuse.sshfs", ())),
        ("/srv/assets-local", Mounts("ext4", (("cache", "tmpfs"),))),
        ("/srv/over", Mounts("cifs", ())),
    ],
)
def test_the_longest_and_topmost_mount_counts(folder: str, expected: Mounts) -> None:
    """A folder lies on the innermost mount, the last one where several are stacked; others lie beneath it."""
    assert mounts_around(folder, TABLE) == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("nfs", True), ("fuse.sshfs", True), ("fuseblk", False), ("ext4", False)]
)
def test_far_file_systems_are_known(kind: str, expected: bool) -> None:
    """Network and user-space file systems can change without an event; a local disk cannot."""
    assert is_far(kind) is expected


def test_a_far_root_is_timed_and_still_watched(tmp_path: Path) -> None:
    """The state asks for rescans and says why; far mounts beneath are blind, for the same reason."""
    watches = Watches(str(tmp_path), skips=lambda _path: False, keeps_running=lambda: True, limbo_seconds=1)
    watches.arm("")

    far = seen_by(watches, Mounts("nfs4", ()))
    partly = seen_by(watches, Mounts("ext4", (("share", "cifs"),)))
    watches.close()

    assert (far.mode, far.watches) == (WatchMode.TIMED, 1)
    assert "nfs4" in far.reason
    assert (partly.mode, partly.blind) == (WatchMode.DEGRADED, ("share",))


def test_a_kernel_without_inotify_is_no_error() -> None:
    """Whatever errno the kernel answers, it becomes words."""
    state = no_descriptor(OSError(38, "Function not implemented"))

    assert state.mode is WatchMode.TIMED
    assert "Function not implemented" in state.reason
