"""Gathers what is shown: one value for the page, its refreshes and the metrics. Reads what runs, and changes nothing.

Rule: nobody looks, nothing is done. And however many look, what is read may take one part in ten of the time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tcbsync import status
from tcbsync.core.safety import listing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tcbsync.engine.mirror import Mirror
    from tcbsync.engine.pace import Pace
    from tcbsync.engine.tally import Change, Flight, Tally
    from tcbsync.local.watch import WatchState
    from tcbsync.status import MirrorStatus
    from tcbsync.store.answers import Failure, Held, Stored
    from tcbsync.store.report import Report

    Place = tuple[str, str, str]
    """Name, env and prefix of a mirror: a reload may give one of them to another mirror."""

LISTED = 50
"""Of a list that may be long, so many are shown."""
FRESH_SECONDS = 1.0
LOOK_SHARE = 10
"""What was read is shown again for this, or for so many times as long as it took to read."""


class Eyes(Protocol):
    """Who watches a folder, and how well."""

    @property
    def state(self) -> WatchState:
        """How well it sees now."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of one mirror of this process."""

    mirror: Mirror
    report: Report
    eyes: Eyes


@dataclass(frozen=True, slots=True)
class Lists:
    """The rows that a page names: some of each kind. `stored`: what the cloud surely holds of the last changes."""

    failures: list[Failure] = field(default_factory=list)
    problems: list[tuple[str, str, float]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    listing: str = ""
    """How `tcbsync approve --list` calls what is held."""
    stored: dict[str, Stored] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MirrorView:
    """One mirror. `tally` is alive: read it in the event loop."""

    status: MirrorStatus
    lists: Lists
    place: str
    """Where its files go: env and prefix."""
    root: str
    watch: WatchState
    tally: Tally
    drift: int
    proved_at: float | None
    """When disk and cloud were last known to be equal (unix seconds)."""

    @property
    def name(self) -> str:
        """How it is called."""
        return self.status.name

    @property
    def told(self) -> dict[str, Any]:
        """Its status as JSON has it."""
        return asdict(self.status)

    @property
    def flights(self) -> list[tuple[str, Flight]]:
        """The uploads that are under way, the oldest first."""
        return sorted(self.tally.flights.items(), key=lambda item: item[1].since)

    @property
    def changes(self) -> list[Change]:
        """The last changes, the newest first."""
        return list(reversed(self.tally.changes))


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything, as of `at` (unix seconds)."""

    at: float
    mirrors: list[MirrorView]
    service: dict[str, Any]
    pauses: dict[str, int]
    """How often the service was not called for a while, by the state that it was in."""
    notified: Mapping[str, int] = field(default_factory=dict)
    """Messages to people elsewhere that were `sent` and `given_up`, and tries that `failed`."""

    @property
    def hour(self) -> list[int]:
        """The bytes that left in each of the last 60 minutes, all mirrors together."""
        return [sum(minute) for minute in zip(*(mirror.tally.hour(self.at) for mirror in self.mirrors), strict=True)]


class View:
    """Reads it all, at most as often as is worth it."""

    def __init__(
        self,
        sources: Callable[[], Sequence[Source]],
        pace: Pace,
        notice: Callable[[], str],
        notified: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """Read `sources`, the mirrors there are then. `notice` says what works and should be mended all the same.

        `notified`: see Overview.
        """
        self._notified = notified
        self._sources = sources
        self._pace = pace
        self._notice = notice
        self._seen: Overview | None = None
        self._fresh_until = 0.0
        self._looking = asyncio.Lock()
        self._equal_at: dict[Place, float] = {}
        self._listings: dict[Place, tuple[tuple[int, int], str]] = {}

    async def look(self) -> Overview:
        """Give what is, or what was a moment ago. Raises StateError where the manifest cannot be read."""
        clock = time.monotonic
        async with self._looking:
            if self._seen is None or clock() >= self._fresh_until:
                started = clock()
                self._seen = await self._read()
                ended = clock()
                self._fresh_until = ended + max(FRESH_SECONDS, LOOK_SHARE * (ended - started))
            return self._seen

    async def alive(self) -> None:
        """Ask the manifest something small, in a worker thread. Raises StateError."""
        for source in self._sources():
            await asyncio.to_thread(source.report.times)

    def source(self, name: str) -> Source | None:
        """Give the mirror of this name."""
        return next((source for source in self._sources() if source.mirror.name == name), None)

    def unscanned(self) -> list[str]:
        """Name the mirrors whose whole tree was not looked at yet."""
        return [source.mirror.name for source in self._sources() if not source.mirror.looks.has_scanned]

    async def _read(self) -> Overview:
        now, sources = time.time(), self._sources()
        changed = [[change.path for change in source.mirror.parts.tally.changes] for source in sources]
        read = await asyncio.to_thread(lambda: list(map(self._rows, sources, changed)))
        pauses: dict[str, int] = {}
        for gate in self._pace.all_gates():
            for state, count in gate.closed.items():
                pauses[state] = pauses.get(state, 0) + count
        mirrors = [self._view(source, told, lists, now) for source, (told, lists) in zip(sources, read, strict=True)]
        return Overview(now, mirrors, status.service_status(self._pace, self._notice()), pauses, self._notified())

    def _rows(self, source: Source, changed: Sequence[str]) -> tuple[MirrorStatus, Lists]:
        """Blocks on queries."""
        report = source.report
        told = status.live_status(source.mirror, report, source.eyes.state)
        if not (told.failed or told.problems or told.held_deletes or changed):
            return told, Lists()
        problems = [(path, reason, since) for path, reason, blocks, since in report.problems(LISTED) if blocks]
        stored = {path: found for path in changed if (found := report.stored(path))}
        held = report.held(LISTED)
        return told, Lists(report.failures(LISTED), problems, held, self._listing(source) if held else "", stored)

    def _listing(self, source: Source) -> str:
        """Name the whole list of what is held, which may be long: it is read when something was committed."""
        version, place = source.report.version(), status.place(source.mirror)
        if place not in self._listings or self._listings[place][0] != version:
            self._listings[place] = version, listing_of(each.path for each in source.report.held())
        return self._listings[place][1]

    def _view(self, source: Source, told: MirrorStatus, lists: Lists, now: float) -> MirrorView:
        mirror, place = source.mirror, status.place(source.mirror)
        if told.state == "in_sync":
            self._equal_at[place] = now
        proved = [at for at in (status.seconds_of(told.last_proved_at), self._equal_at.get(place)) if at is not None]
        return MirrorView(
            status=told,
            lists=lists,
            place=f"{mirror.parts.target.env}/{mirror.parts.target.prefix}",
            root=str(mirror.parts.target.root),
            watch=source.eyes.state,
            tally=mirror.parts.tally,
            drift=mirror.drift,
            proved_at=max(proved, default=None),
        )
