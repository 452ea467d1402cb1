"""Every single run, as it was measured; and what a line of the table makes of them.

Rule: names carry the unit (`wall_seconds`, `peak_mb`, `files_per_second`). Ratios are of pairs, ours to theirs, each
of one turn; the median of them is judged. Refusal: nothing is thrown away, no best of five.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

OURS = "tcbsync"


class Run(NamedTuple):
    """One run of one program: whose turn it was, and what was measured."""

    row: str
    case: str
    who: str
    turn: int
    figures: dict[str, float]


class Spread(NamedTuple):
    """The median of some figures, the least and the most of them."""

    median: float
    least: float
    most: float


def spread(values: list[float]) -> Spread | None:
    """Sum up; None where nothing was measured."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `is_met` is None where there is no bar, or nothing was measured to judge it by."""

    row: str
    what: str
    figure: str
    ours: Spread | None
    peer: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    bar: str = ""
    is_met: bool | None = None


@dataclass(slots=True)
class Book:
    """The runs of one row, and what is to be said about them."""

    row: str
    runs: list[Run] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def note(self, case: str, who: str, turn: int, **figures: float) -> None:
        """Write down one run, and say so."""
        self.runs.append(Run(self.row, case, who, turn, figures))
        said = "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
        print(f"{self.row} | {case} | {who} | {said}", flush=True)

    def remark(self, text: str) -> None:
        """Say what a reader of the table has to know."""
        self.remarks.append(text)
        print(f"{self.row}: {text}", flush=True)

    def series(self, case: str, who: str, figure: str) -> dict[int, float]:
        """Give a figure of each turn."""
        found = (run for run in self.runs if (run.case, run.who) == (case, who) and figure in run.figures)
        return {run.turn: run.figures[figure] for run in found}

    def median(self, case: str, who: str, figure: str) -> float | None:
        """Give the median of a figure, or None where there is none."""
        return statistics.median(values) if (values := self.series(case, who, figure).values()) else None

    def bound(self, case: str, figure: str, bar: str, *, most: float | None = None, least: float | None = None) -> None:
        """Add a line about a figure of ours and its limit; the median is judged."""
        ours = spread(list(self.series(case, OURS, figure).values()))
        is_met = None if ours is None else _keeps(ours.median, most, least)
        self.lines.append(Line(self.row, case, figure, ours, bar=bar, is_met=is_met))

    def beside(
        self, case: str, figure: str, peer: str, bar: str = "", *, most: float | None = None, least: float | None = None
    ) -> None:
        """Add a line about a figure of ours and the same of a peer; the median ratio of the pairs is judged."""
        ours, theirs = self.series(case, OURS, figure), self.series(case, peer, figure)
        ratio = spread([ours[turn] / theirs[turn] for turn in ours.keys() & theirs.keys() if theirs[turn]])
        is_met = _keeps(ratio.median, most, least) if ratio else None
        both = spread(list(ours.values())), spread(list(theirs.values()))
        self.lines.append(Line(self.row, case, figure, both[0], peer, both[1], ratio, bar, is_met))

    def judge(self, what: str, figure: str, value: float | None, bar: str, *, is_met: bool | None) -> None:
        """Add a line about a figure that is made of others."""
        ours = None if value is None else Spread(value, value, value)
        self.lines.append(Line(self.row, what, figure, ours, bar=bar, is_met=is_met if ours else None))


def _keeps(value: float, most: float | None, least: float | None) -> bool | None:
    if most is None and least is None:
        return None
    return (most is None or value <= most) and (least is None or value >= least)
