"""Which watch number stands for which path, while directories move. No disk, no kernel, no clock.

Rule: a directory knows its parent, not its path, so a move is one pointer however much lies beneath.
A directory that hangs on nothing is *adrift*: it, and all beneath it, has no path until it is placed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Node:
    """One watched directory."""

    __slots__ = ("children", "name", "number", "parent")

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = ""
        self.parent: Node | None = None
        self.children: dict[str, Node] | None = None  # most directories are leaves: no dict for them

    def child(self, name: str) -> Node | None:
        """Return the watched directory `name` in this one."""
        return self.children.get(name) if self.children else None


class WatchTree:
    """The watched directories of one root, by number and by path ('/' separated, '' for the root)."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._nodes: dict[int, Node] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def node(self, number: int) -> Node | None:
        """Return the directory with this watch number, adrift or not."""
        return self._nodes.get(number)

    def path(self, node: Node) -> str | None:
        """Return where the directory is now; None while it is adrift."""
        names = []
        here: Node | None = node
        while here is not None and here.parent is not None:
            names.append(here.name)
            here = here.parent
        return "/".join(reversed(names)) if here is self.root else None

    def find(self, path: str) -> Node | None:
        """Return the directory at this path, if it is watched."""
        node = self.root
        for name in path.split("/") if path else ():
            if node is None:
                return None
            node = node.child(name)
        return node

    def beneath(self, node: Node) -> Iterator[Node]:
        """Yield the directory and all watched ones beneath it."""
        stack = [node]
        while stack:
            here = stack.pop()
            stack.extend((here.children or {}).values())
            yield here

    def place(self, number: int, parent: Node | None, name: str) -> Node | None:
        """Put the directory `number`, known or new, at `name` in `parent` (None: it is the root).

        Whatever hung there before is adrift afterwards. None is returned, and nothing changes, if the
        directory lies above `parent`: then what is known is older than the disk.
        """
        node = self._nodes.get(number)
        if node is None:
            node = self._nodes[number] = Node(number)
        elif node.parent is not None and node.parent is parent and node.name == name:
            return node
        elif self._is_above(node, parent):
            return None
        self.set_adrift(node)
        if parent is None:
            self.root = node
            return node
        before = parent.child(name)
        if before is not None:
            self.set_adrift(before)
        if parent.children is None:
            parent.children = {}
        parent.children[name] = node
        node.parent, node.name = parent, name
        return node

    def set_adrift(self, node: Node) -> None:
        """Take the directory, with all beneath, off its parent."""
        if node.parent is not None and node.parent.children is not None:
            del node.parent.children[node.name]
            if not node.parent.children:
                node.parent.children = None
        node.parent = None

    def forget(self, number: int) -> None:
        """Drop a directory whose watch is gone; what is known beneath it is adrift."""
        node = self._nodes.pop(number, None)
        if node is None:
            return
        self.set_adrift(node)
        for child in list((node.children or {}).values()):
            self.set_adrift(child)
        if node is self.root:
            self.root = None

    @staticmethod
    def _is_above(node: Node, other: Node | None) -> bool:
        while other is not None and other is not node:
            other = other.parent
        return other is not None
