"""Pictures of the figures: SVG by hand, small, and readable on light and on dark paper.

Rule: bars begin at zero; the thin line on a bar goes from the least to the most of the runs; ours is the coloured one.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.book import OURS, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.book import Book, Spread

STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600;font-size:13px}.s{fill:#59636e;font-size:11px}
.o{fill:#0969da}.p{fill:#afb8c1}.w{stroke:#1f2328;stroke-width:1}.b{stroke:#bc4c00;stroke-dasharray:3 2}
.bt{fill:#bc4c00;font-size:11px}.g{stroke:#d1d9e0;stroke-width:1}
.l0{stroke:#0969da;fill:#0969da}.l1{stroke:#8250df;fill:#8250df}.l2{stroke:#1a7f37;fill:#1a7f37}
.l3{stroke:#bc4c00;fill:#bc4c00}.l4{stroke:#cf222e;fill:#cf222e}.l5{stroke:#59636e;fill:#59636e}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.o{fill:#4493f8}.p{fill:#545d68}
.w{stroke:#f0f6fc}.b{stroke:#f0883e}.bt{fill:#f0883e}.g{stroke:#3d444d}
.l0{stroke:#4493f8;fill:#4493f8}.l1{stroke:#ab7df8;fill:#ab7df8}.l2{stroke:#3fb950;fill:#3fb950}
.l3{stroke:#f0883e;fill:#f0883e}.l4{stroke:#f85149;fill:#f85149}.l5{stroke:#9198a1;fill:#9198a1}}
.n{fill:none;stroke-width:2}</style>"""
LABEL, BAR, VALUE, LINE = 190, 300, 110, 20
WIDTH = LABEL + BAR + VALUE
_UNITS = {
    "files_per_second": "files/s",
    "megabytes_per_second": "MB/s",
    "_seconds": "s",
    "_ms": "ms",
    "_mb": "MB",
    "_mib": "MiB",
    "_percent": "%",
}


class Panel(NamedTuple):
    """Bars beside each other: who, and the figure. `limit` is drawn across our bars."""

    title: str
    figure: str
    bars: Sequence[tuple[str, Spread]]
    limit: float | None = None


class Curves(NamedTuple):
    """Lines over the number of files (or whatever `across` says), both axes logarithmic."""

    title: str
    across: str
    figure: str
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]


def unit(figure: str) -> str:
    """Give the unit that a figure's name says."""
    return next((unit for end, unit in _UNITS.items() if figure.endswith(end)), "")


def number(value: float) -> str:
    """Write a number with three digits that count."""
    digits = 0 if abs(value) >= 100 or float(value).is_integer() else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def panel(book: Book, case: str, figure: str, title: str, limit: float | None = None) -> Panel:
    """Make a panel of everybody who has this figure in a case."""
    found_first = (run.who for run in book.runs if run.case == case and figure in run.figures)
    everybody = sorted(dict.fromkeys(found_first), key=lambda who: who != OURS)
    bars = [(who, found) for who in everybody if (found := spread(list(book.series(case, who, figure).values())))]
    return Panel(title, figure, bars, limit)


def picture(charts: Sequence[Panel | Curves], columns: int = 1) -> str:
    """Draw charts, one below the other, in so many columns."""
    drawn = [draw_panel(chart) if isinstance(chart, Panel) else draw_curves(chart) for chart in charts]
    heights = [0] * columns
    parts = []
    for body, height in drawn:
        column = heights.index(min(heights))
        parts.append(f'<g transform="translate({12 + column * (WIDTH + 24)},{heights[column] + 8})">{body}</g>')
        heights[column] += height + 14
    width, height = columns * (WIDTH + 24), max(heights) + 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, STYLE, *parts, "</svg>", ""])


def draw_panel(chart: Panel) -> tuple[str, int]:
    """Draw one panel; give it and its height."""
    longest = max([each.most for _, each in chart.bars] + [chart.limit or 0, 1e-12])
    better = ", more is better" if chart.figure.endswith("_per_second") else ""
    parts = [_text(0, 12, f"{chart.title} ({unit(chart.figure)}{better})" if unit(chart.figure) else chart.title, "t")]
    y = 20
    for who, value in chart.bars:
        middle = y + LINE / 2
        least, median, most = (LABEL + BAR * each / longest for each in (value.least, value.median, value.most))
        parts.append(_text(LABEL - 8, middle + 4, who, end=True))
        kind = "o" if who.startswith(OURS) else "p"
        parts.append(f'<rect class="{kind}" x="{LABEL}" y="{y + 3}" width="{median - LABEL:.1f}" height="{LINE - 6}"/>')
        if most > least:
            parts.append(_line("w", least, middle, most, middle))
        parts.append(_text(most + 6, middle + 4, number(value.median)))
        y += LINE
    if chart.limit:
        x = LABEL + BAR * chart.limit / longest
        parts += [_line("b", x, 18, x, y + 2), _text(x, y + 13, f"bar: {number(chart.limit)}", "bt", end=True)]
        y += 14
    return "".join(parts), y


def draw_curves(chart: Curves) -> tuple[str, int]:
    """Draw lines; give them and their height."""
    height = 220
    points = [point for _, line in chart.lines for point in line if min(point) > 0]
    if not points:
        return _text(0, 12, f"{chart.title}: nothing was measured", "t"), 20
    left, right = _decades([x for x, _ in points])
    low, high = _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        across = 60 + (WIDTH - 260) * (math.log10(x) - left) / (right - left)
        return across, 30 + height * (high - math.log10(y)) / (high - low)

    parts = [_text(0, 12, f"{chart.title} ({unit(chart.figure)})", "t")]
    for power in range(low, high + 1):
        y = at(10**left, 10**power)[1]
        parts += [_line("g", 60, y, WIDTH - 200, y), _text(54, y + 4, f"{10.0**power:,g}", "s", end=True)]
    for power in range(left, right + 1):
        x = at(10**power, 10**low)[0]
        parts += [_line("g", x, 30, x, 30 + height), _text(x + 14, height + 46, f"{10**power:,}", "s", end=True)]
    parts.append(_text(WIDTH - 174, height + 46, chart.across, "s"))
    for place, (label, line) in enumerate(chart.lines):
        kind = f"l{place % 6}"
        where = [at(*point) for point in line if min(point) > 0]
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
        parts.append(f'<polyline class="{kind} n" style="fill:none" points="{steps}"/>')
        parts += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in where]
        y = 40 + 18 * place
        parts += [f'<circle class="{kind}" cx="{WIDTH - 184}" cy="{y}" r="4"/>', _text(WIDTH - 174, y + 4, label)]
    return "".join(parts), height + 50


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    return low, max(high, low + 1)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", *, end: bool = False) -> str:
    attributes = (f' class="{kind}"' if kind else "") + (' text-anchor="end"' if end else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(text)}</text>'
