"""An inode of the disk in memory."""

from __future__ import annotations

import stat


class Node:
    """An inode."""

    __slots__ = ("children", "content", "ctime_ns", "device", "inode", "kind", "links", "mtime_ns", "opened")

    def __init__(self, kind: int, inode: int, device: int) -> None:
        self.kind = kind
        self.inode = inode
        self.device = device
        self.links = 1
        self.opened = 0
        self.content = b""
        """Of a symbolic link: where it leads."""
        self.children: dict[str, Node] = {}
        self.mtime_ns = self.ctime_ns = 0

    @property
    def is_directory(self) -> bool:
        """Whether it is one."""
        return self.kind == stat.S_IFDIR

    @property
    def is_file(self) -> bool:
        """Whether it is a regular one."""
        return self.kind == stat.S_IFREG
