"""A limit that depends on the hour: which one holds at a moment of the week, and until when.

Pure: a moment is a minute of the week by the local clock, from Monday 00:00 on, and comes in as an argument. So a clock
that is set, or put to summer time, needs no care: whatever it shows counts. An hour that it skips is skipped here too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES

_DAY = f"({'|'.join(DAYS)})"
_TIME = re.compile(rf"(?:{_DAY}(?:-{_DAY})? )?([01][0-9]|2[0-3]):([0-5][0-9])")


@dataclass(frozen=True, slots=True)
class Timetable:
    """`steps`: (minute of the week, the limit that begins then), in order; at least one. A limit of None is none."""

    steps: tuple[tuple[int, int | None], ...]

    def limit(self, minute: int) -> int | None:
        """Give the limit that holds at a minute of the week: that of the last step, which may be last week's."""
        return self.steps[self._last(minute)][1]

    def least(self) -> float:
        """Give the lowest limit that it knows; infinite where there is none at all."""
        return min((limit for _, limit in self.steps if limit is not None), default=inf)

    def until(self, minute: int) -> int | None:
        """Give the minute of the week at which another limit begins; None: never."""
        last = self._last(minute)
        coming = self.steps[last + 1 :] + self.steps[: last + 1]
        return next((at for at, limit in coming if limit != self.steps[last][1]), None)

    def _last(self, minute: int) -> int:
        return bisect_right(self.steps, minute, key=lambda step: step[0]) - 1


def timetable(limits: int | Mapping[str, int | None]) -> Timetable:
    """Make the timetable of one limit for ever, or of limits by time. Raises ValueError for a time that is none."""
    if isinstance(limits, int):
        return Timetable(((0, limits),))
    steps = [(minute, limit) for time, limit in limits.items() for minute in minutes_of(time)]
    return Timetable(tuple(sorted(steps, key=lambda step: step[0])))


def minutes_of(time: str) -> list[int]:
    """Read `08:00`, `Sat 08:00` or `Mon-Fri 08:00`: the minutes of the week that it names. Raises ValueError."""
    match = _TIME.fullmatch(time)
    if match is None:
        raise ValueError("must be a time such as 08:00, Sat 08:00 or Mon-Fri 08:00")
    first, last, hour, minute = match.groups()
    days = range(7)
    if first is not None:
        start = DAYS.index(first)
        days = range(start, start + (DAYS.index(last or first) - start) % 7 + 1)
    return [day % 7 * DAY_MINUTES + int(hour) * 60 + int(minute) for day in days]


def clashes(times: Mapping[str, object]) -> dict[str, str]:
    """Give the times that name a minute which an earlier one named already: the time, and the earlier one."""
    named = [(minute, time) for time in times for minute in minutes_of(time)]
    groups = [[time for _, time in group] for _, group in groupby(sorted(named, key=_minute), key=_minute)]
    return {late: first for first, *others in groups for late in others}


def _minute(named: tuple[int, str]) -> int:
    return named[0]


def clock_time(minute: int, now: int) -> str:
    """Write a minute of the week as a person says it at the minute `now`: `19:00`, or `Mon 08:00` from a day on."""
    time = f"{minute % DAY_MINUTES // 60:02}:{minute % 60:02}"
    return time if (minute - now) % WEEK_MINUTES < DAY_MINUTES else f"{DAYS[minute // DAY_MINUTES]} {time}"
