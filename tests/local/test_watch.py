"""The watcher's everyday: which hints there are, and which there are not."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from watchdog.events import (
    DirCreatedEvent,
    DirModifiedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileOpenedEvent,
)
from watchdog.observers.polling import PollingObserver

from tcbsync.local.watch import Watcher, WatchMode
from tcbsync.local.watch_native import NativeHandler
from tests.local.watching import Recorder, barrier, eventually, probe, watching

if TYPE_CHECKING:
    from pathlib import Path

    from watchdog.events import FileSystemEvent

    from tcbsync.local.watch import Hint

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


@linux
def test_a_closed_file_is_quiet(tmp_path: Path) -> None:
    """A file that has been written and closed can be looked at at once."""
    with watching(tmp_path) as (_, recorder):
        (tmp_path / "a").write_text("content", encoding="utf-8")

        eventually(lambda: recorder.quiet("a")[-1:] == [True])


@linux
def test_a_file_that_stays_open_is_not_quiet(tmp_path: Path) -> None:
    """As long as the writer holds it, a new file is only known to exist."""
    with watching(tmp_path) as (_, recorder), (tmp_path / "a").open("w"):
        eventually(lambda: recorder.quiet("a") == [False])


@linux
def test_hard_links_and_pipes_are_hinted(tmp_path: Path) -> None:
    """They are created and never closed, so their only hint is not quiet."""
    (tmp_path / "file").touch()

    with watching(tmp_path) as (_, recorder):
        os.link(tmp_path / "file", tmp_path / "hard")
        os.mkfifo(tmp_path / "pipe")
        barrier(tmp_path, recorder)

        assert recorder.quiet("hard") == [False]
        assert recorder.quiet("pipe") == [False]


@linux
def test_rename_and_delete_are_quiet(tmp_path: Path) -> None:
    """Both names of a renamed file are hinted, and so is the name of a deleted one."""
    (tmp_path / "old").touch()
    (tmp_path / "dead").touch()

    with watching(tmp_path) as (_, recorder):
        (tmp_path / "old").rename(tmp_path / "new")
        (tmp_path / "dead").unlink()
        barrier(tmp_path, recorder)

        assert [recorder.quiet(name) for name in ("old", "new", "dead")] == [[True]] * 3


@linux
def test_names_that_are_no_utf8_are_hinted(tmp_path: Path) -> None:
    """The path of a hint leads back to the file, whatever its bytes."""
    with watching(tmp_path) as (_, recorder):
        (tmp_path / "\udcff").mkdir()
        (tmp_path / "\udcff" / "\udcfe").touch()

        eventually(lambda: recorder.covers("\udcff/\udcfe"))
        probe(tmp_path, recorder)


@linux
def test_links_to_directories_are_only_names(tmp_path: Path) -> None:
    """Nothing outside the root is watched through a symbolic link."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "early").symlink_to(outside)

    with watching(root) as (watcher, recorder):
        (root / "late").symlink_to(outside)
        (outside / "file").touch()
        barrier(root, recorder)

        assert recorder.paths() == {"late", "barrier"}
        assert watcher.state.watches == 1


@linux
def test_reading_makes_no_hint(tmp_path: Path) -> None:
    """Our own scans and uploads must not wake us."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_text("content", encoding="utf-8")

    with watching(tmp_path) as (_, recorder):
        (tmp_path / "d" / "file").read_bytes()
        list((tmp_path / "d").iterdir())
        barrier(tmp_path, recorder)

        assert recorder.paths() == {"barrier"}


@linux
def test_only_the_end_of_writing_makes_a_hint(tmp_path: Path) -> None:
    """Single writes and attributes make none: they would be many, just when there is much to do."""
    (tmp_path / "file").touch()

    with watching(tmp_path) as (_, recorder):
        with (tmp_path / "file").open("wb", buffering=0) as file:
            for _ in range(100):
                file.write(b"content")
            (tmp_path / "file").chmod(0o600)
            barrier(tmp_path, recorder)
            before = recorder.quiet("file")
        barrier(tmp_path, recorder, "again")

        assert (before, recorder.quiet("file")) == ([], [True])


@linux
def test_a_file_that_was_deleted_while_open_says_no_more(tmp_path: Path) -> None:
    """Its name may be another file's by now."""
    with watching(tmp_path) as (_, recorder):
        with (tmp_path / "file").open("wb") as file:
            (tmp_path / "file").unlink()
            barrier(tmp_path, recorder)
            recorder.clear()
            file.write(b"content")
        barrier(tmp_path, recorder, "again")

        assert recorder.paths() == {"again"}


