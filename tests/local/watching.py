"""What the tests of the watcher share: a recorder of hints, waiting with a deadline, and a disk that plays tricks."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.inotify import Inotify
from tcbsync.local.watch import Hint, Watcher, WatchState, WatchTiming
from tcbsync.local.watches import Watches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

QUICK = WatchTiming(root_poll=0.1, limbo=0.2, rewalk=0.1, retry=0.2, pulse=0.1)
AS_USER_OF_ITS_OWN = ["unshare", "--user", "--map-root-user"]  # with watch limits of its own, too
POWERLESS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else ["env"]
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.005)


class Recorder:
    """Takes hints and states from the watcher's thread and keeps them for the test's."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.hints: list[Hint] = []
        self.states: list[WatchState] = []
        self.batches = 0

    def on_hints(self, hints: Sequence[Hint]) -> None:
        with self.lock:
            self.hints.extend(hints)
            self.batches += 1

    def clear(self) -> None:
        with self.lock:
            self.hints.clear()

    def paths(self) -> set[str]:
        with self.lock:
            return {hint.path for hint in self.hints}

    def quiet(self, path: str) -> list[bool]:
        """Return the `is_quiet` of each hint for exactly this path, in order."""
        with self.lock:
            return [hint.is_quiet for hint in self.hints if hint.path == path]

    def covers(self, path: str) -> bool:
        """Whether the path or a directory above it has been hinted."""
        return not self.lacks([path])

    def lacks(self, paths: Collection[str]) -> list[str]:
        """Return those of `paths` for which neither they nor a directory above them has been hinted."""
        hinted = self.paths()
        return [path for path in paths if hinted.isdisjoint(("", path, *map(str, Path(path).parents)))]


@contextlib.contextmanager
def watching(
    root: Path,
    *,
    skips: Callable[[str], bool] = lambda _path: False,
    timing: WatchTiming = QUICK,
) -> Iterator[tuple[Watcher, Recorder]]:
    """Watch the root for the length of the block, and leave no thread behind."""
    recorder = Recorder()
    watcher = Watcher(root, on_hints=recorder.on_hints, on_state=recorder.states.append, skips=skips, timing=timing)
    watcher.start()
    try:
        yield watcher, recorder
        assert watcher.is_alive()
    finally:
        watcher.stop()


@contextlib.contextmanager
def armed(
    root: Path, *, skips: Callable[[str], bool] = lambda _path: False, limbo_seconds: float = 60.0
) -> Iterator[Watches]:
    """Arm the watches alone, without a thread: what is read, and when, is the test's."""
    watches = Watches(str(root), skips=skips, keeps_running=lambda: True, limbo_seconds=limbo_seconds)
    watches.arm("")
    yield watches
    watches.close()


def read_all(watches: Watches) -> dict[str, bool]:
    """Read until there is nothing more to read."""
    hints: dict[str, bool] = {}
    while batch := watches.read():
        hints |= batch
    return hints


def numbers(watches: Watches) -> dict[str, int]:
    """Return the watch number of each directory that has a path."""
    assert watches.tree.root is not None
    nodes = watches.tree.beneath(watches.tree.root)
    return {path: node.number for node in nodes if (path := watches.tree.path(node)) is not None}


def read_events_singly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each read give one event, so that what is known lags behind the disk as far as it ever can."""
    really_read = Inotify._read
    waiting: defaultdict[Inotify, deque[bytes]] = defaultdict(deque)

    def read(descriptor: Inotify) -> bytes:
        events = waiting[descriptor]
        data = b"" if events else really_read(descriptor)
        while data:
            size = 16 + int.from_bytes(data[12:16], sys.byteorder)
            events.append(data[:size])
            data = data[size:]
        return events.popleft() if events else b""

    monkeypatch.setattr(Inotify, "_read", read)
    monkeypatch.setattr(Inotify, "has_hoard", property(lambda self: bool(self._hoard or waiting[self])))


def open_descriptors() -> int:
    """Count this process's open files."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def barrier(root: Path, recorder: Recorder, name: str = "barrier") -> None:
    """Return when everything that has happened until now has been hinted: events keep their order.

    The file's last event is waited for, so that none of it is left to come after the recorder is cleared.
    """
    (root / name).write_text("", encoding="utf-8")
    eventually(lambda: recorder.quiet(name)[-1:] == [True])


def directories(root: Path) -> list[str]:
    """Return every directory beneath the root, relative to it."""
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir() and not path.is_symlink()]


def probe(root: Path, recorder: Recorder) -> None:
    """Write a file in each directory and wait until exactly these paths have been hinted."""
    barrier(root, recorder, "before-probing")
    recorder.clear()
    expected = {f"{directory}/probe" for directory in directories(root)}
    for path in expected:
        (root / path).write_text("probe", encoding="utf-8")
    barrier(root, recorder, "after-probing")

    surplus = recorder.paths() - {"after-probing", "before-probing", ""}
    assert surplus == expected, (sorted(expected - surplus)[:5], sorted(surplus - expected)[:5])


def overflow(directory: Path) -> None:
    """Make more events than the kernel keeps for one descriptor: two for each rename."""
    here, there = directory / "here", directory / "there"
    here.touch()
    for _ in range(int(QUEUE.read_text(encoding="ascii")) // 4 + 100):
        here.rename(there)
        there.rename(here)


def exchange(one: Path, other: Path) -> None:
    """Let two paths change places at once; raise OSError where that is not possible."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        pytest.skip("no renameat2 here")
    at_fdcwd, rename_exchange = -100, 2
    if renameat2(at_fdcwd, os.fsencode(one), at_fdcwd, os.fsencode(other), rename_exchange):
        raise OSError(ctypes.get_errno(), "renameat2")


def mount(*arguments: object) -> None:
    """Mount a new tmpfs on a directory, or what the arguments say; skip the test where that is not allowed."""
    options = ["-t", "tmpfs", "none"] if len(arguments) == 1 else []
    command = ["mount", *options, *map(str, arguments)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount")


def umount(path: Path) -> None:
    """Take a file system away that nobody uses."""
    subprocess.run(["umount", str(path)], check=True)


@contextlib.contextmanager
def mounted(*arguments: object) -> Iterator[None]:
    """Mount for the length of the block; what is mounted there at its end goes, in use or not."""
    mount(*arguments)
    try:
        yield
    finally:
        while not subprocess.run(["umount", "-l", str(arguments[-1])], capture_output=True, check=False).returncode:
            pass


def run_child(script: str, *arguments: object, before: Sequence[str] = ("env",)) -> None:
    """Run a script in a process with other rights or limits; skip where that cannot be had."""
    if (
        shutil.which(before[0]) is None
        or subprocess.run([*before, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip(f"cannot run {before[0]}")
    prelude = "import sys\nfrom pathlib import Path\nfrom tests.local.watching import *\nroot = Path(sys.argv[1])\n"
    command = [*before, sys.executable, "-W", "error", "-c", prelude + script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert (result.returncode, result.stderr) == (0, "")
