"""Tells events: to the log, and to whoever listens. The newest are kept, and nobody who reads slowly holds anything up.

Rule: an event that is told is its line of the log; there is no second one. To tell costs neither time nor memory
without a limit. Who falls behind loses the oldest of what waits for him, and is told how many.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tcbsync.core.events import Dropped, described
from tcbsync.core.sentences import Troubles, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection

    from tcbsync.core.events import Event, Level

log = logging.getLogger("tcbsync")

KEPT = 1000
"""So many events are kept for who asks later, and so many may wait for one reader."""


class Events:
    """What has happened since the start. Belongs to the event loop that it is told in."""

    def __init__(self, clock: Callable[[], float] = time.time, kept: int = KEPT) -> None:
        """With `kept` 0 there is the log alone: for a process that nobody can ask."""
        self._clock = clock
        self._kept = kept
        self._newest: deque[dict[str, Any]] = deque(maxlen=kept)
        self._readers: list[_Reader] = []
        self._troubles = Troubles()
        self.news = asyncio.Event()
        """Set when something is told, or may be told soon; whoever waits for it clears it."""

    def __repr__(self) -> str:
        return f"<Events {len(self._newest)} kept, {len(self._readers)} readers>"

    def tell(self, event: Event, mirror: str = "") -> None:
        """Tell everybody. Never waits."""
        self.news.set()
        for told, level in self._troubles.judge(event, mirror):
            self._tell(told, mirror, level)

    def _tell(self, event: Event, mirror: str, level: Level) -> None:
        is_logged = log.isEnabledFor(level)
        if not (is_logged or self._kept):
            return
        told = self._dated(event, mirror)
        if is_logged:
            log.log(level, "%s", sentence(event, mirror), extra={"told": told})
        self._newest.append(told)
        for reader in self._readers:
            reader.take(told)

    def keep(self, mirrors: Collection[str]) -> None:
        """Forget what is wrong with files of all mirrors but these: there are no others any more."""
        self._troubles.keep(mirrors)

    def newest(self, count: int | None = None) -> list[dict[str, Any]]:
        """Give the newest of what is kept, the oldest first; None: all of it."""
        kept = list(self._newest)
        return kept if count is None else kept[max(0, len(kept) - count) :]

    async def follow(self, last: int = 0) -> AsyncGenerator[dict[str, Any]]:
        """Give the `last` that were told and then what is told from now on, for ever.

        What was lost on the way is told as `dropped`.
        """
        reader = _Reader(self._kept)
        self._readers.append(reader)
        for told in self.newest(last):
            reader.take(told)
        try:
            while True:
                await reader.has_news.wait()
                if lost := reader.take_lost():
                    yield self._dated(Dropped(lost), "")
                while reader.waiting:
                    yield reader.waiting.popleft()
                reader.has_news.clear()
        finally:
            self._readers.remove(reader)

    def _dated(self, event: Event, mirror: str) -> dict[str, Any]:
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        return {"at": moment, **described(event, mirror)}


class _Reader:
    def __init__(self, most: int) -> None:
        self.waiting: deque[dict[str, Any]] = deque(maxlen=most)
        self.has_news = asyncio.Event()
        self._lost = 0

    def take(self, told: dict[str, Any]) -> None:
        self._lost += len(self.waiting) == self.waiting.maxlen
        self.waiting.append(told)
        self.has_news.set()

    def take_lost(self) -> int:
        lost, self._lost = self._lost, 0
        return lost
