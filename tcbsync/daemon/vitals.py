"""Feeds systemd's watchdog for as long as every part of the process moves. What is silent is named in the log.

The parts: the event loop (which does the feeding), the threads of each watcher, the manifest's writer, each mirror's
loops, each upload, and each worker thread that has something to do. Waiting for a gate to open, or having nothing to
do, is no silence; nor is a long upload whose bytes move.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateError
from tcbsync.daemon.sd_notify import notify, watchdog_seconds
from tcbsync.local.hints import WatchTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tcbsync.config.schema import ServiceConfig
    from tcbsync.daemon.watching import Watching
    from tcbsync.engine.heart import Heart
    from tcbsync.store.store import Store

log = logging.getLogger(__name__)

FEED_SECONDS = 10.0
"""The watchdog is fed, and the writer asked, so often; more often where systemd wants to hear of us soon."""
HUNG_SECONDS = 60.0
"""A writer or a worker that did not move for so long hangs, on a dead file system, say; where systemd wants to hear of
us more often, half of its time. A watcher has the time from one of its pulses to the next on top of that."""
CALLS = 6
"""Between two signs of an upload lie at most so many requests: a token, a link, both anew, and the file."""


def silent_seconds(service: ServiceConfig) -> float:
    """How long an upload or a loop may be silent while all of its calls take as long as they are allowed to."""
    sending = 1024 * 1024 / service.min_bytes_per_second
    return CALLS * (service.connect_seconds + service.request_seconds) + sending + service.retry_max_seconds


class Vitals:
    """Watches over one process."""

    def __init__(self, heart: Heart, store: Store, watchings: Callable[[], Sequence[Watching]]) -> None:
        self._heart = heart
        self._store = store
        self._watchings = watchings
        wanted = watchdog_seconds()
        self._hung_seconds = min(HUNG_SECONDS, wanted or HUNG_SECONDS)
        self._interval = min(FEED_SECONDS, self._hung_seconds / 4)
        self._written_at = 0.0

    async def keep_writing(self) -> None:
        """Let the manifest's writer show, again and again, that it carries out what it is given."""
        while True:
            with contextlib.suppress(StateError):  # that is an answer too
                await self._store.touch()
            self._written_at = asyncio.get_running_loop().time()
            await asyncio.sleep(self._interval)

    async def keep_feeding(self) -> None:
        """Feed the watchdog while everything moves; say what does not, once."""
        self._written_at = asyncio.get_running_loop().time()
        told: list[str] = []
        while True:
            await asyncio.sleep(self._interval)
            silent = self.silent()
            if not silent:
                notify(WATCHDOG="1")
            elif silent != told:
                log.error("not moving: %s. The watchdog is not fed, and systemd will restart this", ", ".join(silent))
            told = silent

    def silent(self) -> list[str]:
        """Name what does not move."""
        patience = WatchTiming().pulse + self._hung_seconds
        silent = [f"{each.mirror.name}: watcher" for each in self._watchings() if each.silent_seconds > patience]
        if asyncio.get_running_loop().time() - self._written_at > self._hung_seconds:
            silent.append("manifest writer")
        return silent + self._heart.silent(self._hung_seconds)
