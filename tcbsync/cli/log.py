"""The log, on standard error: for people, for systemd's journal, or as JSON. One line per event, and no more.

The rule: a call that writes to the log says what has changed, once, never once per attempt. It is at ERROR where a
person has to act, at WARNING where it should heal by itself and wants a look if it does not, at NOTICE where a person
has acted or trouble is over, at INFO where it says how things stand; each file and each attempt are at DEBUG. What has
an event is told as that event, and nowhere else. What repeats itself all the same is summed up (`calm`), and a line is
a line, whatever a file is called.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from math import inf
from typing import TYPE_CHECKING, Literal, cast

from tcbsync.cli.calm import Calm
from tcbsync.cli.forms import fields_of, json_of, kind_of, prefixed, summed, text_of
from tcbsync.cli.journal import entry, is_journal, send
from tcbsync.cli.output import paper
from tcbsync.core.events import Level

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Format = Literal["text", "journal", "json"]
FORMATS = ("auto", "text", "journal", "json")


def set_up(level: int, form: str = "auto") -> Format:
    """Send what is logged at `level` and above to standard error. Gives the format that this is in."""
    logging.addLevelName(Level.NOTICE, "NOTICE")
    chosen = cast("Format", form) if form != "auto" else "journal" if _is_read_by_journal() else "text"
    writers: dict[Format, Callable[[logging.LogRecord], None]]
    writers = {"text": write_text, "json": write_json, "journal": write_entry}
    logging.basicConfig(level=level, handlers=[Sink(writers[chosen], is_calm=level > logging.DEBUG)])
    if chosen != "text":
        sys.excepthook = _end
    return chosen


def sum_up() -> None:
    """Tell now how much was left out so far: whoever goes on to read something else should know of it."""
    for handler in logging.root.handlers:
        if isinstance(handler, Sink):
            handler.flush()


def _is_read_by_journal() -> bool:
    try:
        return is_journal(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # there is none, or it is none of the system's
        return False


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in the log, too, what ends the process."""
    logging.getLogger("tcbsync").critical("a defect of this program ends it", exc_info=(kind, error, trace))


def write_text(record: logging.LogRecord) -> None:
    """Write a line for people."""
    if sys.stderr is not None:
        _write(text_of(record, is_coloured=paper(sys.stderr).is_coloured))


def write_json(record: logging.LogRecord) -> None:
    """Write a line for programs."""
    _write(json_of(record))


def write_entry(record: logging.LogRecord) -> None:
    """Write an entry of the journal; where that takes none, a line with its priority."""
    if not send(entry(fields_of(record))):
        _write(prefixed(record))


def _write(line: str) -> None:
    stream = sys.stderr  # as it is at that moment: progress bars put themselves in its place
    if stream is not None:
        stream.write(f"{line}\n")
        stream.flush()


class Sink(logging.Handler):
    """Writes lines, and in the place of what repeats itself its sums: when they are due, and at the end."""

    def __init__(
        self,
        write: Callable[[logging.LogRecord], None],
        *,
        is_calm: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._write = write
        self._calm: Calm[logging.LogRecord] = Calm()
        self._is_calm = is_calm
        self._clock = clock
        self._timer: threading.Timer | None = None
        self._timer_due_at = inf

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or count it."""
        try:
            now = self._clock()
            self._tell_sums(now)
            if not self._is_calm or self._calm.admit(kind_of(record), record, now):
                self._write(record)
            else:
                self._set_timer(now)
        except Exception:  # noqa: BLE001 - as every handler has it: trouble with the log stops nothing
            self.handleError(record)

    def flush(self) -> None:
        """Tell every sum now."""
        assert self.lock is not None, "the library makes it"
        with self.lock:
            self._tell_sums(self._clock(), is_end=True)

    def close(self) -> None:
        """Tell every sum, and end."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        super().close()

    def _set_timer(self, now: float) -> None:
        """Come again when the next sum is due, even if no line comes until then."""
        due_at = self._calm.due_at()
        if self._timer is not None:
            if due_at >= self._timer_due_at:
                return
            self._timer.cancel()
            self._timer = None
        if due_at < inf:
            timer = threading.Timer(max(0.0, due_at - now), self._on_timer)
            timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no thread is to be had now: the next line asks again
                timer.start()
                self._timer, self._timer_due_at = timer, due_at

    def _on_timer(self) -> None:
        assert self.lock is not None, "the library makes it"
        with self.lock:
            self._timer = None
            now = self._clock()
            self._tell_sums(now)
            self._set_timer(now)

    def _tell_sums(self, now: float, *, is_end: bool = False) -> None:
        for lines, seconds, last in self._calm.sums(now, is_end=is_end):
            try:
                self._write(summed(lines, seconds, last))
            except Exception:  # noqa: BLE001 - see `emit`
                self.handleError(last)