@linux
def test_skipped_directories_are_not_watched(tmp_path: Path) -> None:
    """What is ignored costs no watch, whether it was there before or comes later."""
    (tmp_path / "skip-early" / "beneath").mkdir(parents=True)

    with watching(tmp_path, skips=lambda path: "skip" in path) as (watcher, recorder):
        (tmp_path / "skip-late" / "beneath").mkdir(parents=True)
        barrier(tmp_path, recorder)
        (tmp_path / "skip-early" / "file").touch()
        (tmp_path / "skip-late" / "file").touch()
        barrier(tmp_path, recorder, "again")

        assert recorder.paths() == {"skip-late", "barrier", "again"}
        eventually(lambda: watcher.state.watches == 1)


@linux
def test_rearming_follows_new_ignore_rules(tmp_path: Path) -> None:
    """After `rearm`, what is no longer skipped is watched, what is skipped now is not, and the root is hinted."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    skipped = {"a"}

    with watching(tmp_path, skips=skipped.__contains__) as (watcher, recorder):
        skipped.symmetric_difference_update({"a", "b"})
        watcher.rearm()
        eventually(lambda: "" in recorder.paths())
        (tmp_path / "a" / "file").touch()
        (tmp_path / "b" / "file").touch()
        barrier(tmp_path, recorder)

        assert "a/file" in recorder.paths()
        assert "b/file" not in recorder.paths()
        eventually(lambda: watcher.state.watches == 2)


def test_other_systems_use_watchdogs_own_observer(tmp_path: Path) -> None:
    """Each event of watchdog's is a hint for its paths, and the mode says whose eyes these are."""
    recorder = Recorder()
    (tmp_path / "old").write_text("x", encoding="utf-8")
    watcher = Watcher(tmp_path, on_hints=recorder.on_hints, observer=lambda: PollingObserver(timeout=0.05))
    watcher.start()

    (tmp_path / "d").mkdir()
    (tmp_path / "old").rename(tmp_path / "d" / "new")

    eventually(lambda: {"d", "old", "d/new"} <= recorder.paths())
    assert watcher.state.mode is WatchMode.NATIVE
    assert watcher.is_alive()
    watcher.stop()


@pytest.mark.parametrize(("root", "mode"), [("", WatchMode.NATIVE), ("missing", WatchMode.WAITING)])
def test_other_systems_tell_one_state(tmp_path: Path, root: str, mode: WatchMode) -> None:
    """Without a root there is nothing to observe, which is a state and no error; the engine rescans then."""
    recorder = Recorder()
    watcher = Watcher(
        tmp_path / root,
        on_hints=recorder.on_hints,
        on_state=recorder.states.append,
        observer=lambda: PollingObserver(timeout=0.05),
    )

    watcher.start()

    assert [state.mode for state in recorder.states] == [mode]
    assert watcher.state.mode is mode
    watcher.stop()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (FileCreatedEvent("/root/a"), [("a", False)]),
        (FileClosedEvent("/root/a/b"), [("a/b", True)]),
        (FileMovedEvent("/root/a", "/root/..b"), [("a", True), ("..b", True)]),
        (DirMovedEvent("/root/a", "/outside/a"), [("a", True), ("", True)]),
        (FileModifiedEvent("/private/root/a"), [("", False)]),
        (DirCreatedEvent("/root"), [("", False)]),
        (DirModifiedEvent("/root/a"), []),
        (FileOpenedEvent("/root/a"), []),
    ],
)
def test_an_event_of_watchdogs_is_hints_for_its_paths(event: FileSystemEvent, expected: list[tuple[str, bool]]) -> None:
    """A path that is not beneath the root as it was named stands for the whole root."""
    hints: list[Hint] = []

    NativeHandler("/root", hints.extend).dispatch(event)

    assert hints == expected
