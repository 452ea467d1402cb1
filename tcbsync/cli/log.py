"""The log: to standard error, where systemd keeps it; with times of its own only where nobody else adds them.

Rule: bounded. A hundred thousand files that cannot be read make twenty lines a minute, the last of which says so;
`tcbsync failed` lists them all. And a line is a line, whatever a file is called.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from tcbsync.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 20
WINDOW_SECONDS = 60.0


class Calm(logging.Filter):
    """Lets so many lines of one kind through in a window of time; the kind is the text without its values."""

    def __init__(self, lines: int = LINES, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._lines = lines
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the line through, with a word at its end if it is the last one for a while."""
        kind, now = (record.name, str(record.msg)), self._clock()
        since, count = self._kinds.get(kind, (now, 0))
        if now - since >= WINDOW_SECONDS:
            since, count = now, 0
        self._kinds[kind] = since, count + 1
        if count + 1 == self._lines:
            record.msg = f"{record.msg} [more of this kind are not shown for a minute; `tcbsync failed` lists files]"
        return count < self._lines


class Lines(logging.Formatter):
    """Escapes what would break a line or steer a terminal; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Write the line."""
        record.message = printable(record.message)
        return super().formatMessage(record)


class Handler(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that moment: progress bars put themselves in its place."""

    @property
    def stream(self) -> TextIO:
        """Where to write."""
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None:
        """Ignore what the library sets."""


def set_up(level: int) -> None:
    """Send what is logged at `level` and above to standard error."""
    handler = Handler()
    if level > logging.DEBUG:
        handler.addFilter(Calm())
    form = "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)-7s %(message)s"
    handler.setFormatter(Lines(form, "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler])
