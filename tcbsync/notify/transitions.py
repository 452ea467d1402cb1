"""Decides what of all that the status says is worth a message. Pure: the time is an argument, in unix seconds.

The rules: what is amiss is told when it has lasted for a while, at once or in pieces that follow closely, once; again
only an hour later and if there is more of it, or after a day. That it is over is told when it has been over for as
long, and only if it was told before. What came back within an hour of that counts as over only after an hour: a flap
makes three messages, however long it goes on. "Cannot be known now" is neither there nor over. A restart goes on from
what has arrived somewhere: what nobody has read is told then as if for the first time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tcbsync.status import seconds_of
from tcbsync.verdict import is_stalled, is_unseen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tcbsync.verdict import Told

    Place = tuple[str, str]
    """One thing that can be amiss: a mirror's `deletes`, `files` or `paths`, or the `service`, which is no mirror's."""

WHAT = {
    "unseen": "held",
    "held": "held",
    "failed": "failed",
    "unreadable": "failed",
    "offline": "offline",
    "blocked": "blocked",
    "stalled": "blocked",
    "paused": "quota",
    "full": "quota",
}
"""Kind of trouble → what a webhook may ask to be told of. The service's kinds are its states, but for `stalled`: it is
blocked because the state directory takes no more."""
PLACES = {"unseen": "deletes", "held": "deletes", "failed": "files", "unreadable": "paths"}
"""Kind of trouble → the first part of its place; all others are the service's."""
HOUR, DAY = 3600.0, 86400.0
SERVICE = ("service", "")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is amiss at one place now. `since` (unix seconds): None, since it was first seen."""

    kind: str
    count: int = 0
    """Files, deletes or paths."""
    reason: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at the status has shown."""

    troubles: Mapping[Place, Trouble]
    unknown: frozenset[Place]
    """Where nothing is amiss as far as is known, and little is known."""
    mirrors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Notice:
    """What is worth a message. Times in unix seconds."""

    what: str
    kind: str
    """Of trouble. Where `what` is recovered: of the one that is over."""
    mirror: str
    """Empty: it concerns all."""
    at: float
    since: float
    count: int = 0
    reason: str = ""
    is_repeated: bool = False
    """It was told before: there is more of it, it goes on, or it came back."""
    paths: tuple[str, ...] = ()
    """Some of the files."""
    told: tuple[str, ...] = ()
    """Where `what` is recovered: what was told of it before, as a webhook may ask for it."""

    @property
    def place(self) -> Place:
        """Where it is, or was, amiss."""
        return PLACES.get(self.kind, "service"), self.mirror


def sight(answer: Told) -> Sight:
    """Read the status, as JSON has it. A look that is under way knows what is amiss, and not yet what is well."""
    troubles: dict[Place, Trouble] = {}
    unknown: set[Place] = set()
    service = answer["service"]
    for mirror in answer["mirrors"]:
        deletes, files, paths = ((group, mirror["name"]) for group in ("deletes", "files", "paths"))
        if mirror["hold"]:
            kind, since = "unseen" if is_unseen(mirror) else "held", seconds_of(mirror["hold_since"])
            troubles[deletes] = Trouble(kind, mirror["held_deletes"], mirror["hold"], since)
        if is_unseen(mirror):
            unknown |= {files, paths}
        else:
            counts = (files, "failed", mirror["failed"]), (paths, "unreadable", mirror["problems"])
            troubles |= {place: Trouble(kind, count) for place, kind, count in counts if count}
        if mirror["state"] in ("starting", "scanning"):
            unknown |= {deletes, files, paths, SERVICE}
    if service["state"] != "ok":
        kind = "stalled" if is_stalled(service) else service["state"]
        troubles[SERVICE] = Trouble(kind, reason=service["last_error"] or "")
    return Sight(troubles, frozenset(unknown), frozenset(mirror["name"] for mirror in answer["mirrors"]))


