"""Brings a watcher to a mirror: its threads hand hints over to the event loop, its state is kept for status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from math import inf
from typing import TYPE_CHECKING

from tcbsync.core.events import WatchingChanged
from tcbsync.core.keys import normal
from tcbsync.local.glance import glanced
from tcbsync.local.watch import Watcher, WatchMode, WatchState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tcbsync.core.ignore import Rules
    from tcbsync.engine.mirror import Mirror
    from tcbsync.local.watch import Hint

log = logging.getLogger(__name__)

PENDING_PATHS = 50_000
"""More paths than these that wait for the event loop become one: the root."""
ARM_SECONDS = 0.5
"""So often it is asked whether a disk that did not answer was looked at."""
END_SECONDS = 3.0
"""Nobody waits longer for the threads to end: one that hangs in a dead disk does not. systemd gives all of us 15 s."""


class Watching:
    """The eyes of one mirror."""

    def __init__(self, mirror: Mirror, stir: Callable[[], None] = lambda: None) -> None:
        """`stir` is called when something was seen."""
        self.mirror = mirror
        self._stir = stir
        self._loop = asyncio.get_running_loop()
        self._watcher = Watcher(
            mirror.parts.target.root, on_hints=self._on_hints, on_state=self._on_state, skips=self._skips
        )
        self._lock = threading.Lock()
        self._pending: dict[str, bool] = {}
        self._told: tuple[WatchMode, str] | None = None
        self._arming: asyncio.Task[None] | None = None
        """It waits for a disk that does not answer."""
        self._is_over = asyncio.Event()
        self._rules: Rules | None = None
        """By which directories are watched or not. They outlive a root that is missing for a while."""

    @property
    def state(self) -> WatchState:
        """How well it sees."""
        return self._watcher.state

    @property
    def silent_seconds(self) -> float:
        """For how long its threads were not seen at work; for ever where one of them has died."""
        if self._arming is not None and not self._arming.done():
            return 0.0  # nothing watches a disk that does not answer
        return time.monotonic() - self.state.heartbeat if self._watcher.is_alive() else inf

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Watching]:
        """Watch until the end of the block; the watches are armed when it begins, but for what is ignored.

        Where the disk does not answer, they are armed when it does: whoever touched it now would hang.
        """
        try:
            self._rules = (await self.mirror.looks.open()).rules
        except TimeoutError:
            self._arming = asyncio.create_task(self._arm(), name=f"{self.mirror.name}: arm")
        except OSError:
            pass  # told by the first look
        try:
            if self._arming is None:
                await asyncio.to_thread(self._watcher.start)
            yield self
        finally:
            self._is_over.set()
            await self._end()

    async def _end(self) -> None:
        name = self.mirror.name
        try:
            if self._arming is not None:
                async with asyncio.timeout(END_SECONDS):
                    await asyncio.wait([self._arming])
            # In a thread that the end of the process does not wait for either.
            root = self.mirror.parts.target.root
            await glanced(f"{root}: end of its watcher", self._watcher.stop, END_SECONDS)
        except TimeoutError:
            log.warning("%s: its watcher hangs, in a disk that does not answer; it is left behind", name)

    async def _arm(self) -> None:
        """Arm the watches when a look has found that the disk answers, and have everything looked at once more."""
        while (disk := self.mirror.looks.disk) is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ARM_SECONDS):
                    await self._is_over.wait()
                    return
        self._rules = disk.rules
        host, name = self.mirror.parts.host, self.mirror.name
        try:
            await host.heart.live(f"{name}: watcher", host.offload(self._watcher.start))
        except (OSError, RuntimeError):
            log.exception("%s: cannot be watched", name)  # it is silent for ever then, and the watchdog hears of that
        self.mirror.hint([("", True)])

    def check(self) -> None:
        """Walk the tree again where other directories are ignored than when it was armed."""
        disk = self.mirror.looks.disk
        if disk is not None and (self._rules is None or disk.rules.digest != self._rules.digest):
            self._rules = disk.rules
            self._watcher.rearm()

    def _on_hints(self, hints: Sequence[Hint]) -> None:
        with self._lock:
            is_awaited = bool(self._pending)
            self._pending.update(hints)
            if len(self._pending) > PENDING_PATHS:
                self._pending = {"": False}
        if not is_awaited:
            self._loop.call_soon_threadsafe(self._take_hints)

    def _take_hints(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, {}
        self.mirror.hint(pending.items())
        self._stir()

    def _on_state(self, state: WatchState) -> None:
        self._loop.call_soon_threadsafe(self._note, state)

    def _note(self, state: WatchState) -> None:
        told, self._told = self._told, (state.mode, state.reason)
        if self._told != told and (told or state.reason):  # that it begins to see well is no change
            self.mirror.parts.tell(WatchingChanged(state.mode.value, state.reason))
        is_timed = state.mode in (WatchMode.TIMED, WatchMode.WAITING, WatchMode.NATIVE)
        everything = is_timed or state.blind_count > len(state.blind)
        self.mirror.blind = ("",) if everything else state.blind

    def _skips(self, path: str) -> bool:
        return self._rules is not None and self._rules.ignores(normal(path), is_directory=True)
