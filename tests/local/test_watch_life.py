"""The watcher's life: starting, stopping, and surviving what others do wrong."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from watchdog.observers.api import BaseObserver

from tcbsync.local.watch import Hint, Watcher, WatchMode, WatchState
from tests.local.watching import QUICK, Recorder, eventually, open_descriptors, probe, run_child, watching

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


def test_hints_that_are_refused_are_made_good(tmp_path: Path) -> None:
    """A handler that raises ends nothing, and the root is hinted as soon as it takes hints again."""
    recorder, refused = Recorder(), threading.Event()

    def on_hints(hints: Sequence[Hint]) -> None:
        if not refused.is_set():
            refused.set()
            raise RuntimeError("not now")
        recorder.on_hints(hints)

    watcher = Watcher(tmp_path, on_hints=on_hints, timing=QUICK)
    watcher.start()
    (tmp_path / "a").touch()

    eventually(lambda: "" in recorder.paths())
    assert watcher.is_alive()
    watcher.stop()


def test_a_state_that_is_refused_is_told_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The engine must know where it is to rescan; the trouble is logged once, however often it is tried."""
    told: list[WatchState] = []

    def on_state(state: WatchState) -> None:
        told.append(state)
        if len(told) < 4:
            raise RuntimeError("not now")

    watcher = Watcher(tmp_path, on_hints=lambda _hints: None, on_state=on_state, timing=QUICK)
    watcher.start()

    eventually(lambda: len(told) == 4)
    heartbeat = watcher.state.heartbeat
    eventually(lambda: watcher.state.heartbeat > heartbeat + 2 * QUICK.pulse)
    watcher.stop()
    assert [state.mode for state in told] == [WatchMode.INOTIFY] * 4
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


@pytest.mark.slow
def test_it_pulses_in_time_whatever_happens_between(tmp_path: Path) -> None:
    """An event just before a pulse puts it off by nothing: the watchdog's patience is but a little longer."""
    with watching(tmp_path, timing=replace(QUICK, root_poll=1.0, pulse=1.0, limbo=9.0)) as (watcher, _):
        for number in range(3):
            before = watcher.state.heartbeat
            while watcher.state.heartbeat == before:
                time.sleep(0.005)
            time.sleep(0.9)
            (tmp_path / f"{number}").touch()
            time.sleep(0.8)

            assert time.monotonic() - watcher.state.heartbeat < 1.3


def test_rules_that_raise_are_reported_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in `skips` shows in the state, and once in the log and as a hint; when it is gone all is watched."""
    (tmp_path / "d").mkdir()
    asked = []
    is_broken = threading.Event()
    is_broken.set()

    def skips(path: str) -> bool:
        asked.append(path)
        if is_broken.is_set():
            raise ValueError("a bad rule")
        return False

    with watching(tmp_path, skips=skips) as (watcher, recorder):
        assert watcher.state.mode is WatchMode.TIMED
        assert "a bad rule" in watcher.state.reason
        eventually(lambda: len(asked) > 3)
        assert recorder.quiet("") == [False]
        is_broken.clear()

        eventually(lambda: watcher.state.mode is WatchMode.INOTIFY)
        assert [record.exc_info is not None for record in caplog.records] == [True]
        probe(tmp_path, recorder)


@pytest.mark.parametrize("who", ["handler", "walk"])
def test_the_heartbeat_stops_with_whoever_hangs(tmp_path: Path, who: str) -> None:
    """The heartbeat goes through both threads: that one hangs is seen, though each thread is alive."""
    release = threading.Event()

    def hang(_hints: Sequence[Hint]) -> None:
        release.wait(20)

    def skips(_path: str) -> bool:
        return who == "walk" and release.wait(20) and False

    watcher = Watcher(tmp_path, on_hints=hang if who == "handler" else lambda _hints: None, skips=skips, timing=QUICK)
    watcher.start()
    first = watcher.state.heartbeat
    eventually(lambda: watcher.state.heartbeat > first)

    (tmp_path / "a").mkdir()
    eventually(lambda: time.monotonic() - watcher.state.heartbeat > 5 * QUICK.pulse)
    assert watcher.is_alive()
    release.set()

    stopped = watcher.state.heartbeat
    eventually(lambda: watcher.state.heartbeat > stopped)
    watcher.stop()


def test_the_heartbeat_goes_on_during_a_long_walk(tmp_path: Path) -> None:
    """A large tree on a slow disk is no reason to end the process; the state is the one from before the walk."""
    for number in range(8):
        (tmp_path / str(number)).mkdir()
    asked: list[float] = []

    def skips(_path: str) -> bool:
        asked.append(watcher.state.heartbeat)
        time.sleep(QUICK.pulse if len(asked) > 8 else 0)
        return False

    recorder = Recorder()
    watcher = Watcher(tmp_path, on_hints=recorder.on_hints, on_state=recorder.states.append, skips=skips, timing=QUICK)
    watcher.start()
    watcher.rearm()
    eventually(lambda: "" in recorder.paths())
    watcher.stop()

    assert len(set(asked[8:])) > 3
    assert [state.mode for state in recorder.states] == [WatchMode.INOTIFY]


@pytest.mark.parametrize("times", [3, pytest.param(1000, marks=pytest.mark.slow)])
def test_stopping_leaves_nothing_behind(tmp_path: Path, times: int) -> None:
    """No thread and no descriptor is left, and the same watcher can start again."""
    recorder = Recorder()
    watcher = Watcher(tmp_path, on_hints=recorder.on_hints, timing=QUICK)
    gc.collect()
    threads, descriptors = set(threading.enumerate()), open_descriptors()

    for number in range(times):
        watcher.start()
        (tmp_path / str(number)).touch()
        eventually(partial(recorder.covers, str(number)))
        watcher.stop()
        watcher.stop()
        recorder.clear()

    assert set(threading.enumerate()) <= threads  # one of another test may have ended
    assert open_descriptors() == descriptors
    assert not watcher.is_alive()


@pytest.mark.parametrize("started", [0, 1], ids=["no thread", "one thread of two"])
def test_a_start_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: int
) -> None:
    """At the limit of threads the error is the caller's, and what had been started is ended."""
    watcher = Watcher(tmp_path, on_hints=lambda _hints: None, timing=QUICK)
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    really_start = threading.Thread.start
    starts: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        starts.append(thread)
        if len(starts) > started:
            raise RuntimeError("can't start new thread")
        really_start(thread)

    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start"):
            watcher.start()

    assert set(threading.enumerate()) <= threads
    assert open_descriptors() == descriptors
    watcher.start()
    assert watcher.is_alive()
    watcher.stop()


def test_starting_twice_is_a_mistake(tmp_path: Path) -> None:
    """It is said, and the first start goes on."""
    with watching(tmp_path) as (watcher, recorder):
        with pytest.raises(RuntimeError, match="already"):
            watcher.start()

        probe(tmp_path, recorder)


def test_stopping_waits_for_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has stopped the watcher is called by nobody any more, however slowly a thread ends."""
    really_run = BaseObserver.run

    def run(observer: BaseObserver) -> None:
        really_run(observer)
        time.sleep(0.2)

    monkeypatch.setattr(BaseObserver, "run", run)
    threads = set(threading.enumerate())

    with watching(tmp_path):
        pass

    assert set(threading.enumerate()) <= threads  # one of another test may have ended


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
    (tmp_path / "root").mkdir()

    run_child(
        """
import shutil
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
""",
        tmp_path / "root",
    )
