"""Brings a watcher to a mirror: its threads hand hints over to the event loop, its state is kept for status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from tcbsync.local.watch import Watcher, WatchMode, WatchState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tcbsync.engine.mirror import Mirror
    from tcbsync.local.watch import Hint

log = logging.getLogger(__name__)


class Watching:
    """The eyes of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self._loop = asyncio.get_running_loop()
        self._watcher = Watcher(
            mirror.parts.target.root, on_hints=self._on_hints, on_state=self._on_state, skips=self._skips
        )
        self._rules = ""

    @property
    def state(self) -> WatchState:
        """How well it sees."""
        return self._watcher.state

    @property
    def is_alive(self) -> bool:
        """Whether its threads are."""
        return self._watcher.is_alive()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Watching]:
        """Watch until the end of the block; the watches are armed when it begins."""
        await asyncio.to_thread(self._watcher.start)
        try:
            yield self
        finally:
            await asyncio.to_thread(self._watcher.stop)

    def check(self) -> None:
        """Walk the tree again where other directories are ignored than when it was armed."""
        disk = self.mirror.looks.disk
        if disk is not None and disk.rules.digest != self._rules:
            if self._rules:
                self._watcher.rearm()
            self._rules = disk.rules.digest

    def _on_hints(self, hints: Sequence[Hint]) -> None:
        self._loop.call_soon_threadsafe(self.mirror.hint, hints)

    def _on_state(self, state: WatchState) -> None:
        self._loop.call_soon_threadsafe(self._note, state)

    def _note(self, state: WatchState) -> None:
        if state.reason:
            log.warning("%s: watching (%s): %s", self.mirror.name, state.mode.value, state.reason)
        else:
            log.info("%s: watching (%s)", self.mirror.name, state.mode.value)
        is_timed = state.mode in (WatchMode.TIMED, WatchMode.WAITING)
        everything = is_timed or state.blind_count > len(state.blind)
        self.mirror.blind = ("",) if everything else state.blind

    def _skips(self, path: str) -> bool:
        disk = self.mirror.looks.disk
        return disk is not None and disk.rules.ignores(path, is_directory=True)
