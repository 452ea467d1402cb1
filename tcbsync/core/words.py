"""How counts, sizes, ages and names are put into words for people. Pure.

Rule: a line is a line. Whatever a file is called, it neither breaks a line nor steers what shows it.
"""

from __future__ import annotations

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def plural(count: int, what: str) -> str:
    """Write a count with its noun: `1 file`, `2,000 files`, `3 directories`."""
    if count == 1:
        return f"1 {what}"
    return f"{count:,} {what[:-1]}ies" if what.endswith("y") else f"{count:,} {what}s"


def size(count: float) -> str:
    """Write a number of bytes for people."""
    if count < 1024:
        return plural(int(count), "byte")
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.1f} {UNITS[unit]}"


def span(seconds: float) -> str:
    """Write a span of time in one unit, for a glance: `12 s`, `3 min`, `5 h`, `2 days`."""
    for most, unit, length in ((90, "s", 1), (90 * 60, "min", 60), (36 * 3600, "h", 3600)):
        if seconds < most:
            return f"{max(0.0, seconds) / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def printable(text: str) -> str:
    """Make a text fit for a line: what is no text, or would break the line or steer a terminal, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
