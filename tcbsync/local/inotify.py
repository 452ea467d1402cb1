"""One inotify descriptor: watches by path, events by the read. Knows no tree and decides nothing.

Rule: every error of the kernel comes out as OSError with its errno, because the caller must tell "no more
watches" (ENOSPC) from "not allowed" (EACCES) from "already gone" (ENOENT).

Why ctypes, and not inotify_simple or asyncinotify: both are kept, but both start `ldconfig` or `gcc` to find libc,
which a hardened service may not do, and both make objects of each event, for what is three calls here.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# <linux/inotify.h>
CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
MOVE_SELF = 0x00000800
UNMOUNT = 0x00002000
QUEUE_OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLYDIR = 0x01000000
DONT_FOLLOW = 0x02000000
EXCL_UNLINK = 0x04000000
ISDIR = 0x40000000

READ_BYTES = 256 * 1024
HOARD_BYTES = 64 * 1024 * 1024

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name with its padding


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    result = int(getattr(_libc(), name)(*arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Inotify:
    """A descriptor of our own; closing it gives all its watches back at once. For one thread."""

    def __init__(self) -> None:
        """Raise OSError EMFILE at the limit of instances (fs.inotify.max_user_instances) or of open files."""
        self._descriptor = _call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)
        self._hoard: deque[bytes] = deque()
        self._hoarded_bytes = 0

    def fileno(self) -> int:
        """Return the descriptor, for poll."""
        return self._descriptor

    def watch(self, path: str, mask: int) -> int:
        """Watch the inode at `path` and return its watch number: the same one if it is watched already."""
        return _call("inotify_add_watch", self._descriptor, os.fsencode(path), ctypes.c_uint32(mask))

    def unwatch(self, number: int) -> None:
        """Give one watch back; one that the kernel has dropped itself is no error. Queues an IGNORED event."""
        try:
            _call("inotify_rm_watch", self._descriptor, number)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def hoard(self) -> None:
        """Move what the kernel has queued into memory, to keep its queue from overflowing during long work."""
        while self._hoarded_bytes < HOARD_BYTES and (data := self._read()):
            self._hoard.append(data)
            self._hoarded_bytes += len(data)

    @property
    def has_hoard(self) -> bool:
        """Whether `read` has something that poll does not know of."""
        return bool(self._hoard)

    def read(self) -> bytes:
        """Return the oldest unread events, up to 256 KiB, for `parse`; empty if there are none."""
        if self._hoard:
            data = self._hoard.popleft()
            self._hoarded_bytes -= len(data)
            return data
        return self._read()

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give the descriptor back, with all its watches; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def parse(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (watch number, mask, name) of each event of one read; a name is never cut in two."""
    position, size, unpack = 0, _EVENT.size, _EVENT.unpack_from
    while position < len(data):
        number, mask, _, length = unpack(data, position)
        position += size + length
        yield number, mask, data[position - length : position].rstrip(b"\0")


def watch_limit() -> tuple[str, int] | None:
    """Return the sysctl that limits watches here and its value: the user's or the user namespace's."""
    limits = []
    for name in ("fs.inotify.max_user_watches", "user.max_inotify_watches"):
        try:
            limits.append((name, int(Path("/proc/sys", *name.split(".")).read_text(encoding="ascii"))))
        except (OSError, ValueError):
            continue
    return min(limits, key=lambda limit: limit[1], default=None)
