"""How the demonstration looks on a terminal: calm, short lines, in columns. Decides nothing.

Colour only where the output is a terminal and NO_COLOR is not set (no-color.org).
"""

from __future__ import annotations

import os
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from tcbsync.core.words import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tcbsync.demo.stage import Proof

BOLD, DIM, RED, GREEN = "1", "2", "31", "32"
SHOWN = 12
"""Of a long list, so many are printed."""
SIGHT_CELLS = 110


class Voice:
    """Prints to a stream, line by line, each at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._has_colour = stream.isatty() and not os.environ.get("NO_COLOR")
        self._steps = 0

    def say(self, *lines: str) -> None:
        """Print lines as they are; what the stream cannot encode is escaped."""
        encoding = self._stream.encoding or "utf-8"
        for line in lines:
            self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._stream.flush()

    def title(self, text: str) -> None:
        """Print a heading."""
        self.say(self._in(BOLD, text))

    def facts(self, **facts: object) -> None:
        """Print names and what they stand for."""
        self.say(*(f"  {self._in(DIM, f'{name:<8}')}  {printable(str(value))}" for name, value in facts.items()))

    def step(self, text: str) -> None:
        """Say what is done next."""
        self._steps += 1
        self.say("", f"{self._steps:>2}  {self._in(BOLD, printable(text))}")

    def scene(self, clock: str, text: str) -> None:
        """Say what happens at an hour of the day."""
        self.say("", f"{clock}  {self._in(BOLD, printable(text))}")

    def sights(self, sights: Mapping[str, Sequence[str]]) -> None:
        """Print what is to be seen, place by place: its name, and its lines; nothing of a place that has none."""
        for place, lines in sights.items():
            for number, line in enumerate(lines):
                hang = " " * (len(line) - len(line.lstrip()) + 2)
                padded = f"{'' if number else place:<8}"
                folded = wrap(printable(line), SIGHT_CELLS, subsequent_indent=hang, break_long_words=False) or [""]
                self.say(f"       {self._in(DIM, padded)}  {folded[0]}".rstrip())
                self.say(*(" " * 17 + more for more in folded[1:]))

    def note(self, text: str) -> None:
        """Say what was seen on the way."""
        self.say(f"    {text}")

    def equal(self, proof: Proof) -> None:
        """Say that cloud and disk are equal, how long that took, and how much was compared."""
        self.say(
            f"    {self._in(GREEN, 'equal')} after {proof.seconds:5.2f} s  {proof.files:>5,} files"
            f"  {proof.size:>11,} bytes  {proof.sent:>5,} sent  {proof.gone:>5,} gone"
        )

    def listing(self, entries: Sequence[tuple[str, str]]) -> None:
        """Print paths with a word about each: the first dozen."""
        width = max((len(printable(path)) for path, _ in entries[:SHOWN]), default=0)
        self.say(*(f"      {printable(path):<{width}}  {what}" for path, what in entries[:SHOWN]))
        if len(entries) > SHOWN:
            self.say(f"      and {len(entries) - SHOWN:,} more")

    def trouble(self, text: str) -> None:
        """Say what went wrong."""
        self.say(f"    {self._in(RED, printable(text))}")

    def _in(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._has_colour else text
