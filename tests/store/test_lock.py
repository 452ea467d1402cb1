"""One process at a time: the kernel holds the lock, says who has it, and lets go of it with the process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError, StateLocked
from tcbsync.store.lock import StateLock, holder

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys
import time
from pathlib import Path
from tcbsync.store.lock import StateLock
lock = StateLock(Path(sys.argv[1]), "run")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the directory for the length of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_kept_out_and_told_who_is_in(tmp_path: Path) -> None:
    """By its verb and its number, so that a person can find it."""
    with holding(tmp_path) as process:
        with pytest.raises(StateLocked) as caught:
            StateLock(tmp_path, "sync")

        assert f"{tmp_path} is in use by tcbsync run (process {process.pid})" in str(caught.value)
        assert "one process at a time" in caught.value.hint
        assert holder(tmp_path) == f"tcbsync run (process {process.pid})"


def test_the_lock_goes_with_the_process(tmp_path: Path) -> None:
    """Killed without a chance to clean up, it leaves nothing that keeps the next one out."""
    with holding(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert holder(tmp_path) is None
    StateLock(tmp_path, "run").close()


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    """A command that asks for a token and hangs does not keep the directory locked."""
    lock = StateLock(tmp_path, "run")
    with subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        lock.close()

        assert holder(tmp_path) is None
        child.kill()


def test_the_same_process_is_kept_out_too(tmp_path: Path) -> None:
    """Until the first one lets go; what was refused holds nothing open."""
    lock = StateLock(tmp_path, "run")
    before = len(list(Path("/proc/self/fd").iterdir()))

    with pytest.raises(StateLocked):
        StateLock(tmp_path, "sync")

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    lock.close()
    StateLock(tmp_path, "sync").close()


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds the names of all files."""
    state = tmp_path / "a" / "b"

    StateLock(state, "run").close()

    assert state.stat().st_mode & 0o777 == 0o700


def test_the_name_of_an_earlier_holder_does_not_shine_through(tmp_path: Path) -> None:
    """A shorter name replaces a longer one whole."""
    StateLock(tmp_path, "something with a long name").close()

    lock = StateLock(tmp_path, "run")

    assert holder(tmp_path) == f"tcbsync run (process {os.getpid()})"
    lock.close()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    """Asking makes nothing."""
    assert holder(tmp_path / "missing") is None
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_asking_who_holds_it_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment in which somebody else asked for the status is waited for."""
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda _seconds: fcntl.flock(asking, fcntl.LOCK_UN))

        lock = StateLock(tmp_path, "run")

    assert holder(tmp_path) == f"tcbsync run (process {os.getpid()})"
    lock.close()


def test_a_holder_without_a_name_is_still_a_holder(tmp_path: Path) -> None:
    """The disk may have been full when it wanted to write its name."""
    lock = StateLock(tmp_path, "run")
    os.truncate(tmp_path / "lock", 0)

    assert holder(tmp_path) == "another process"
    with pytest.raises(StateLocked, match="in use by another process"):
        StateLock(tmp_path, "sync")
    lock.close()


def test_a_name_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk does not keep the only process out."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        lock = StateLock(tmp_path, "run")

    assert holder(tmp_path) == "another process"
    lock.close()


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    """A file where the directory should be is named, with what to change."""
    (tmp_path / "state").touch()

    with pytest.raises(StateError) as caught:
        StateLock(tmp_path / "state", "run")

    assert not isinstance(caught.value, StateLocked)
    assert f"{tmp_path / 'state'} cannot be used" in str(caught.value)
    assert "state_dir" in caught.value.hint


def test_a_file_system_without_locks_is_not_a_second_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the file system's own."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)

    with pytest.raises(StateError, match="No locks available") as caught:
        StateLock(tmp_path, "run")

    assert not isinstance(caught.value, StateLocked)


def test_a_new_directory_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory above each one that was made is synced: else it could be gone, with all that is durable in it."""
    synced = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)

    StateLock(tmp_path / "new" / "state", "run").close()

    assert {tmp_path, tmp_path / "new"} <= set(synced)
