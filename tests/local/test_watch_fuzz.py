"""Two writers at random, then quiet, then a probe in every directory: nothing is lost, and nothing has a wrong path."""

from __future__ import annotations

import random
import shutil
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.inotify import QUEUE_OVERFLOW, Inotify
from tests.local.watching import QUICK, barrier, directories, eventually, exchange, read_events_singly, watching

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.local.watch import Watcher
    from tests.local.watching import Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")

OVERFLOW = struct.pack("iIII", -1, QUEUE_OVERFLOW, 0, 0)
WRITERS = 2
FEW_STEPS, MANY_STEPS = 400, 10_000
NO_REWALK = replace(QUICK, rewalk=3600.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root that has an outside on the same file system."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


def scramble(root: Path, seed: int, steps: int) -> None:
    """Let the writers work at the same time, each by a seed of its own."""
    writers = [
        threading.Thread(target=work, args=(root, random.Random(f"{seed}/{number}"), steps))
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


def work(root: Path, chance: random.Random, steps: int) -> None:
    """Make, fill, move and remove directories; the names are few, so that they collide."""
    for _ in range(steps):
        path = root.joinpath(*chance.choices("abc", k=chance.randint(1, 4)))
        other = root.joinpath(*chance.choices("abc", k=chance.randint(1, 4)))
        away = root.with_name("outside") / chance.choice("xyz")
        with suppress(OSError):  # what one writer wants to move, the other has removed
            match chance.randrange(10):
                case 0 | 1 | 2:
                    path.mkdir(parents=True)
                case 3:
                    path.rename(other)
                case 4:
                    path.rename(away)
                case 5:
                    away.rename(path)
                case 6:
                    exchange(path, other)
                case 7:
                    path.rmdir()
                case 8:
                    shutil.rmtree(chance.choice([path, away]))
                case _:
                    (path / "file").touch()


def expect_nothing_lost(root: Path, watcher: Watcher, recorder: Recorder) -> None:
    """Write a probe into each directory: it is hinted, or something above it, and nothing else is."""
    barrier(root, recorder, "quiet")
    recorder.clear()
    probes = [f"{directory}/probe" for directory in directories(root)]

    for path in probes:
        (root / path).touch()
    barrier(root, recorder, "probed")

    eventually(lambda: not recorder.lacks(probes), 60)
    assert recorder.paths() - {*probes, "quiet", "probed", "still-there", ""} == set()
    eventually(lambda: watcher.state.watches == len(directories(root)) + 1)


def is_heard(root: Path, recorder: Recorder) -> bool:
    """Write a file, and say whether one such was hinted: after an overflow, the first ones may be lost."""
    (root / "still-there").write_bytes(b"")
    return "still-there" in recorder.paths()


def is_settled(watcher: Watcher) -> bool:
    """Whether no walk of the whole tree is owed."""
    emitter = watcher._emitter
    return emitter is not None and emitter._watches is not None and not emitter._watches.needs_rewalk


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("reads", ["whole", "single"])
def test_after_random_work_every_directory_is_watched(
    root: Path, monkeypatch: pytest.MonkeyPatch, seed: int, reads: str
) -> None:
    """Whether events are read as they come or one by one, long after the disk has moved on; and with no rewalk."""
    if reads == "single":
        read_events_singly(monkeypatch)

    with watching(root, timing=NO_REWALK) as (watcher, recorder):
        scramble(root, seed, FEW_STEPS)

        expect_nothing_lost(root, watcher, recorder)
        assert watcher.state.overflows == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("reads", ["whole", "single"])
def test_after_long_random_work_every_directory_is_watched(
    root: Path, monkeypatch: pytest.MonkeyPatch, seed: int, reads: str
) -> None:
    """The same for longer, whether or not it overflows the kernel's queue."""
    if reads == "single":
        read_events_singly(monkeypatch)

    with watching(root) as (watcher, recorder):
        scramble(root, seed, MANY_STEPS)
        eventually(lambda: is_heard(root, recorder), 60)
        eventually(lambda: is_settled(watcher))

        expect_nothing_lost(root, watcher, recorder)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_after_lost_events_every_directory_is_watched(root: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The same, while every fifth read of the descriptor is lost and only an overflow is reported."""
    losses = random.Random(seed)
    is_lossy = threading.Event()
    really_read = Inotify._read

    def read(descriptor: Inotify) -> bytes:
        data = really_read(descriptor)
        return OVERFLOW if data and is_lossy.is_set() and losses.random() < 0.2 else data

    monkeypatch.setattr(Inotify, "_read", read)
    with watching(root) as (watcher, recorder):
        is_lossy.set()
        scramble(root, seed, MANY_STEPS)
        eventually(lambda: watcher.state.overflows)
        is_lossy.clear()
        recorder.clear()
        watcher.rearm()
        eventually(lambda: "" in recorder.paths())

        expect_nothing_lost(root, watcher, recorder)
