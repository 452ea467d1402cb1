"""How things look on a terminal: counts, sizes, ages, lists. Prints; decides nothing.

Rule: a line is a line. Whatever a file is called, it neither breaks a line nor steers the terminal.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tcbsync.core.words import plural, printable, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["as_json", "plural", "printable", "say", "seconds", "size", "table", "warn"]


def seconds(count: float) -> str:
    """Write a span of time for people."""
    if count < 120:
        return f"{count:.1f} s"
    if count < 7200:
        return f"{count / 60:.0f} min"
    return f"{count / 3600:.1f} h"


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        print(printable(line))


def warn(text: str) -> None:
    """Print to standard error; the text may have several lines."""
    for line in text.split("\n"):
        print(printable(line), file=sys.stderr)


def as_json(value: Any) -> None:
    """Print a value as JSON. What is no text, or what the terminal's encoding lacks, is escaped as JSON does."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not is_utf8, indent=2)
    print(text.encode("utf-8", "backslashreplace").decode())


def table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns; the last one is as wide as it needs."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())
