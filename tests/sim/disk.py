"""A disk in memory, as a person and their programs use it: files, links, mounts, coarse clocks, reused inodes.

The rule: each operation does what Linux does, stamps included, and tells `on_event` what inotify would see of it. The
refusal: an operation that makes no sense now (its file is not there) does nothing: a schedule stays valid whatever is
cut out of it.
"""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

from tests.sim.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINE, TICK, COARSE = 1, 10_000_000, 2_000_000_000
HOME, FOREIGN, BARE = 40, 41, 42
"""Devices: the mirror's own file system, another one in its place, and the one beneath the mount point."""


class Disk:
    """The tree at the root, which is `top`; None where there is none. Paths are relative to it, as they are spelled."""

    def __init__(self, wall: Callable[[], float], tick_ns: int = FINE, *, renames_stamp: bool = True) -> None:
        self._wall = wall
        self._tick_ns = tick_ns
        self._renames_stamp = renames_stamp
        self._stamps = 0
        self.was_set_back = False
        """Whether the wall clock ever was. What keeps size and stamps by that alone, no program could notice."""
        self._free: list[int] = []
        self._next_inode = 1000
        self.on_event: Callable[[str, bool], None] = lambda path, is_quiet: None
        self.on_change: Callable[[], None] = lambda: None
        self.states: set[bytes] = {hashlib.md5(b"").digest()}
        """The digest of every state that any file was ever in."""
        self.home = self._new(stat.S_IFDIR)
        self.top: Node | None = self.home

    # -- what is there ------------------------------------------------------------------------------------------------

    def find(self, path: str, top: Node | None = None) -> Node | None:
        """Give what is at `path`, following nothing."""
        node = top or self.top
        for part in path.split("/") if path else ():
            node = None if node is None else node.children.get(part)
        return node

    def walk(self, top: Node | None = None, path: str = "") -> Iterator[tuple[str, Node]]:
        """Give everything beneath, a directory before what is in it."""
        for name, node in list((top or self.home).children.items()):
            where = f"{path}/{name}" if path else name
            yield where, node
            if node.is_directory:
                yield from self.walk(node, where)

    # -- files --------------------------------------------------------------------------------------------------------

    def write(self, path: str, content: bytes) -> None:
        """Write a file and close it."""
        self.begin(path, content)
        self.close(path)

    def begin(self, path: str, content: bytes) -> None:
        """Begin to write a file: it is created, or truncated, and holds this much; its writer goes on."""
        if (parent := self._parent(path)) is None:
            return
        name = path.rpartition("/")[2]
        node = parent.children.get(name)
        if node is None:
            node = parent.children[name] = self._new(stat.S_IFREG)
            self.on_event(path, False)
        if node.is_file:
            self._fill(node, content)

    def append(self, path: str, content: bytes) -> None:
        """Write on."""
        if (node := self._file(path)) is not None:
            self._fill(node, node.content + content)

    def close(self, path: str) -> None:
        """Close a file that was written."""
        if self._file(path) is not None:
            self.on_event(path, True)

    def rewrite(self, path: str, number: int) -> None:
        """Write other bytes of the same size, and set the mtime back, as a copying tool does. The ctime goes on."""
        if (node := self._file(path)) is not None:
            mtime_ns = node.mtime_ns
            self._fill(node, other(node.content, number))
            node.mtime_ns = mtime_ns
            self.on_event(path, True)

    def scribble(self, path: str, number: int) -> None:
        """Write other bytes of the same size through a mapping: no event."""
        if (node := self._file(path)) is not None:
            self._fill(node, other(node.content, number))

    def truncate(self, path: str, size: int) -> None:
        """Cut a file by its path: no event, since nobody closes it."""
        if (node := self._file(path)) is not None:
            self._fill(node, node.content[:size])

    def touch(self, path: str) -> None:
        """Change times only: no event."""
        if (node := self._file(path)) is not None:
            self._fill(node, node.content)

    def save(self, path: str, content: bytes) -> None:
        """Save as editors do: write another name, and rename it."""
        self.write(f"{path}.tmp", content)
        self.rename(f"{path}.tmp", path)

    def link(self, path: str, new: str) -> None:
        """Give a file one more name."""
        node, parent = self._file(path), self._parent(new)
        name = new.rpartition("/")[2]
        if node is not None and parent is not None and name not in parent.children:
            node.links += 1
            node.ctime_ns = self._stamp()
            parent.children[name] = node
            self._told(new, is_quiet=False)

    # -- names --------------------------------------------------------------------------------------------------------

    def make(self, path: str, kind: int, content: bytes = b"") -> None:
        """Make a directory, a symbolic link, a FIFO."""
        parent, name = self._parent(path), path.rpartition("/")[2]
        if parent is not None and name not in parent.children:
            node = parent.children[name] = self._new(kind)
            node.content = content
            self._told(path, is_quiet=False)

    def plant(self, path: str, files: dict[str, bytes]) -> None:
        """Move a tree in from elsewhere: one event."""
        parent, name = self._parent(path), path.rpartition("/")[2]
        if parent is None or name in parent.children:
            return
        tree = parent.children[name] = self._new(stat.S_IFDIR)
        for each, content in files.items():
            node = tree.children[each] = self._new(stat.S_IFREG)
            node.content = content
            self._remember(content)
        self._told(path, is_quiet=True)

    def rename(self, path: str, new: str) -> bool:
        """Rename a file, or a tree; a file is replaced where one is there. Gives whether it was done."""
        node, parent, above = self.find(path), self._parent(new), self._parent(path, makes=False)
        if node is None or parent is None or above is None or new == path or new.startswith(f"{path}/"):
            return False
        name = new.rpartition("/")[2]
        old = parent.children.get(name)
        if old is node or (old is not None and not (old.is_file and node.is_file)):
            return False
        del above.children[path.rpartition("/")[2]]
        if old is not None:
            self._unlink(old)
        parent.children[name] = node
        self._restamp(node)
        self.on_event(path, True)
        self._told(new, is_quiet=True)
        return True

    def exchange(self, path: str, other_path: str) -> None:
        """Exchange two names, files or trees."""
        nodes = self.find(path), self.find(other_path)
        parents = self._parent(path, makes=False), self._parent(other_path, makes=False)
        is_nested = other_path.startswith(f"{path}/") or path.startswith(f"{other_path}/")
        if None in nodes or None in parents or nodes[0] is nodes[1] or is_nested:
            return
        (node, another), (parent, other_parent) = nodes, parents
        assert node is not None
        assert another is not None
        assert parent is not None
        assert other_parent is not None
        parent.children[path.rpartition("/")[2]] = another
        other_parent.children[other_path.rpartition("/")[2]] = node
        self._restamp(node)
        self._restamp(another)
        self.on_event(path, True)
        self._told(other_path, is_quiet=True)

    def delete(self, path: str) -> None:
        """Delete a file, or a tree with all that is in it."""
        node, parent = self.find(path), self._parent(path, makes=False)
        if node is None or parent is None:
            return
        for child in list(node.children):
            self.delete(f"{path}/{child}")
        del parent.children[path.rpartition("/")[2]]
        self._unlink(node)
        self._told(path, is_quiet=True)

    def empty(self) -> None:
        """Delete everything in the root."""
        for name in list(self.top.children) if self.top else ():
            self.delete(name)

    # -- mounts -------------------------------------------------------------------------------------------------------

    def mount(self, kind: str) -> None:
        """Put the mirror's own tree at the root, or an empty mount point, or another file system, or nothing."""
        if kind == "home":
            self.top = self.home
        elif kind == "missing":
            self.top = None
        else:
            self.top = self._new(stat.S_IFDIR, BARE if kind == "bare" else FOREIGN)
            if kind == "foreign":
                node = self.top.children["1"] = self._new(stat.S_IFREG, FOREIGN)
                node.content = b"of another disk"
                self._remember(node.content)
        self.on_change()

    # -- the inside ---------------------------------------------------------------------------------------------------

    def free(self, node: Node) -> None:
        """Let an inode be used again once nobody has it any more."""
        if not node.links and not node.opened:
            self._free.append(node.inode)

    def _told(self, path: str, *, is_quiet: bool) -> None:
        self.on_change()
        self.on_event(path, is_quiet)

    def _new(self, kind: int, device: int = HOME) -> Node:
        if self._free:
            inode = self._free.pop()
        else:
            self._next_inode += 1
            inode = self._next_inode
        node = Node(kind, inode, device)
        node.mtime_ns = node.ctime_ns = self._stamp()
        return node

    def _stamp(self) -> int:
        self._stamps += 1  # a microsecond each: some happen while virtual time stands still
        now_ns = int(self._wall() * 1e9) + self._stamps * 1000
        return now_ns - now_ns % self._tick_ns

    def _restamp(self, node: Node) -> None:
        if self._renames_stamp:
            node.ctime_ns = self._stamp()

    def _fill(self, node: Node, content: bytes) -> None:
        before, stamp = (len(node.content), node.ctime_ns), self._stamp()
        is_hidden = self.was_set_back and before == (len(content), stamp)
        node.content = content
        self._remember(content)
        node.mtime_ns = node.ctime_ns = stamp + self._tick_ns * is_hidden
        self.on_change()

    def _remember(self, content: bytes) -> None:
        self.states.add(hashlib.md5(content).digest())

    def _unlink(self, node: Node) -> None:
        node.links -= 1
        node.ctime_ns = self._stamp()
        self.free(node)

    def _file(self, path: str) -> Node | None:
        node = self.find(path)
        return node if node is not None and node.is_file else None

    def _parent(self, path: str, *, makes: bool = True) -> Node | None:
        node = self.top
        done = ""
        for part in path.split("/")[:-1]:
            done = f"{done}/{part}" if done else part
            child = None if node is None else node.children.get(part)
            if child is None and node is not None and makes:
                child = node.children[part] = self._new(stat.S_IFDIR)
                self._told(done, is_quiet=False)
            if child is None or not child.is_directory:
                return None
            node = child
        return node


def other(content: bytes, number: int) -> bytes:
    """Give other bytes of the same size."""
    return bytes((byte + 1 + number % 255) % 256 for byte in content)
