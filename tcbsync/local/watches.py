"""Keeps a watch on every directory of one root, and turns what the kernel says into paths to look at.

Rules, each against a loss that was measured:

- the watch comes before the listing: what appears in between is listed, or reported, or both;
- a directory that is created or moved in is walked, with all beneath, after the batch that names it;
  watching it again gives the same number, so the walk also corrects what is known;
- a directory that is moved out keeps its watches for a while, without a path, for the walk of where it is moved
  in; then they are given back, a thousand at a time, because each one that is given back queues an event;
- a directory that cannot be watched is blind, and so is one that a mount shows at two paths: each is remembered,
  and tried again.

It follows no symbolic link, reads no file, and keeps no events. For one thread.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from typing import TYPE_CHECKING

from tcbsync.local import inotify
from tcbsync.local.hints import BLIND_LISTED
from tcbsync.local.watch_tree import Node, WatchTree

if TYPE_CHECKING:
    from collections.abc import Callable

# No ATTRIB: chmod and utimes change no content, and copying tools would add two or three events a file to just
# the bursts that overflow the queue. No MODIFY: one event a write. So truncate(path), writes through mmap and
# a file that becomes readable make no event: the rescans find them. No DELETE_SELF: IGNORED always follows it,
# asked for or not. EXCL_UNLINK: a file that is still open when it is deleted or replaced says nothing more under
# a name that is no longer its own.
MASK = (
    inotify.CLOSE_WRITE
    | inotify.CREATE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
    | inotify.DELETE
    | inotify.MOVE_SELF
    | inotify.ONLYDIR
    | inotify.DONT_FOLLOW
    | inotify.EXCL_UNLINK
)
ENDS = inotify.MOVE_SELF | inotify.UNMOUNT | inotify.IGNORED
STRUCTURAL = inotify.ISDIR | inotify.QUEUE_OVERFLOW | ENDS

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # deleted, or replaced, since it was named
UNWATCH_AT_ONCE = 1000
HOARD_EVERY = 256  # directories walked between two looks at the descriptor
SEEN_ELSEWHERE = errno.EEXIST  # by way of another path: there is one watch, and one path, to an inode


class Watches:
    """The watched directories of `root` (a real path). Paths are relative to it; hints are {path: is_quiet}."""

    def __init__(
        self,
        root: str,
        *,
        skips: Callable[[str], bool],
        keeps_running: Callable[[], bool],
        limbo_seconds: float,
    ) -> None:
        """Raise OSError if there is no descriptor to be had. Nothing is watched before `arm("")`."""
        self.root = root
        self.descriptor = inotify.Inotify()
        self.tree = WatchTree()
        self.blind: dict[str, int] = {}  # path: errno, of at most BLIND_LISTED …
        self.blind_unlisted = 0  # … and how many more
        self.overflows = 0
        self.needs_rewalk = False  # events were lost, or what is known is older than the disk
        self.suspects_root = False  # the root was moved, deleted or unmounted
        self._skips = skips
        self._keeps_running = keeps_running
        self._limbo_seconds = limbo_seconds
        self._adrift: deque[tuple[float, Node]] = deque()  # (deadline, top of the subtree)
        self._doomed: deque[int] = deque()
        self._named: set[str] = set()  # created or moved, to be walked

    def arm(self, top: str) -> None:
        """Watch `top` and every directory beneath it, and correct what was known of them."""
        above, _, name = top.rpartition("/")
        parent = self.tree.find(above) if top else None
        self.blind.pop(top, None)
        if top and parent is None:
            return  # blind or gone; if it has moved, the walk of its new place comes here
        if not top:
            self.blind.clear()
            self.blind_unlisted = 0
        stack = [(parent, name, top)]
        walked = 0
        while stack and self._keeps_running():
            parent, name, path = stack.pop()
            node = self._watch(parent, name, path)
            if node is not None:
                stack.extend((node, child, f"{path}/{child}" if path else child) for child in self._list(node, path))
            walked += 1
            if walked % HOARD_EVERY == 0:
                self.descriptor.hoard()

    def read(self) -> dict[str, bool]:
        """Read the descriptor once, follow what has moved, and return where to look."""
        hints: dict[str, bool] = {}
        prefixes: dict[int, str | None] = {}
        for number, mask, name in inotify.parse(self.descriptor.read()):
            if mask & STRUCTURAL:
                self._follow(number, mask, os.fsdecode(name), hints)
                prefixes.clear()
                continue
            if number not in prefixes:
                prefixes[number] = self._prefix(number)
            prefix = prefixes[number]
            if prefix is not None:
                hints[prefix + os.fsdecode(name)] = not mask & inotify.CREATE
        self._arm_named()
        return hints

    def settle(self) -> bool:
        """Give watches back that nobody has claimed; return whether there are more to give back."""
        now = time.monotonic()
        while self._adrift and self._adrift[0][0] <= now:
            _, top = self._adrift.popleft()
            if self.tree.path(top) is None:
                self._doomed.extend(node.number for node in reversed([*self.tree.beneath(top)]))
        for _ in range(min(UNWATCH_AT_ONCE, len(self._doomed))):
            number = self._doomed.popleft()
            node = self.tree.node(number)
            if node is not None and self.tree.path(node) is None:
                self.descriptor.unwatch(number)
                self._forget(node)
        return bool(self._doomed)

    def retry_blind(self) -> dict[str, bool]:
        """Try the blind directories again; return hints for those that are seen now (or gone)."""
        healed: dict[str, bool] = {}
        if self.blind_unlisted:
            self.needs_rewalk = True
            return healed
        is_full = False
        for path, cause in list(self.blind.items()):
            if is_full and cause == errno.ENOSPC:
                continue
            self.arm(path)
            if path not in self.blind:
                healed[path] = False
            elif self.blind[path] == errno.ENOSPC:
                is_full = True
        return healed

    def close(self) -> None:
        """Give all watches back at once."""
        self.descriptor.close()

    def _watch(self, parent: Node | None, name: str, path: str) -> Node | None:
        if path and self._skips(path):
            skipped = parent.child(name) if parent else None
            if skipped is not None:
                self._set_adrift(skipped)
            return None
        try:
            number = self.descriptor.watch(f"{self.root}/{path}", MASK)
        except OSError as error:
            self._blame(path, error.errno)
            return None
        if self._is_seen_elsewhere(number, path):
            self._blame(path, SEEN_ELSEWHERE)
            return None
        before = parent.child(name) if parent else None
        node = self.tree.place(number, parent, name)
        if node is None:
            self.needs_rewalk = True
        elif before is not None and before is not node:
            self._set_adrift(before)
        return node

    def _list(self, node: Node, path: str) -> list[str]:
        """Return the directories in this one; those that are known here but not on the disk are adrift."""
        try:
            with os.scandir(f"{self.root}/{path}") as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            self._blame(path, error.errno)
            return []
        for name in set(node.children or ()).difference(names):
            stale = node.child(name)
            if stale is not None:
                self._set_adrift(stale)
        return names

    def _is_seen_elsewhere(self, number: int, path: str) -> bool:
        """Whether the directory is at its known path too: then it was not moved here, but mounted."""
        node = self.tree.node(number)
        known = None if node is None else self.tree.path(node)
        if known is None or known == path:
            return False
        try:
            return os.path.samestat(os.lstat(f"{self.root}/{known}"), os.lstat(f"{self.root}/{path}"))
        except OSError:
            return False

    def _blame(self, path: str, number: int | None) -> None:
        if number in GONE and path:
            return  # its own event is on the way
        if path in self.blind or len(self.blind) < BLIND_LISTED:
            self.blind[path] = number or errno.EIO
        else:
            self.blind_unlisted += 1

    def _set_adrift(self, node: Node) -> None:
        self.tree.set_adrift(node)
        self._adrift.append((time.monotonic() + self._limbo_seconds, node))

    def _forget(self, node: Node) -> None:
        for child in list((node.children or {}).values()):
            self._set_adrift(child)  # to be given back in turn, unless it is found elsewhere
        self.tree.forget(node.number)

    def _prefix(self, number: int) -> str | None:
        node = self.tree.node(number)
        path = None if node is None else self.tree.path(node)
        return f"{path}/" if path else path

    def _follow(self, number: int, mask: int, name: str, hints: dict[str, bool]) -> None:
        """Follow one event about a directory, or about the watching itself."""
        node = self.tree.node(number)
        if node is not None and node is self.tree.root and mask & ENDS:
            self.suspects_root = True
        if mask & (inotify.QUEUE_OVERFLOW | inotify.UNMOUNT):
            self.overflows += bool(mask & inotify.QUEUE_OVERFLOW)
            self.needs_rewalk = True
        elif mask & inotify.IGNORED:
            if node is not None:
                self._forget(node)
        elif node is not None and not mask & ENDS:
            if mask & inotify.MOVED_FROM and (moved := node.child(name)) is not None:
                self._set_adrift(moved)  # if it has come to another place here, the walk of that finds it
            if (prefix := self._prefix(number)) is not None:
                path = prefix + name
                hints[path] = not mask & inotify.CREATE
                if not mask & inotify.DELETE:
                    self._named.add(path)  # also at MOVED_FROM: directories that are exchanged leave both paths taken

    def _arm_named(self) -> None:
        """Walk each new directory once, however often and at whatever depth a batch has named it."""
        last = None
        for path in sorted(self._named):
            if last is None or not path.startswith(f"{last}/"):
                self.arm(path)
                last = path
        self._named.clear()
