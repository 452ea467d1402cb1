"""Says where to look: tells a callback which paths below a root may have changed. Looks at no file itself.

Rule: hints may come too often, never too seldom; where that cannot be promised, the state says where, and the
engine rescans there. On Linux an emitter of our own sits on watchdog's extension API, because watchdog's
built-in one loses changes and dies without a sign; on other systems watchdog's default observer serves.

What no watcher sees, and only a rescan finds: writes through mmap, truncate(path), chmod, files that are
written for a long time and never closed, and changes that another machine makes on a network file system.
What not even a rescan finds: a second write through a mapping to a page that has not been written back since the
first. It changes no time of the file (measured on ext4), so it is found with the file's next change.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver

from tcbsync.local.hints import EVERYTHING, Hint, HintBatch, Pulse, WatchMode, WatchState, WatchTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from watchdog.observers.api import EventEmitter

    from tcbsync.local.watch_emitter import InotifyEmitter

__all__ = ["Hint", "WatchMode", "WatchState", "WatchTiming", "Watcher"]

logger = logging.getLogger(__name__)


def _nothing(_path: str) -> bool:
    return False


class Watcher:
    """Watches one root and all beneath it, from `start` to `stop`; it can be started again.

    `on_hints` gets a batch of hints for each read of the kernel's queue, each path once; `on_state` gets a state
    that differs from the one before in more than its heartbeat and its number of watches. Both are called in
    one thread of the watcher and should only hand over; what they raise is logged, a state that was not taken
    is told again, and hints that were not taken are made good by one for the root. `skips(path)` is asked, in
    other threads too, whether a directory is ignored with all beneath it: it is not watched then. `observer`
    replaces inotify by an observer of watchdog's, as happens by itself on other systems; that one tells a
    single state, in the thread that starts it.
    """

    def __init__(
        self,
        root: Path,
        *,
        on_hints: Callable[[Sequence[Hint]], None],
        on_state: Callable[[WatchState], None] | None = None,
        skips: Callable[[str], bool] = _nothing,
        timing: WatchTiming | None = None,
        observer: Callable[[], BaseObserver] | None = None,
    ) -> None:
        self._root = os.path.abspath(root)  # noqa: PTH100 - a str all the way
        self._delivery = _Delivery(on_hints, on_state)
        self._skips = skips
        self._timing = timing or WatchTiming()
        self._make_observer = observer
        self._lifecycle = threading.Lock()
        self._observer: BaseObserver | None = None
        self._emitter: InotifyEmitter | None = None
        self._native_state = WatchState(WatchMode.WAITING, "not started yet")

    def start(self) -> None:
        """Arm all watches, in this thread, and return; a root that is missing or unreadable is no error.

        It takes about 1 s for 50,000 directories; `stop` in another thread cuts it short. Raises OSError or
        RuntimeError at the limits of open files and threads; nothing is left behind then.
        """
        with self._lifecycle:
            if self._observer is not None:
                raise RuntimeError("the watcher has been started already")
            if self._make_observer is None and sys.platform == "linux":
                self._start_inotify()
            else:
                self._start_native()

    def stop(self) -> None:
        """Give all watches back and end the threads; hints that are not delivered yet are dropped."""
        if self._emitter is not None:
            self._emitter.stopped_event.set()
        with self._lifecycle:
            observer, self._observer = self._observer, None
            emitter, self._emitter = self._emitter, None
            self._native_state = WatchState(WatchMode.WAITING, "stopped")
        if observer is not None:
            _end(observer, emitter)

    def rearm(self) -> None:
        """Walk the tree again and hint the root, soon: for when `skips` answers otherwise than before."""
        with self._lifecycle:
            if self._emitter is not None:
                self._emitter.rearm()

    def is_alive(self) -> bool:
        """Whether every thread that should run does; it is the heartbeat that tells whether they get on."""
        observer = self._observer
        return observer is not None and all(thread.is_alive() for thread in (observer, *observer.emitters))

    @property
    def state(self) -> WatchState:
        """How well the watcher sees at this moment, give or take five seconds."""
        emitter = self._emitter
        if emitter is not None:
            return replace(emitter.state, heartbeat=self._delivery.heartbeat)
        return replace(self._native_state, heartbeat=time.monotonic() if self.is_alive() else 0.0)

    def _start_inotify(self) -> None:
        from tcbsync.local.watch_emitter import InotifyEmitter  # noqa: PLC0415 - it exists on Linux only

        # watchdog calls what it is given as it would call the class, in all its versions.
        make_emitter = partial(InotifyEmitter, root=self._root, skips=self._skips, timing=self._timing)
        observer = BaseObserver(cast("type[EventEmitter]", make_emitter), timeout=self._timing.pulse)
        # With the slash it is never taken for a file, whatever it is now: watchdog filters the events of files.
        observer.schedule(self._delivery, os.path.join(self._root, ""), recursive=True)  # noqa: PTH118
        (emitter,) = cast("set[InotifyEmitter]", observer.emitters)
        self._emitter = emitter
        try:
            observer.start()
        except BaseException:
            self._emitter = None
            _end(observer, emitter)
            raise
        self._observer = observer

    def _start_native(self) -> None:
        from watchdog.observers import Observer  # noqa: PLC0415 - it chooses, and imports, by the system

        from tcbsync.local.watch_native import NativeHandler  # noqa: PLC0415

        observer = (self._make_observer or Observer)()
        try:
            observer.schedule(NativeHandler(self._root, self._delivery.hand_over), self._root, recursive=True)
            observer.start()
        except OSError as error:
            self._native_state = WatchState(WatchMode.WAITING, f"root {self._root} cannot be watched: {error}")
        else:
            self._observer = observer
            self._native_state = WatchState(WatchMode.NATIVE)
        self._delivery.tell(self._native_state)


def _end(observer: BaseObserver, emitter: InotifyEmitter | None) -> None:
    observer.stop()  # and its emitters, whether or not they were started
    if observer.is_alive() and observer is not threading.current_thread():
        observer.join()
    if emitter is not None:
        emitter.close()


class _Delivery(FileSystemEventHandler):
    """Calls the user's functions; nothing that they raise reaches watchdog, which would end its thread."""

    def __init__(
        self,
        on_hints: Callable[[Sequence[Hint]], None],
        on_state: Callable[[WatchState], None] | None,
    ) -> None:
        self.heartbeat = time.monotonic()
        self._on_hints = on_hints
        self._on_state = on_state
        self._owes_root = False  # hints were refused
        self._told: WatchState | None = None
        self._is_state_refused = False

    def dispatch(self, event: FileSystemEvent) -> None:
        if isinstance(event, HintBatch):
            self.hand_over(event.hints)
        elif isinstance(event, Pulse):
            self.heartbeat = time.monotonic()
            if self._owes_root:
                self.hand_over(())
            self.tell(event.state)

    def hand_over(self, hints: Sequence[Hint]) -> None:
        try:
            self._on_hints((EVERYTHING, *hints) if self._owes_root else hints)
        except Exception:
            if not self._owes_root:
                logger.exception("hints were refused; the root is hinted instead until that is taken")
            self._owes_root = True
        else:
            self._owes_root = False

    def tell(self, state: WatchState) -> None:
        news = replace(state, watches=0)
        if self._on_state is None or news == self._told:
            return
        try:
            self._on_state(replace(state, heartbeat=self.heartbeat))
        except Exception:
            if not self._is_state_refused:
                logger.exception("a state was refused; it is told again until one is taken")
            self._is_state_refused = True
        else:
            self._told, self._is_state_refused = news, False
