"""The last hour as bars, one a minute: an SVG that stands in the page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.words import plural, size
from tcbsync.web.markup import Html, join, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 720, 120
GAP = 2
STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def chart(hour: Sequence[int]) -> Html:
    """Draw the bytes of each minute, the one that is under way last."""
    total, most = sum(hour), max(hour, default=0)
    if not total:
        return tag("p", "Nothing was uploaded within the last hour.", class_="quiet")
    top = _top(most)
    step = WIDTH / len(hour)
    bars = [
        tag(
            "rect",
            x=round(index * step + GAP / 2, 1),
            y=round(HEIGHT - _height(count, top), 1),
            width=round(step - GAP, 1),
            height=round(_height(count, top), 1),
            rx=1,
        )
        for index, count in enumerate(hour)
        if count
    ]
    targets = [
        tag("g", tag("title", _told(len(hour) - 1 - index, count)), _target(index, step), class_="minute")
        for index, count in enumerate(hour)
    ]
    grid = [tag("path", d=f"M0 {HEIGHT * part:g}H{WIDTH}") for part in (0, 0.5)]
    told = f"Bytes uploaded in each minute of the last hour: {size(total)} in all, {size(most)} at the most."
    return tag(
        "figure",
        tag("figcaption", tag("b", size(total)), " in the last hour, at the most ", tag("b", size(most)), " a minute"),
        tag(
            "div",
            tag("span", size(top), class_="top"),
            tag("span", size(top / 2), class_="half"),
            tag(
                "svg",
                tag("g", *grid, class_="grid"),
                tag("g", *bars, class_="bars"),
                *targets,
                viewBox=f"0 0 {WIDTH} {HEIGHT}",
                preserveAspectRatio="none",
                role="img",
                aria_label=told,
            ),
            class_="plot",
        ),
        tag("div", *(tag("span", each) for each in ("60 min ago", "45", "30", "15", "now")), class_="axis"),
        class_="chart",
    )


def _height(count: int, top: int) -> float:
    """Give the height of a bar: what is there at all can be seen."""
    return max(1.5, HEIGHT * count / top) if count else 0.0


def _target(index: int, step: float) -> Html:
    return tag("rect", x=round(index * step, 1), y=0, width=round(step, 1), height=HEIGHT, class_="target")


def _told(ago: int, count: int) -> str:
    when = "this minute" if not ago else f"{plural(ago, 'minute')} ago"
    return join(f"{when}: {size(count)}")


def _top(most: int) -> int:
    """Give a round number of bytes that is not below `most`: the scale stays the same while the rate is about so."""
    unit = 1024
    while unit * STEPS[-1] < most:
        unit *= 1024
    return next(unit * step for step in STEPS if unit * step >= most)
