"""What the tests of the watcher share: a recorder of hints, and waiting for a condition with a deadline."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.local.watch import Hint, Watcher, WatchState, WatchTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

QUICK = WatchTiming(root_poll=0.1, limbo=0.2, rewalk=0.1, retry=0.2, pulse=0.1)


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
        hinted = self.paths()
        return path in hinted or any(
            str(above) in hinted or (str(above) == "." and "" in hinted) for above in Path(path).parents
        )


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


def barrier(root: Path, recorder: Recorder, name: str = "barrier") -> None:
    """Return when everything that has happened until now has been hinted: events keep their order."""
    (root / name).write_text("", encoding="utf-8")
    eventually(lambda: name in recorder.paths())


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
