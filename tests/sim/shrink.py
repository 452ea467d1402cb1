"""Makes a schedule that fails small: parts are cut out, again and again, for as long as what is left still fails.

The rule: delta debugging (Zeller, Hildebrandt 2002) over the steps, then over the settings. Only failures of the same
kind count: a schedule that fails for another reason is another schedule.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.sim.schedule import Schedule, Settings, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Place = tuple[int, Step]
"""A step, and the phase that it belongs to."""


def kind_of(failure: str) -> str:
    """Give what two failures of one kind have in common: the words, without names and numbers."""
    return re.sub(r"\S*[\d/]\S*", "…", failure.split(": ", 1)[-1])[:60]


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool], *, most: int = 600) -> Schedule:
    """Give the smallest schedule found in `most` runs that still `fails`."""
    left = most

    def still(candidate: Schedule) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and fails(candidate)

    places: Sequence[Place] = [(number, step) for number, phase in enumerate(schedule.phases) for step in phase]
    places = _reduce(places, lambda some: still(_with(schedule, some)))
    schedule = _with(schedule, places)
    for name, value in Settings()._asdict().items():
        plainer = schedule._replace(settings=schedule.settings._replace(**{name: value}))
        if plainer != schedule and still(plainer):
            schedule = plainer
    return schedule


def _reduce(places: Sequence[Place], fails: Callable[[Sequence[Place]], bool]) -> Sequence[Place]:
    parts = 2
    while places:
        size = max(1, len(places) // parts)
        for start in range(0, len(places), size):
            rest = [*places[:start], *places[start + size :]]
            if fails(rest):
                places, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(places), parts * 2)
    return places


def _with(schedule: Schedule, places: Sequence[Place]) -> Schedule:
    phases = [tuple(step for where, step in places if where == number) for number in range(len(schedule.phases))]
    return schedule._replace(phases=tuple(phase for phase in phases if phase))
