"""The words of the watcher: what it says (hints) and how well it sees (state). Does nothing.

Rule: a hint is no event. It says "look at this path, and at all beneath it if it is a directory"; what has
happened there, the disk and the manifest decide.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from watchdog.events import FileSystemEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

BLIND_LISTED = 100


class Hint(NamedTuple):
    """Look at `path`: relative to the root, '/' separated, '' for the root itself; as os.fsdecode gives it.

    `is_quiet`: the writer has finished (closed, moved, deleted), so it can be looked at at once.
    If not, it has been created, or is a directory that may still be filled: wait for quiet.
    """

    path: str
    is_quiet: bool


EVERYTHING = Hint("", is_quiet=False)


class WatchMode(enum.Enum):
    """How changes are noticed; the value is the word that status shows."""

    INOTIFY = "inotify"  # every change on this host makes a hint
    NATIVE = "native"  # so does watchdog's own emitter, on other systems
    DEGRADED = "degraded"  # except beneath the blind directories: rescan these
    TIMED = "rescan"  # changes may make no hint anywhere: rescan the root
    WAITING = "waiting"  # there is no root to watch


@dataclass(frozen=True, slots=True)
class WatchState:
    """How well the watcher sees, and why not better."""

    mode: WatchMode
    reason: str = ""  # in words for the operator; empty if all is well
    blind: tuple[str, ...] = ()  # directories without hints for them and beneath: the first 100 …
    blind_count: int = 0  # … of at least this many
    watches: int = 0
    overflows: int = 0  # how often the kernel has lost events; each is answered by a hint for the root
    heartbeat: float = 0.0  # time.monotonic() when both threads were last seen at work


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """All in seconds. What is done every so often while nothing happens is most of what an idle daemon costs."""

    root_poll: float = 5.0  # between looks at whether the root is still the one that is watched; mounts are told of
    limbo: float = 5.0  # for which a directory that was moved out keeps its watches
    rewalk: float = 5.0  # at least, between two walks of the whole tree after overflows
    retry: float = 60.0  # between attempts to watch the blind directories
    pulse: float = 5.0  # between heartbeats


class _OwnEvent(FileSystemEvent):
    """Equal to itself only: watchdog's queue drops an event that equals the one before it."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class HintBatch(_OwnEvent):
    """The hints of one read, on their way through watchdog's queue."""

    def __init__(self, hints: Sequence[Hint]) -> None:
        super().__init__(src_path="")
        self.hints = hints


class Pulse(_OwnEvent):
    """The emitter's state, on the same way: when it arrives, both threads are alive."""

    def __init__(self, state: WatchState) -> None:
        super().__init__(src_path="")
        self.state = state
