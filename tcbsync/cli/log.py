"""The log: to standard error, where systemd keeps it; with times of its own only where nobody else adds them.

Rule: bounded. A hundred thousand files that cannot be read make twenty lines a minute, the last of which says so;
`tcbsync failed` lists them all.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

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


def set_up(level: int) -> None:
    """Send what is logged at `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if level > logging.DEBUG:
        handler.addFilter(Calm())
    form = "%(levelname)s %(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s %(levelname)-7s %(message)s"
    logging.basicConfig(level=level, format=form, datefmt="%Y-%m-%d %H:%M:%S", handlers=[handler])
