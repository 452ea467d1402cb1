"""watchdog's EventEmitter over inotify, for a root that may vanish and come back. Reads no file, deletes nothing.

Rule: whatever goes wrong ends in one of two ways, and both heal by themselves. Either single directories are
blind (they are tried again), or nothing is watched and the root is polled until it can be armed afresh.
Each time something may have been missed, and after the watches are back, the root itself is hinted.

Everything that is said travels through watchdog's queue, so that one thread calls the user's functions.
"""

from __future__ import annotations

import logging
import math
import os
import select
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from watchdog.observers.api import EventEmitter

from tcbsync.local.hints import Hint, HintBatch, Pulse, WatchMode, WatchState, WatchTiming
from tcbsync.local.mounts import Mounts, mount_news, mounts_around
from tcbsync.local.watch_report import failed, no_descriptor, root_trouble, seen_by
from tcbsync.local.watches import Watches

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.api import EventQueue, ObservedWatch

logger = logging.getLogger(__name__)

BACKLOG_BATCHES = 16  # unread by the handler: then reading pauses, and the kernel's bounded queue takes over
BACKLOG_SECONDS = 0.02
MOUNT_SECONDS = 0.5  # at least, from one look at the root to the next: a host of containers mounts all the time
BATCH_SECONDS = 0.005  # at least, from one read to the next: the first of a burst is told at once, the rest together


class RootIdentity(NamedTuple):
    """What must stay the same for the watches to be about the root."""

    real_path: str
    device: int
    inode: int


def identify(root: str) -> RootIdentity:
    """Look at the root; raise OSError if it is missing, out of reach, or no directory."""
    real_path = os.path.realpath(root)
    status = os.stat(real_path)  # noqa: PTH116 - a str all the way
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError
    return RootIdentity(real_path, status.st_dev, status.st_ino)


