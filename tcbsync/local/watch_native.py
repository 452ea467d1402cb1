"""Watches on systems without inotify, through watchdog's own emitters. Heals nothing by itself.

Rule: what these emitters lose, the engine's more frequent rescans find; a root that was missing or has been
replaced is watched again after `Watcher` has been stopped and started.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler

from tcbsync.local.hints import Hint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NO_CHANGE = frozenset({"opened", "closed_no_write"})
UNFINISHED = frozenset({"created", "modified", "attrib"})


class NativeHandler(FileSystemEventHandler):
    """Turns each event of watchdog into hints for its source and its destination."""

    def __init__(self, root: str, deliver: Callable[[Sequence[Hint]], None]) -> None:
        self._root = root
        self._deliver = deliver

    def dispatch(self, event: FileSystemEvent) -> None:
        """Deliver the hints of one event; a listing that has changed says nothing that its entries do not."""
        if event.event_type in NO_CHANGE or (event.is_directory and event.event_type == "modified"):
            return
        is_quiet = event.event_type not in UNFINISHED
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        self._deliver([Hint(self._relative(path), is_quiet) for path in paths])

    def _relative(self, path: str) -> str:
        """Return the path as a hint names it; for one outside, such as the real name of a linked root, the root."""
        relative = PurePath(os.path.relpath(path, self._root))
        return "" if not relative.parts or relative.parts[0] == os.pardir else relative.as_posix()
