"""How things look on a terminal: counts, sizes, ages, lists. Prints; decides nothing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def plural(count: int, what: str) -> str:
    """Write a count with its noun: `1 file`, `2,000 files`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """Write a number of bytes for people."""
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 else f"{count:.1f} {UNITS[unit]}"


def seconds(count: float) -> str:
    """Write a span of time for people."""
    if count < 120:
        return f"{count:.1f} s"
    if count < 7200:
        return f"{count / 60:.0f} min"
    return f"{count / 3600:.1f} h"


def printable(path: str) -> str:
    """Make a path fit for a line: what is no text, or would steer a terminal, is escaped."""
    clean = path.encode("utf-8", "backslashreplace").decode()
    return clean if clean.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in clean)


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        print(line)


def warn(line: str) -> None:
    """Print a line to standard error."""
    print(line, file=sys.stderr)


def as_json(value: Any) -> None:
    """Print a value as JSON; paths that are no text are escaped as Python does."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    print(text.encode("utf-8", "backslashreplace").decode())


def table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns; the last one is as wide as it needs."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())