class InotifyEmitter(EventEmitter):
    """Emits HintBatch and Pulse events for one root."""

    def __init__(
        self,
        event_queue: EventQueue,
        watch: ObservedWatch,
        *,
        root: str,
        skips: Callable[[str], bool],
        timing: WatchTiming,
        **options_of_watchdog: Any,
    ) -> None:
        super().__init__(event_queue, watch, **options_of_watchdog)
        self.state = WatchState(WatchMode.WAITING, "not started yet")
        self._root = root
        self._skips = skips
        self._timing = timing
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._mount_news = mount_news()
        if self._mount_news is not None:
            self._poll.register(self._mount_news, select.POLLPRI)
        self._identity: RootIdentity | None = None
        self._mounts = Mounts("", frozenset())
        self._watches: Watches | None = None
        self._past_overflows = 0  # of descriptors that are closed
        self._looked_at = 0.0  # at the root
        self._next_root_poll = self._next_rewalk = self._next_retry = self._next_read = self._next_pulse = 0.0

    def rearm(self) -> None:
        """Walk everything again, because what is skipped has changed. From any thread."""
        os.eventfd_write(self._wake, 1)

    def on_thread_start(self) -> None:
        """Arm the watches in the thread that starts the observer: when it returns, they are armed."""
        self._turn_safely(0.0)

    def on_thread_stop(self) -> None:
        """Interrupt the wait."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Give the descriptors back. Only after the thread has ended: `stop` writes to one of them."""
        self._disarm()
        os.close(self._wake)
        if self._mount_news is not None:
            os.close(self._mount_news)

    def queue_events(self, timeout: float) -> None:
        """Wait for events, at most `timeout` seconds, and emit what they hint at."""
        if self._event_queue.qsize() > BACKLOG_BATCHES:
            self.stopped_event.wait(BACKLOG_SECONDS)
            return
        self._turn_safely(timeout)

    def _turn_safely(self, timeout: float) -> None:
        try:
            self._turn(timeout)
        except Exception as error:
            # A thread that has died looks like a tree in which nothing happens: start afresh instead.
            trouble = failed(error)
            is_new = trouble.reason != self.state.reason
            if is_new:
                logger.exception("the watcher of %s failed; it arms its watches again, and again", self._root)
            self._disarm()
            self.state = self._with_overflows(trouble)
            self._emit({"": False} if is_new else {})
            self._next_root_poll = time.monotonic() + self._timing.rewalk

    def _turn(self, timeout: float) -> None:
        now = time.monotonic()
        hints: dict[str, bool] = {}
        if now >= self._next_root_poll or (self._watches is not None and self._watches.suspects_root):
            self._looked_at, self._next_root_poll = now, now + self._timing.root_poll
            hints |= self._look_at_root()
            self._next_pulse = 0.0  # with it, so that both wake the process once
        if self._watches is not None:
            hints |= self._tend(self._watches, 0.0 if hints else timeout)
        elif timeout and not hints:
            self._rest(timeout)
        self._emit(hints)

    def _tend(self, watches: Watches, timeout: float) -> dict[str, bool]:
        """Do what is due for the watches, then wait for events and read them once."""
        hints: dict[str, bool] = {}
        has_more = watches.settle()
        now = time.monotonic()
        if watches.needs_rewalk and now >= self._next_rewalk:
            hints |= self._rewalk(watches)
        if watches.blind and now >= self._next_retry:
            hints |= watches.retry_blind()
            self._next_retry = time.monotonic() + self._timing.retry
        if watches.descriptor.has_hoard:
            return hints | watches.read()
        if hints or has_more:
            timeout = 0.0
        if self._rest(min(timeout, self._timing.limbo)):
            self.stopped_event.wait(max(0.0, self._next_read - time.monotonic()))
            hints |= watches.read()
            self._next_read = time.monotonic() + BATCH_SECONDS
        return hints

    def _rest(self, seconds: float) -> bool:
        """Wait until something happens or is due, or for so long. Gives whether there are events to be read."""
        has_events = False
        due = max(0.0, min(self._next_root_poll, self._next_pulse) - time.monotonic())
        for descriptor, _ in self._poll.poll(math.ceil(min(seconds, due) * 1000)):
            if descriptor == self._mount_news:
                self._next_root_poll = min(self._next_root_poll, self._looked_at + MOUNT_SECONDS)
            elif descriptor != self._wake:
                has_events = True
            else:
                os.eventfd_read(self._wake)
                if self._watches is not None:
                    self._watches.needs_rewalk = True
        return has_events

    def _rewalk(self, watches: Watches) -> dict[str, bool]:
        watches.needs_rewalk = False
        self._mounts = mounts_around(watches.root)  # before the walk: a later mount makes a difference then
        watches.arm("")
        self._next_rewalk = time.monotonic() + self._timing.rewalk
        return {"": False}

    def _look_at_root(self) -> dict[str, bool]:
        """Arm the root if it is there and not watched; disarm what is watched if it is the root no more."""
        hints: dict[str, bool] = {}
        try:
            identity = identify(self._root)
        except OSError as error:
            identity, trouble = None, error
        if self._watches is not None:
            if identity == self._identity and self._watches.tree.root is not None:
                self._watches.suspects_root = False
                return self._look_at_mounts(self._watches)
            self._disarm()
            hints[""] = False
        if identity is None:
            self.state = self._with_overflows(root_trouble(self._root, trouble))
        elif self._arm(identity) and self.is_alive():  # not at the start: nothing has been missed yet
            hints[""] = False
        return hints

    def _look_at_mounts(self, watches: Watches) -> dict[str, bool]:
        """Watch what has come or gone with a mount beneath the root, which makes no event."""
        before, self._mounts = self._mounts, mounts_around(watches.root)
        changed = sorted({mount.path for mount in before.beneath ^ self._mounts.beneath})
        for path in changed:
            watches.arm(path)
        return dict.fromkeys(changed, False)

    def _arm(self, identity: RootIdentity) -> bool:
        try:
            watches = Watches(
                identity.real_path,
                skips=self._skips,
                keeps_running=self._keeps_walking,
                limbo_seconds=self._timing.limbo,
            )
        except OSError as error:
            self.state = self._with_overflows(no_descriptor(error))
            return False
        self._watches, self._identity = watches, identity
        self._mounts = mounts_around(identity.real_path)
        self._poll.register(watches.descriptor, select.POLLIN)
        watches.arm("")
        if watches.tree.root is None:
            self.state = self._with_overflows(seen_by(watches, self._mounts))
            self._disarm()
            return False
        self._next_rewalk = time.monotonic() + self._timing.rewalk
        self._next_retry = time.monotonic() + self._timing.retry
        return True

    def _keeps_walking(self) -> bool:
        """Whether a walk should go on; it may be long, and the heart goes on beating."""
        if time.monotonic() >= self._next_pulse and self.is_alive():
            self._pulse()
        return self.should_keep_running()

    def _disarm(self) -> None:
        if self._watches is not None:
            self._past_overflows += self._watches.overflows
            self._poll.unregister(self._watches.descriptor)
            self._watches.close()
            self._watches = None

    def _emit(self, hints: dict[str, bool]) -> None:
        """Queue the hints, and the state when it is due; at a hint for the root, the state that explains it."""
        is_pulse_due = "" in hints or time.monotonic() >= self._next_pulse
        if is_pulse_due and self._watches is not None:
            self.state = self._with_overflows(seen_by(self._watches, self._mounts))
        if hints:
            self.queue_event(HintBatch(tuple(map(Hint._make, hints.items()))))
        if is_pulse_due:
            self._pulse()

    def _pulse(self) -> None:
        self._next_pulse = time.monotonic() + self._timing.pulse
        self.queue_event(Pulse(self.state))

    def _with_overflows(self, state: WatchState) -> WatchState:
        now_open = self._watches.overflows if self._watches is not None else 0
        return replace(state, overflows=self._past_overflows + now_open)
