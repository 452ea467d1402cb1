"""Finds out what has changed between two looks at the mirrors' states, and sums up their work. No clock of its own.

The rule: a mirror's work is told when it rests, in one event, and not more than once in five minutes: what was done
meanwhile is in the next one, or in that of the end, and nothing is lost. That trouble is over is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tcbsync.core.events import Rested, StateChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tcbsync.core.events import Event
    from tcbsync.engine.tally import Tally
    from tcbsync.status import MirrorStatus

APART_SECONDS = 300.0
WAITING = ("starting", "scanning", "held", "offline", "paused")
"""Whoever comes from one of these is told to be in sync, though nothing was to be done. Staying in it is no news."""


@dataclass(slots=True)
class _Work:
    """What one mirror has done since that was last told. Times in seconds, of whatever clock."""

    tally: Tally
    mirror: MirrorStatus
    """As it was last seen."""
    uploads: int = 0
    count: int = 0
    deletes: int = 0
    """As the tally was then."""
    began_at: float | None = None
    told_at: float = -inf
    is_awaited: bool = True

    def has_done(self) -> bool:
        return (self.tally.uploads, self.tally.deletes) != (self.uploads, self.deletes)

    def end(self, now: float) -> Rested:
        """Sum up, and begin anew."""
        tally, began_at = self.tally, now if self.began_at is None else self.began_at
        rested = Rested(
            state=self.mirror.state,
            uploads=tally.uploads - self.uploads,
            bytes=tally.upload_bytes - self.count,
            deletes=tally.deletes - self.deletes,
            failed=self.mirror.failed,
            seconds=round(now - began_at, 1),
        )
        self.uploads, self.count, self.deletes = tally.uploads, tally.upload_bytes, tally.deletes
        self.began_at, self.told_at, self.is_awaited = None, now, False
        return rested


class Changes:
    """What was last seen of each mirror. `tell` gets what is different, with the mirror's name."""

    def __init__(self, tell: Callable[[Event, str], None]) -> None:
        self._tell = tell
        self._states: dict[str, str] = {}
        self._works: dict[str, _Work] = {}

    def __repr__(self) -> str:
        return f"<Changes {', '.join(f'{name}: {state}' for name, state in self._states.items())}>"

    def take(self, mirrors: Iterable[MirrorStatus], tallies: Mapping[str, Tally], now: float) -> None:
        """Take a look in: tell of each state that is another, and of work that has come to its end."""
        before, self._states = self._states, {}
        for mirror in mirrors:
            self._states[mirror.name] = mirror.state
            was = before.get(mirror.name, "stopped")
            if was != mirror.state:
                self._tell(StateChanged(mirror.state, was, mirror.reason), mirror.name)
            if tally := tallies.get(mirror.name):  # else a reload took it away meanwhile
                self._sum_up(mirror, tally, now)
        for name in self._works.keys() - self._states.keys():
            self._end(name, now)
            del self._works[name]

    def end(self, now: float) -> None:
        """Tell what was done and is not told yet: the daemon ends."""
        for name in self._works:
            self._end(name, now)

    def _end(self, name: str, now: float) -> None:
        if (work := self._works.get(name)) and work.has_done():
            self._tell(work.end(now), name)

    def _sum_up(self, mirror: MirrorStatus, tally: Tally, now: float) -> None:
        work = self._works.get(mirror.name)
        if work is None or work.tally is not tally:  # a reload has put another mirror in its place
            self._end(mirror.name, now)
            work = self._works[mirror.name] = _Work(tally, mirror, began_at=now)
        was, work.mirror = work.mirror.state, mirror
        work.is_awaited |= was != mirror.state and (was in WAITING or mirror.state in WAITING)
        is_at_rest = _is_at_rest(mirror)
        if work.began_at is None and (work.has_done() or not is_at_rest):
            work.began_at = now
        is_worth_it = work.has_done() or (work.is_awaited and mirror.state == "in_sync")
        if is_at_rest and is_worth_it and (work.is_awaited or now - work.told_at >= APART_SECONDS):
            self._tell(work.end(now), mirror.name)


def _is_at_rest(mirror: MirrorStatus) -> bool:
    """Whether nothing is left to do now: all is equal, or what is left has failed, or is held."""
    if mirror.state == "in_sync":
        return True
    pending = mirror.pending_uploads + mirror.pending_deletes
    return mirror.state in ("syncing", "held") and not mirror.in_flight and pending == mirror.failed - mirror.parked
