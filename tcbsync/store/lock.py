"""Keeps a second process out of the state directory. The kernel holds the lock and lets go of it with the process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateError, StateLocked
from tcbsync.store.shelf import sync_file

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "lock"
MANIFEST_NAMES = ("manifest.db", "manifest.db-wal", "manifest.db-shm")
TRIES = 25


class StateLock:
    """An exclusive lock on a state directory, taken at once or not at all."""

    def __init__(self, state_dir: Path, what: str) -> None:
        """Create the directory (mode 0700) where it is missing, and lock it in the name of `what`.

        Raises StateLocked with the name of the process that holds it, StateError where the directory is unusable.
        """
        try:
            _make(state_dir)
            self._descriptor = os.open(state_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            is_ours = self._take()
        except OSError as error:
            raise StateError(
                f"the state directory {state_dir} cannot be used: {error.strerror}",
                hint="state_dir in the configuration must be a directory that tcbsync may write",
            ) from error
        if not is_ours:
            os.close(self._descriptor)
            raise StateLocked(
                f"the state directory {state_dir} is in use by {holder(state_dir) or 'another process'}",
                hint="one process at a time: stop that one first, or let it do the work",
            )
        _close_to_others(state_dir)
        with contextlib.suppress(OSError):  # the name is a courtesy: a full disk must not keep us out
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"tcbsync {what} (process {os.getpid()})".encode())

    def _take(self) -> bool:
        for _ in range(TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)  # `holder` has it for a moment each time that somebody asks for the status
            else:
                return True
        return False

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._descriptor)


def _close_to_others(state_dir: Path) -> None:
    """Take from others what an earlier version left open to them; SQLite gives new files the mode of the first."""
    for name in (FILE_NAME, *MANIFEST_NAMES):
        path = state_dir / name
        with contextlib.suppress(OSError):  # by name: whoever closes a manifest that is open gives SQLite's locks away
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                path.chmod(0o600)


def holder(state_dir: Path) -> str | None:
    """Name the process that holds the directory now, or None where none does. Takes nothing."""
    try:
        descriptor = os.open(state_dir / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(descriptor, 200).decode(errors="replace") or "another process"
    finally:
        os.close(descriptor)
    return None


def _make(directory: Path) -> None:
    """Make a directory where it is missing, so that a power cut takes neither it nor what is durable in it away."""
    missing = [each for each in directory.parents if not each.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (directory, *missing):
        with contextlib.suppress(OSError):  # one that may not be read was made by somebody else, long ago
            sync_file(each.parent)
