"""Reads a file as one state, with the MD5 of it. Opens nothing that a symbolic link leads to, and writes nothing.

A file stood still if its fingerprint is the same before and after it was read. That proves nothing while the file's
times are as young as the clock of its file system is coarse (a second write may leave them unchanged), so such a file
is told to wait: see `unsettled_seconds`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Self

from tcbsync.core.errors import FileChanged, FileUnreadable, FileVanished
from tcbsync.core.model import Fingerprint, Found
from tcbsync.local.scan import GONE, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

CHUNK = 1024 * 1024
"""Bytes in one read of a large file."""

FINE_TICK_NS = 20_000_000
"""Linux before 6.13 stamps with the kernel's tick, 10 ms at the most; twice that is safe."""
COARSE_TICK_NS = 2_000_000_000
"""FAT stamps every 2 s, some network file systems every second: stamps without a fraction look like that."""


DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class OpenFile:
    """A regular file below a root, open for reading. Blocks; use it in a worker thread.

    `read` gives the next bytes and `finish` the proof that all of them were one state.
    """

    def __init__(self, root: Path, path: str, local: str) -> None:
        """Open it without following links. Raises FileVanished, FileUnreadable."""
        self._root = root
        self._path = path
        self._local = local
        self._count = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        try:
            self._descriptor = _open_beneath(root, local)
        except GONE as error:
            raise FileVanished(f"{path} is gone") from error
        except OSError as error:
            raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
        self.fingerprint = Fingerprint._make(fingerprint_of(os.fstat(self._descriptor)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; more than once is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def read(self, size: int = CHUNK) -> bytes:
        """Read at most `size` bytes on; empty at the end. Raises FileUnreadable."""
        try:
            data = os.read(self._descriptor, size)
        except OSError as error:
            raise FileUnreadable(f"{self._path} cannot be read: {error.strerror}") from error
        self._md5.update(data)
        self._count += len(data)
        return data

    def rewind(self) -> None:
        """Start again from the first byte."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._count = 0
        self._md5 = hashlib.md5(usedforsecurity=False)

    def finish(self) -> Found:
        """Give the file as it was while all of it was read. Raises FileChanged, FileVanished, FileUnreadable.

        FileChanged also where fewer bytes were read, or more, than the file has.
        """
        try:
            with _directory_of(self._root, self._local) as (at, name):
                by_name = fingerprint_of(os.stat(name, dir_fd=at, follow_symlinks=False))
        except GONE as error:
            raise FileVanished(f"{self._path} went away while it was read") from error
        except OSError as error:
            raise FileUnreadable(f"{self._path} cannot be looked at: {error.strerror}") from error
        is_same = self.fingerprint == fingerprint_of(os.fstat(self._descriptor)) == by_name
        if not is_same or self._count != self.fingerprint.size:
            raise FileChanged(f"{self._path} changed while it was read", hint="it is sent once it is quiet")
        return Found(self._path, self.fingerprint, self._local, self._md5.digest())


def unsettled_seconds(fingerprint: Fingerprint, now_ns: int) -> float:
    """How long to wait until a change of the file is sure to change its fingerprint; 0 where that is so already.

    `now_ns` is the wall clock.
    """
    # Whoever sets the mtime back, as rsync and tar do, cannot set the ctime.
    return max(_unsettled_ns(fingerprint.mtime_ns, now_ns), _unsettled_ns(fingerprint.ctime_ns, now_ns)) / 1e9


def _unsettled_ns(stamp_ns: int, now_ns: int) -> int:
    tick = FINE_TICK_NS if stamp_ns % 1_000_000_000 else COARSE_TICK_NS
    wait = stamp_ns + tick - now_ns
    return wait if 0 < wait <= tick else 0


@contextlib.contextmanager
def _directory_of(root: Path, local: str) -> Iterator[tuple[int, str]]:
    """Open the directory that `local` is in, part by part and none of them a link: one may be swapped in at any time.

    Gives it with the name of `local` in it.
    """
    *directories, name = local.split("/")
    at = os.open(root, DIRECTORY)
    try:
        for directory in directories:
            below = os.open(directory, DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        yield at, name
    finally:
        os.close(at)


def _open_beneath(root: Path, local: str) -> int:
    with _directory_of(root, local) as (at, name):
        # O_NONBLOCK: a FIFO that was swapped in must not stop us.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(22, "not a regular file")
    return descriptor
