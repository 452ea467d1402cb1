"""How counts, sizes, ages and names are put into words for people. Pure.

Rule: a line is a line. Whatever a file is called, it neither breaks a line nor steers what shows it.
"""

from __future__ import annotations

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def plural(count: int, what: str) -> str:
    """Write a count with its noun: `1 file`, `2,000 files`, `3 directories`, `4 days`."""
    if count == 1:
        return f"1 {what}"
    is_ies = what.endswith("y") and what[-2] not in "aeiou"
    return f"{count:,} {what[:-1]}ies" if is_ies else f"{count:,} {what}s"


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


def ago(seconds: float) -> str:
    """Write how long ago something was: `just now`, `12 s ago`, `2 min ago`, `3 h ago`, `5 days ago`."""
    return "just now" if seconds < 5 else f"{span(seconds)} ago"


def seconds(count: float) -> str:
    """Write how long something took, for who has waited: `0.4 s`, `12 min`, `2.5 h`."""
    if count < 120:
        return f"{count:.1f} s"
    if count < 7200:
        return f"{count / 60:.0f} min"
    return f"{count / 3600:.1f} h"


def rate(count: int | None) -> str:
    """Write bytes a second as they are configured: in thousands. None: any number."""
    if count is None:
        return "not limited"
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= length:
            return f"{count / length:.4g} {unit}/s"
    return f"{count} bytes/s"


def stock(files: int, *, held: int = 0, kept: int = 0, count: float = 0) -> str:
    """Write what the cloud has: `files` that the disk has too, of `count` bytes, and what is gone here."""
    sized = f" ({size(count)})" if count else ""
    total = files + held + kept
    rest = [
        f"{'all' if number == total > 1 else f'{number:,}'} of them {what}" if total > 1 else what
        for number, what in ((held, "held"), (kept, "kept"))
        if number
    ]
    return ", ".join([f"{plural(total, 'file')} in the cloud{sized}", *rest])


def printable(text: str) -> str:
    """Make a text fit for a line: what is no text, or would break the line or steer a terminal, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