@dataclass(slots=True)
class _Case:
    """One place where something is, or was a while ago, amiss."""

    kind: str
    since: float
    """Since when something is amiss, as it is told."""
    seen_at: float
    """Since when it was there at each look."""
    kind_at: float
    """The same for what it is now."""
    gone_at: float | None = None
    """Since when it was not there at any look; None: it is there."""
    told: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Kind → when it was last told, and how many there were."""
    over_at: float | None = None
    """When it was last told that it is over."""
    is_restless: bool = False
    """It came back soon after that."""
    reason: str = field(default="", init=False)
    count: int = field(default=0, init=False)
    """Both as it is now."""
    arrived: dict[str, tuple[float, int]] = field(init=False)
    """As `told`, of what has arrived somewhere; empty when its end has."""
    arrived_at: float = field(default=0.0, init=False)
    """When the newest of that was told."""

    def __post_init__(self) -> None:
        self.told = {str(kind): (float(at), int(count)) for kind, (at, count) in self.told.items() if kind in WHAT}
        self.arrived = dict(self.told)
        _, self.count = self.told.get(self.kind, (0.0, 0))
        if self.kind not in WHAT:
            raise ValueError(f"no such kind of trouble: {self.kind}")
        times = (self.since, self.seen_at, self.kind_at, self.gone_at or 0.0, self.over_at or 0.0)
        if not all(isinstance(at, int | float) for at in times):
            raise ValueError("a time is no number")

    def turn_back(self, now: float) -> None:
        """Take a clock that was set back for what it says: nothing has happened later than now."""
        self.since = min(self.since, now)
        self.seen_at, self.kind_at = min(self.seen_at, now), min(self.kind_at, now)
        self.gone_at = None if self.gone_at is None else min(self.gone_at, now)
        self.over_at = None if self.over_at is None else min(self.over_at, now)
        self.told, self.arrived = (
            {kind: (min(at, now), count) for kind, (at, count) in each.items()} for each in (self.told, self.arrived)
        )
        self.arrived_at = min(self.arrived_at, now)

    def resume(self, now: float, settle_seconds: float) -> None:
        """Go on from before, if it was not away for long: its times add up. Else begin anew."""
        away = now - (self.gone_at or now)
        if away < settle_seconds:
            self.seen_at, self.kind_at = self.seen_at + away, self.kind_at + away
        else:
            self.kind_at = now
            if not self.told:
                self.since = self.seen_at = now
        self.gone_at = None

    def has_ended_within_an_hour(self, now: float) -> bool:
        return self.over_at is not None and now - self.over_at < HOUR

    def is_due(self, count: int, now: float, settle_seconds: float) -> bool:
        """Whether what is there has to be told."""
        if now - (self.kind_at if self.told else self.seen_at) < settle_seconds:
            return False
        if self.kind not in self.told:
            return True
        at, before = self.told[self.kind]
        return now - at >= (HOUR if count > before else DAY)

    def kept(self) -> dict[str, Any]:
        """Give, as JSON, what a restart must not forget: of what was told, what has arrived."""
        document = asdict(self)
        document["told"] = document.pop("arrived")
        del document["reason"], document["count"], document["arrived_at"]
        return document


class Transitions:
    """What was told, and what may have to be."""

    def __init__(self, settle_seconds: float) -> None:
        self.settle_seconds = settle_seconds
        self._cases: dict[Place, _Case] = {}

    def __repr__(self) -> str:
        told = [f"{' '.join(place).strip()} {case.kind}" for place, case in self._cases.items() if case.told]
        return f"<Transitions told: {', '.join(told) or 'nothing'}>"

    def look(self, seen: Sight, now: float) -> list[Notice]:
        """Take in what is, and give what is worth a message now."""
        for case in self._cases.values():
            case.turn_back(now)
        there = [notice for place, trouble in seen.troubles.items() for notice in self._there(place, trouble, now)]
        missing = [place for place in self._cases if place not in seen.troubles and place not in seen.unknown]
        return there + [notice for place in missing for notice in self._missing(place, seen, now)]

    def _there(self, place: Place, trouble: Trouble, now: float) -> Iterator[Notice]:
        case = self._cases.setdefault(place, _Case(trouble.kind, now, now, now))
        if case.gone_at is not None:
            case.resume(now, self.settle_seconds)
        if case.kind != trouble.kind:
            case.kind, case.kind_at = trouble.kind, now
        if not case.told and trouble.since is not None:
            case.since = min(trouble.since, now)
        case.count, case.reason = trouble.count, trouble.reason
        if not case.is_due(trouble.count, now, self.settle_seconds):
            return
        came_back = not case.told and case.has_ended_within_an_hour(now)
        is_repeated = trouble.kind in case.told or came_back
        case.is_restless = case.is_restless or came_back
        case.told[trouble.kind] = (now, trouble.count)
        yield Notice(
            WHAT[trouble.kind], trouble.kind, place[1], now, case.since, trouble.count, trouble.reason, is_repeated
        )

    def _missing(self, place: Place, seen: Sight, now: float) -> Iterator[Notice]:
        case, mirror = self._cases[place], place[1]
        is_configured = not mirror or mirror in seen.mirrors
        if case.gone_at is None:
            case.gone_at = now
        if not case.told:
            is_owed = case.arrived and is_configured
            is_over = now - case.gone_at >= self.settle_seconds and not case.has_ended_within_an_hour(now)
            if is_over and not is_owed:
                del self._cases[place]
        elif now - case.gone_at >= max(self.settle_seconds, HOUR if case.is_restless else 0.0):
            if is_configured:
                yield _end(place, case, case.told, now)
            case.told, case.over_at, case.is_restless = {}, now, False

    def standing(self, now: float) -> list[Notice]:
        """Give what has been told and is not over, for who hears of it only now; and ends that have arrived nowhere."""
        return list(self._standing(now))

    def _standing(self, now: float) -> Iterator[Notice]:
        for place, case in self._cases.items():
            if case.gone_at is None and case.kind in case.told:
                yield Notice(WHAT[case.kind], case.kind, place[1], now, case.since, case.count, case.reason)
            elif case.gone_at is not None and case.arrived and not case.told:
                yield _end(place, case, case.arrived, now)

    def arrived(self, notice: Notice) -> None:
        """Take in that somebody has read this, or that nobody wants to read of an end."""
        case = self._cases.get(notice.place)
        if case is None or notice.at < case.arrived_at:
            return  # it comes late, to the second of two webhooks: the first has read on
        case.arrived_at = notice.at
        if notice.what == "recovered":
            case.arrived = {}
        else:
            case.arrived[notice.kind] = (notice.at, notice.count)

    def remembered(self) -> list[Any]:
        """Give, as JSON, what a restart must not forget."""
        known = {place: case for place, case in self._cases.items() if case.arrived or case.over_at is not None}
        return [[*place, case.kept()] for place, case in known.items()]

    def remember(self, document: Any, now: float) -> None:
        """Go on from what was remembered. Raises ValueError where that cannot be."""
        try:
            cases = {(str(group), str(mirror)): _Case(**case) for group, mirror, case in document}
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"that was not remembered: {error}") from error
        for case in cases.values():
            case.gone_at = None if case.told else now
        self._cases = cases


def _end(place: Place, case: _Case, told: Mapping[str, tuple[float, int]], now: float) -> Notice:
    """Say that it is over, by what was told last."""
    kind = max(told, key=lambda each: told[each])
    whats = tuple(sorted({WHAT[each] for each in told}))
    return Notice("recovered", kind, place[1], now, case.since, told[kind][1], told=whats)
