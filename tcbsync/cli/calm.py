"""Keeps the log short: what repeats itself is counted, and the sum is told. Pure: the time is an argument (seconds).

The rule: of one kind, twenty lines at once and one more every five minutes. What comes beyond that is left out until
its sum is told: after one minute, then after two, four and so on, at most an hour, for as long as it goes on. A sum
names the newest line that it stands for, so that the last word of whatever flaps is always in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

T = TypeVar("T")

LINES = 20
REFILL_SECONDS = 300.0
FIRST_SUM_SECONDS = 60.0
LAST_SUM_SECONDS = 3600.0
KINDS = 1000
"""So many kinds are told apart; what is of none of these is a kind together."""


class Sum(NamedTuple, Generic[T]):
    """So many lines were left out in so many seconds, and `last` was the newest of them."""

    lines: int
    seconds: float
    last: T


@dataclass(slots=True)
class _Kind(Generic[T]):
    """The lines of one kind. `room`: how many more may be written now."""

    at: float
    room: float = LINES
    left_out: int = 0
    since: float = 0.0
    last: T | None = None
    pause: float = 0.0
    summed_at: float = -inf

    def admit(self, line: T, now: float) -> bool:
        self.room = min(LINES, self.room + (now - self.at) / REFILL_SECONDS)
        self.at = now
        if not self.left_out and self.room >= 1:
            self.room -= 1
            return True
        if not self.left_out:
            has_calmed = now - self.summed_at > self.pause
            self.since = now
            self.pause = FIRST_SUM_SECONDS if has_calmed else min(2 * self.pause, LAST_SUM_SECONDS)
        self.left_out += 1
        self.last = line
        return False

    def sum_up(self, now: float) -> Sum[T]:
        assert self.last is not None, "something was left out"
        told = Sum(self.left_out, now - self.since, self.last)
        self.left_out, self.last = 0, None
        self.room, self.at, self.summed_at = 0.0, now, now
        return told

    @property
    def due_at(self) -> float:
        return self.since + self.pause if self.left_out else inf


class Calm(Generic[T]):
    """Decides which lines are written, and keeps count of the others."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind[T]] = {}

    def __repr__(self) -> str:
        return f"<Calm {len(self._kinds)} kinds, {sum(kind.left_out for kind in self._kinds.values())} lines left out>"

    def admit(self, kind: Hashable, line: T, now: float) -> bool:
        """Whether a line of this kind may be written now. Where not, it is counted."""
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            self._forget(now)
        if kind not in self._kinds and len(self._kinds) >= KINDS:
            kind = None
        return self._kinds.setdefault(kind, _Kind(now)).admit(line, now)

    def due_at(self) -> float:
        """Say when the next sum is to be told; for ever from now, where nothing was left out."""
        return min((kind.due_at for kind in self._kinds.values()), default=inf)

    def sums(self, now: float, *, is_end: bool = False) -> list[Sum[T]]:
        """Give the sums that are to be told now; at the end, those of all that was left out."""
        return [
            kind.sum_up(now)
            for kind in self._kinds.values()
            if kind.due_at <= (inf if is_end else now) and kind.left_out
        ]

    def _forget(self, now: float) -> None:
        """Forget the kinds of which there was nothing for so long that it makes no difference."""
        quiet = LINES * REFILL_SECONDS
        self._kinds = {name: kind for name, kind in self._kinds.items() if kind.left_out or now - kind.at < quiet}
