"""The part of `os` that the product reads the disk with, on the disk in memory; and its root as a `Path`.

The rule: it answers as Linux does, errors included, and fails where `troubles` say so. A writer may come in between any
two calls (`interrupt`), as one would between two system calls of a worker thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sim.disk import Disk
    from tests.sim.node import Node

ROOT = "/srv/assets"
LINKS = 8


class Status(NamedTuple):
    """As much of a stat result as the product asks for."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int


class _Open:
    __slots__ = ("node", "offset", "path")

    def __init__(self, node: Node, path: str) -> None:
        self.node = node
        self.path = path
        self.offset = 0


class _Entry:
    """A name in a listing; its kind is as old as the listing."""

    def __init__(self, system: System, path: str, name: str, node: Node) -> None:
        self._system = system
        self._path = f"{path}/{name}"
        self._is_directory = node.is_directory
        self.name = name

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is_directory

    def stat(self, *, follow_symlinks: bool = True) -> Status:
        return self._system.lstat(self._path)


class System:
    """Stands in for the module `os`. `disk` is changed from schedule to schedule."""

    def __init__(self) -> None:
        self.disk: Disk
        self.troubles: dict[str, tuple[str, int]] = {}
        """Path → which of stat, list, open, read fail there and beneath, and with which error."""
        self.interrupt: Callable[[], None] = lambda: None
        self.shortest_read = 0
        self.on_absent: Callable[[str], None] = lambda path: None
        """Told of each path that was looked at and is no regular file."""
        self._opened: dict[int, _Open] = {}
        self._next = 10

    def __getattr__(self, name: str) -> object:
        if name.startswith("O_") or name in ("fspath", "strerror", "SEEK_SET"):
            return getattr(os, name)
        raise AttributeError(name)

    def reset(self, disk: Disk) -> None:
        """Begin anew, on another disk."""
        self.__init__()  # type: ignore[misc]
        self.disk = disk

    def crash(self) -> None:
        """Close what a process had open."""
        for descriptor in list(self._opened):
            self.close(descriptor)

    # -- what the product calls -------------------------------------------------------------------------------------

    def stat(self, path: object, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> Status:
        self.interrupt()
        where, above = self._place(path, dir_fd)
        return self._status(self._resolve(where, "stat", follows=follow_symlinks, above=above))

    def lstat(self, path: object) -> Status:
        return self.stat(path, follow_symlinks=False)

    def _place(self, path: object, dir_fd: int | None) -> tuple[str, _Open | None]:
        where = str(os.fspath(path))  # type: ignore[call-overload]
        if dir_fd is None:
            return where, None
        above = self._opened[dir_fd]
        return f"{above.path}/{where}", above

    def fstat(self, descriptor: int) -> Status:
        self.interrupt()
        return self._status(self._opened[descriptor].node)

    def open(self, path: object, flags: int, *, dir_fd: int | None = None) -> int:
        self.interrupt()
        where, above = self._place(path, dir_fd)
        node = self._resolve(where, "open", follows=not flags & os.O_NOFOLLOW, above=above)
        if flags & os.O_DIRECTORY and not node.is_directory:
            raise _error(errno.ENOTDIR, where)
        if node.kind == stat.S_IFLNK:
            raise _error(errno.ELOOP, where)
        self._next += 1
        self._opened[self._next] = _Open(node, where)
        node.opened += 1
        return self._next

    def close(self, descriptor: int) -> None:
        opened = self._opened.pop(descriptor)
        opened.node.opened -= 1
        self.disk.free(opened.node)

    def read(self, descriptor: int, size: int) -> bytes:
        self.interrupt()
        opened = self._opened[descriptor]
        self._fail(opened.path, "read")
        size = min(size, self.shortest_read or size)
        data = opened.node.content[opened.offset : opened.offset + size]
        opened.offset += len(data)
        return data

    def lseek(self, descriptor: int, offset: int, whence: int) -> int:
        self._opened[descriptor].offset = offset
        return offset

    def listdir(self, path: str) -> list[str]:
        self.interrupt()
        node = self._resolve(path, "list", follows=True)
        if not node.is_directory:
            raise _error(errno.ENOTDIR, path)
        return list(node.children)

    @contextlib.contextmanager
    def scandir(self, descriptor: int) -> Iterator[Iterator[_Entry]]:
        opened = self._opened[descriptor]
        self._fail(opened.path, "list")
        yield self._entries(opened)

    def _entries(self, opened: _Open) -> Iterator[_Entry]:
        for name, node in list(opened.node.children.items()):
            self.interrupt()
            yield _Entry(self, opened.path, name, node)

    def volumes(self, root: str) -> dict[str, str]:
        """Stand in for `mounts.volumes`: what the root lies on; nothing is mounted beneath it."""
        return {"": f"{self.stat(root).st_dev}"}

    # -- the inside -------------------------------------------------------------------------------------------------

    def _resolve(self, path: str, call: str, *, follows: bool, above: _Open | None = None, depth: int = 0) -> Node:
        if depth > LINKS:
            raise _error(errno.ELOOP, path)
        if not path.startswith(ROOT):
            raise _error(errno.ENOENT, path)
        self._fail(path, call)
        if above is not None:
            node: Node | None = above.node
            parts = [path.rpartition("/")[2]]
        else:
            node = self.disk.top
            parts = [part for part in path[len(ROOT) :].split("/") if part]
        for position, part in enumerate(parts):
            if node is not None and not node.is_directory:
                self.on_absent(path)
                raise _error(errno.ENOTDIR, path)
            node = None if node is None else node.children.get(part)
            if node is not None and node.kind == stat.S_IFLNK and (follows or position < len(parts) - 1):
                target = "/".join([os.fsdecode(node.content), *parts[position + 1 :]])
                node = self._resolve(target, call, follows=follows, depth=depth + 1)
                break
        if node is None or not node.is_file:
            self.on_absent(path)
        if node is None:
            raise _error(errno.ENOENT, path)
        return node

    def _fail(self, path: str, call: str) -> None:
        for where, (calls, number) in self.troubles.items():
            at = f"{ROOT}/{where}" if where else ROOT
            is_beneath = path.startswith(f"{at}/")
            if (path == at and call in calls) or (is_beneath and "search" in calls):
                raise _error(number, path)

    def _status(self, node: Node) -> Status:
        size = len(node.content) if node.is_file else 0
        return Status(node.kind | 0o600, node.inode, node.device, size, node.mtime_ns, node.ctime_ns)


class SimPath(PurePosixPath):
    """The root, and paths beneath it, as the product holds them."""

    def stat(self) -> Status:
        return SYSTEM.stat(self)

    def lstat(self) -> Status:
        return SYSTEM.lstat(self)

    def read_text(self, encoding: str, errors: str) -> str:
        descriptor = SYSTEM.open(self, os.O_RDONLY)
        try:
            if stat.S_ISDIR(SYSTEM.fstat(descriptor).st_mode):
                raise _error(errno.EISDIR, str(self))
            data = b""
            while more := SYSTEM.read(descriptor, 1 << 20):
                data += more
            return data.decode(encoding, errors)
        finally:
            SYSTEM.close(descriptor)


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


SYSTEM = System()
"""The one that the product's modules see instead of `os`, once it is installed."""
