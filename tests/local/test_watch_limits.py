"""Where the kernel's help ends: lost events, no more watches, no permission, paths that are too long."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.inotify import QUEUE_OVERFLOW, Inotify
from tcbsync.local.watch import Hint, Watcher, WatchMode
from tcbsync.local.watch_report import no_descriptor
from tests.local.watching import (
    AS_USER_OF_ITS_OWN,
    POWERLESS,
    QUICK,
    Recorder,
    barrier,
    eventually,
    overflow,
    probe,
    run_child,
    watching,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")

OVERFLOW = struct.pack("iIII", -1, QUEUE_OVERFLOW, 0, 0)


def watch_numbers(watcher: Watcher) -> set[int]:
    """Return the numbers of all watches."""
    assert watcher._emitter is not None
    assert watcher._emitter._watches is not None
    return set(watcher._emitter._watches.tree._nodes)


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


def test_overflows_are_answered_at_most_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While events are lost all the time, the tree is walked and the root hinted once in `rewalk` seconds.

    No watch is given back for that: each that goes makes an event, and so the next overflow.
    """
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    really_read = Inotify._read
    monkeypatch.setattr(Inotify, "_read", lambda self: really_read(self) and OVERFLOW)
    timing = replace(QUICK, rewalk=0.3)
    began = time.monotonic()

    with watching(root, timing=timing) as (watcher, recorder):
        before = watch_numbers(watcher)
        while recorder.quiet("").count(False) < 3:
            (root / "file").write_bytes(b"")
            assert time.monotonic() < began + 30

        assert time.monotonic() - began >= 3 * timing.rewalk
        assert watcher.state.overflows > 3
        assert watch_numbers(watcher) == before

        root.rename(tmp_path / "aside")
        eventually(lambda: watcher.state.mode is WatchMode.WAITING)
        assert watcher.state.overflows > 3


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
    """Beyond the limit, directories are blind and named with the sysctl line; when it is raised, all are seen.

    Nearing the limit is said beforehand, and each thing is said once, however many watches come and go.
    """
    for number in range(100):
        (tmp_path / f"d{number:03}" / "beneath").mkdir(parents=True)

    run_child(
        """
limit = Path("/proc/sys/user/max_inotify_watches")
limit.write_text("61")
with watching(root) as (watcher, recorder):
    state = watcher.state
    assert (state.mode.value, state.watches) == ("degraded", 61), state
    assert "is 61: put `user.max_inotify_watches = 524288` into /etc/sysctl.d/" in state.reason, state
    assert state.blind_count == len(state.blind) >= 69, state
    assert "" not in recorder.paths()
    limit.write_text("1000")
    eventually(lambda: watcher.state.mode.value == "inotify")
    assert set(state.blind) <= recorder.paths()
    assert watcher.state.watches == 201
    limit.write_text("240")
    eventually(lambda: "the watch limit is near" in watcher.state.reason)
    assert watcher.state.mode.value == "inotify"
    for number in range(20):
        (root / f"late{number}").mkdir()
        beat = watcher.state.heartbeat
        eventually(lambda: watcher.state.heartbeat > beat)
    assert len({state.reason for state in recorder.states}) == len(recorder.states) <= 4, recorder.states
    probe(root, recorder)
""",
        tmp_path,
        before=AS_USER_OF_ITS_OWN,
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
        before=AS_USER_OF_ITS_OWN,
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
        before=AS_USER_OF_ITS_OWN,
    )


@pytest.mark.slow
@pytest.mark.parametrize("where", ["d", ""])
def test_unreadable_directories_degrade_and_heal(tmp_path: Path, where: str) -> None:
    """What may not be read is blind and named, be it the root; when it may be read, it is hinted and watched."""
    (tmp_path / "d" / "beneath").mkdir(parents=True)

    run_child(
        """
where = root / sys.argv[2]
where.chmod(0)
with watching(root) as (watcher, recorder):
    state = watcher.state
    assert state.mode.value == ("degraded" if sys.argv[2] else "rescan"), state
    assert state.blind == (sys.argv[2],) and "Permission denied" in state.reason, state
    for _ in range(3):
        beat = watcher.state.heartbeat
        eventually(lambda: watcher.state.heartbeat > beat)
    assert recorder.paths() == set()
    where.chmod(0o755)
    eventually(lambda: watcher.state.mode.value == "inotify" and sys.argv[2] in recorder.paths())
    probe(root, recorder)
""",
        tmp_path,
        where,
        before=POWERLESS,
    )


@pytest.mark.parametrize("is_early", [True, False], ids=["at the start", "later"])
def test_a_path_that_is_too_long_is_blind(tmp_path: Path, is_early: bool) -> None:
    """What lies deeper than PATH_MAX is named for rescans; what lies above is watched as ever."""
    name = "d" * 250

    def deepen() -> None:
        here = os.open(tmp_path, os.O_RDONLY)
        for _ in range(20):
            os.mkdir(name, dir_fd=here)
            beneath = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = beneath
        os.close(here)

    if is_early:
        deepen()
    with watching(tmp_path) as (watcher, recorder):
        if not is_early:
            deepen()
        eventually(lambda: watcher.state.mode is WatchMode.DEGRADED)
        (top,) = watcher.state.blind
        (tmp_path / top).parent.joinpath("file").touch()
        barrier(tmp_path, recorder)

        assert len(os.fspath(tmp_path / top)) > 4095 > len(os.fspath((tmp_path / top).parent))
        assert "File name too long" in watcher.state.reason
        assert recorder.covers(f"{top.rpartition('/')[0]}/file")
    shutil.rmtree(tmp_path / name)  # by descriptors; not everything that cleans up can do that


def test_a_kernel_without_inotify_is_no_error() -> None:
    """Whatever errno the kernel answers, it becomes words."""
    state = no_descriptor(OSError(errno.ENOSYS, "Function not implemented"))

    assert state.mode is WatchMode.TIMED
    assert "Function not implemented" in state.reason
