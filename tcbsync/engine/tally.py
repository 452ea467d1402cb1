"""What was done since the start, what is under way, and how much of late. For whoever watches; decides nothing.

Rule: bounded. Counts, the last changes and the last hour, however much happens and for however long.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

CHANGES = 40
"""So many of the last changes are remembered."""
MINUTES = 60


class Change(NamedTuple):
    """Something that the cloud has confirmed. `size` in bytes, 0 for a delete; `at` in unix seconds."""

    path: str
    what: Literal["upload", "delete"]
    size: int
    at: float


@dataclass(slots=True)
class Flight:
    """An upload that is under way: how many bytes of how many, and since when (unix seconds)."""

    size: int
    since: float
    sent: int = 0


@dataclass(slots=True)
class Tally:
    """What one mirror has done, for status, summary and metrics."""

    uploads: int = 0
    upload_bytes: int = 0
    touches: int = 0
    deletes: int = 0
    failures: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    """By the error's class, as `core.errors` has them: attempts that failed and were repeated."""
    scans: int = 0
    scan_seconds: float = 0.0
    """All scans of the whole tree together."""
    flights: dict[str, Flight] = field(default_factory=dict)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=CHANGES))
    _minutes: dict[int, int] = field(default_factory=dict)

    def sent(self, path: str, count: int, now: float) -> None:
        """Note that bytes of a file have left; `now` in unix seconds."""
        if flight := self.flights.get(path):
            flight.sent += count
        minute = int(now // 60)
        self._minutes[minute] = self._minutes.get(minute, 0) + count
        if len(self._minutes) > MINUTES:
            del self._minutes[min(self._minutes)]

    def uploaded(self, path: str, size: int, now: float) -> None:
        """Note that the cloud has proved a file. What of it was not noted as sent was so now."""
        flight = self.flights.get(path)
        if left := size - (flight.sent if flight else 0):
            self.sent(path, left, now)
        self.uploads += 1
        self.upload_bytes += size
        self.changes.append(Change(path, "upload", size, now))

    def deleted(self, paths: Sequence[str], now: float) -> None:
        """Note that the cloud has confirmed deletes."""
        self.deletes += len(paths)
        self.changes.extend(Change(path, "delete", 0, now) for path in paths[-CHANGES:])

    def scanned(self, seconds: float) -> None:
        """Note a look at the whole tree."""
        self.scans += 1
        self.scan_seconds += seconds

    def hour(self, now: float) -> list[int]:
        """Give the bytes that left in each of the last 60 minutes, the one that is under way last."""
        this = int(now // 60)
        return [self._minutes.get(minute, 0) for minute in range(this - MINUTES + 1, this + 1)]
