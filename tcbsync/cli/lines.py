"""Lines for a terminal: pieces in a tone, signs, widths, where a line is broken. Pure; prints nothing.

Rule: a line is a line. Whatever a file is called, it neither breaks a line nor steers the terminal.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING, Literal, NamedTuple

from tcbsync.core.words import printable
from tcbsync.verdict import Mood

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Tone = Mood | Literal["", "quiet", "strong"]
"""A mood has its colour. And how loud a text is."""

COLOURS: dict[Tone, str] = {"well": "32", "busy": "36", "wait": "33", "act": "1;31", "quiet": "2", "strong": "1"}
SIGNS: dict[str, tuple[str, str]] = {
    "well": ("\u2713", "+"),
    "busy": ("\u21bb", "~"),
    "wait": ("\u25cb", "o"),
    "act": ("\u2717", "x"),
    "next": ("\u2192", ">"),
}
"""Each with what stands for it where the terminal's encoding lacks it."""
LEAST_CELLS = 24
"""A last column that would be narrower than this stands on lines of its own."""


class Span(NamedTuple):
    """A piece of a line, in a tone."""

    text: str
    tone: Tone = ""


class Paper(NamedTuple):
    """What is written on: whether in colour, and how many cells a line may take; None: any number."""

    is_coloured: bool = False
    width: int | None = None


Line = str | list[str | Span]
"""A text, or its pieces."""
_Letters = list[tuple[str, Tone]]


def cells(text: str) -> int:
    """Count the cells that a printable text takes: two for the letters of East Asia, none for marks on a letter."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def padded(text: str, width: int) -> str:
    """Fill a text up to so many cells."""
    return text + " " * (width - cells(text))


def laid(line: Line, paper: Paper, hang: int = 0) -> list[str]:
    """Give a line as it is written: broken where the paper ends, and then indented by `hang`."""
    spans = [Span(piece) if isinstance(piece, str) else piece for piece in ([line] if isinstance(line, str) else line)]
    spans = [Span(printable(span.text), span.tone) for span in spans]
    text = "".join(span.text for span in spans)
    if paper.width is None or cells(text) <= paper.width:
        return [_painted([(span.text, span.tone) for span in spans], paper)]
    letters = [(letter, span.tone) for span in spans for letter in span.text]
    return [_painted(part, paper) for part in _folded(letters, paper.width, hang)]


def _painted(pieces: Iterable[tuple[str, Tone]], paper: Paper) -> str:
    written = []
    for tone, group in groupby(pieces, key=lambda piece: piece[1]):
        text = "".join(piece[0] for piece in group)
        written.append(f"\x1b[{COLOURS[tone]}m{text}\x1b[0m" if tone and text and paper.is_coloured else text)
    return "".join(written)


def _folded(letters: _Letters, width: int, hang: int) -> list[_Letters]:
    """Break at the last space that fits; within a word only where it is longer than a line."""
    indent: _Letters = [(" ", "")] * min(hang, max(width // 2, width - LEAST_CELLS))
    parts: list[_Letters] = []
    rest = letters
    while (end := _fits(rest, width)) < len(rest):
        first = next((index for index, (letter, _) in enumerate(rest) if letter != " "), 0)
        space = next((index for index in range(end, first, -1) if rest[index][0] == " "), 0)
        cut = space or end
        parts.append(rest[:cut])
        rest = indent + rest[cut + bool(space) :]
    return [*parts, rest]


def _fits(letters: _Letters, width: int) -> int:
    """Say how many letters fit, at least one."""
    taken = 0
    for index, (letter, _) in enumerate(letters):
        taken += cells(letter)
        if taken > width:
            return max(1, index)
    return len(letters)


def columns(rows: Iterable[Sequence[str | Span]], paper: Paper) -> list[str]:
    """Lay rows out in columns. The last one takes what is left, or lines of its own where that is little."""
    grid = [[Span(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    grid = [[Span(printable(cell.text), cell.tone) for cell in row] for row in grid]
    if not grid:
        return []
    widths = [max(cells(row[column].text) for row in grid) for column in range(len(grid[0]) - 1)]
    begin = sum(widths) + 2 * len(widths)
    is_tight = paper.width is not None and begin + LEAST_CELLS > paper.width
    lines = []
    for row in grid:
        *front, last = row
        if is_tight and begin + cells(last.text) > (paper.width or 0):
            lines += laid(_joined([cell for cell in front if cell.text]), paper, hang=2)
            lines += laid(["    ", last], paper, hang=4) if last.text else []
        else:
            filled = [Span(padded(cell.text, width), cell.tone) for cell, width in zip(front, widths, strict=True)]
            lines += laid(_joined([*filled, last]), paper, hang=begin)
    return [line.rstrip() for line in lines]


def _joined(row: Sequence[Span]) -> Line:
    """Put two spaces between the cells of a row."""
    return [piece for index, cell in enumerate(row) for piece in ((Span("  "), cell) if index else (cell,))]
