"""Writes what verbs say, on a terminal and elsewhere. Prints; decides nothing.

Rule: colours and the width matter only where somebody looks. In a pipe or a file no line is broken, and nothing but
text is written.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from tcbsync.cli.lines import SIGNS, Paper, Span, columns, laid
from tcbsync.core.words import plural, printable, seconds, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from tcbsync.cli.lines import Line, Tone

__all__ = ["as_json", "plural", "printable", "say", "seconds", "size", "table", "warn"]

MOST_CELLS = 100
"""Longer lines than these are hard to read, however wide the terminal is."""


def is_steerable(stream: TextIO) -> bool:
    """Whether it is a terminal whose cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def paper(stream: TextIO | None = None) -> Paper:
    """Say what is written on, by default standard output. NO_COLOR is obeyed: https://no-color.org."""
    stream = sys.stdout if stream is None else stream
    if stream is None or not stream.isatty():
        return Paper()
    return Paper(
        is_coloured=is_steerable(stream) and not os.environ.get("NO_COLOR"),
        width=max(20, min(MOST_CELLS, shutil.get_terminal_size().columns)),
    )


def sign(name: str) -> str:
    """Give a sign that standard output can show."""
    fine, plain = SIGNS[name]
    try:
        fine.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return plain
    return fine


def signed(tone: Tone, *rest: str | Span, plain: str = "") -> Line:
    """Give a line that begins with the sign of a tone on a terminal, and with a `plain` word elsewhere, if at all."""
    if paper().width is None:
        return [plain, *rest]
    return [Span(sign(tone), tone), " ", *rest]


def say(*lines: Line, hang: int = 0) -> None:
    """Print lines; where the terminal ends they go on below, indented by `hang`."""
    if not lines:
        return
    on = paper()
    for line in lines:
        print("\n".join(laid(line, on, hang)))


def write(lines: Iterable[str]) -> None:
    """Print lines that are laid out already."""
    for line in lines:
        print(line)


def warn(text: str) -> None:
    """Print to standard error; the text may have several lines."""
    on = paper(sys.stderr)
    for line in text.split("\n"):
        for part in laid(line, on, hang=2):
            print(part, file=sys.stderr)


def as_json(value: Any) -> None:
    """Print a value as JSON. What is no text, or what the terminal's encoding lacks, is escaped as JSON does."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not is_utf8, indent=2)
    print(text.encode("utf-8", "backslashreplace").decode())


def table(rows: Iterable[Sequence[str | Span]]) -> None:
    """Print rows in columns; the last one is as wide as it needs."""
    write(columns(rows, paper()))
