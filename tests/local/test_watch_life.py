"""The watcher's life: starting, stopping, and surviving what others do wrong."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.watch import Hint, Watcher, WatchMode, WatchState
from tests.local.watching import QUICK, Recorder, eventually, probe, watching

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


def open_descriptors() -> int:
    """Count this process's open files."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_hints_that_are_refused_are_made_good(tmp_path: Path) -> None:
    """A handler that raises ends nothing, and the root is hinted as soon as it takes hints again."""
    recorder, refused = Recorder(), threading.Event()

    def on_hints(hints: Sequence[Hint]) -> None:
        if not refused.is_set():
            refused.set()
            raise RuntimeError("not now")
        recorder.on_hints(hints)

    def on_state(_state: WatchState) -> None:
        raise RuntimeError("never")

    watcher = Watcher(tmp_path, on_hints=on_hints, on_state=on_state, timing=QUICK)
    watcher.start()
    (tmp_path / "a").touch()

    eventually(lambda: "" in recorder.paths())
    assert watcher.is_alive()
    watcher.stop()


def test_rules_that_raise_are_reported_and_survived(tmp_path: Path) -> None:
    """A mistake in `skips` shows in the state, and when it is gone all is watched."""
    (tmp_path / "d").mkdir()
    is_broken = threading.Event()
    is_broken.set()

    def skips(_path: str) -> bool:
        if is_broken.is_set():
            raise ValueError("a bad rule")
        return False

    with watching(tmp_path, skips=skips) as (watcher, recorder):
        assert watcher.state.mode is WatchMode.TIMED
        assert "a bad rule" in watcher.state.reason
        is_broken.clear()

        eventually(lambda: watcher.state.mode is WatchMode.INOTIFY)
        probe(tmp_path, recorder)


def test_the_heartbeat_stops_with_the_handler(tmp_path: Path) -> None:
    """The heartbeat goes through both threads: a handler that hangs is seen, though each thread is alive."""
    release = threading.Event()

    def hang(_hints: Sequence[Hint]) -> None:
        release.wait(20)

    watcher = Watcher(tmp_path, on_hints=hang, timing=QUICK)
    watcher.start()
    first = watcher.state.heartbeat
    eventually(lambda: watcher.state.heartbeat > first)

    (tmp_path / "a").touch()
    eventually(lambda: time.monotonic() - watcher.state.heartbeat > 5 * QUICK.pulse)
    release.set()

    eventually(lambda: time.monotonic() - watcher.state.heartbeat < 3 * QUICK.pulse)
    watcher.stop()


def test_stopping_leaves_nothing_behind(tmp_path: Path) -> None:
    """No thread and no descriptor is left, and the same watcher can start again."""
    recorder = Recorder()
    watcher = Watcher(tmp_path, on_hints=recorder.on_hints, timing=QUICK)
    gc.collect()
    threads, descriptors = threading.active_count(), open_descriptors()

    for name in ("a", "b"):
        watcher.start()
        (tmp_path / name).touch()
        eventually(partial(recorder.covers, name))
        watcher.stop()
        watcher.stop()

    assert threading.active_count() == threads
    assert open_descriptors() == descriptors
    assert not watcher.is_alive()


def test_stopping_from_the_handler_works(tmp_path: Path) -> None:
    """The thread that delivers hints may be the one that stops."""
    stopped = threading.Event()

    def on_hints(_hints: Sequence[Hint]) -> None:
        watcher.stop()
        stopped.set()

    watcher = Watcher(tmp_path, on_hints=on_hints, timing=QUICK)
    watcher.start()
    (tmp_path / "a").touch()

    assert stopped.wait(10)
    assert not watcher.is_alive()


def test_stopping_interrupts_the_start(tmp_path: Path) -> None:
    """A start that takes long is cut short, and leaves nothing that runs."""
    for number in range(50):
        (tmp_path / str(number)).mkdir()
    walking = threading.Event()

    def skips(_path: str) -> bool:
        walking.set()
        time.sleep(0.05)
        return False

    watcher = Watcher(tmp_path, on_hints=lambda _hints: None, skips=skips, timing=QUICK)
    starter = threading.Thread(target=watcher.start)
    starter.start()
    assert walking.wait(10)

    began = time.monotonic()
    watcher.stop()
    starter.join()

    assert time.monotonic() - began < 1
    assert not watcher.is_alive()


@pytest.mark.slow
def test_warnings_as_errors_kill_nothing(tmp_path: Path) -> None:
    """With -W error, quick directory work and a lost root end no thread and write nothing to stderr."""
    script = """
import shutil, sys
from pathlib import Path
from tests.local.watching import barrier, eventually, watching
root = Path(sys.argv[1]) / "root"
root.mkdir()
with watching(root) as (watcher, recorder):
    for number in range(100):
        (root / f"d{number}" / "x").mkdir(parents=True)
        shutil.rmtree(root / f"d{number}")
    barrier(root, recorder)
    shutil.rmtree(root)
    eventually(lambda: watcher.state.mode.value == "waiting")
    root.mkdir()
    eventually(lambda: watcher.state.mode.value == "inotify")
    barrier(root, recorder, "after")
"""
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]

    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])

    assert (result.returncode, result.stderr) == (0, "")
