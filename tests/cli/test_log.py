"""The log is bounded, whatever happens, and its lines are lines."""

from __future__ import annotations

import io
import logging
import sys
from typing import TYPE_CHECKING

from tcbsync.cli.log import LINES, WINDOW_SECONDS, Calm, Handler, Lines

if TYPE_CHECKING:
    import pytest


def record(text: str, *values: object) -> logging.LogRecord:
    """Make a line of the log."""
    return logging.LogRecord("tcbsync.test", logging.WARNING, __file__, 1, text, values, None)


def test_lines_of_one_kind_are_bounded() -> None:
    """Of a thousand files with the same trouble, the first few are named, and the last of these says so."""
    calm = Calm(clock=lambda: 0.0)
    records = [record("%s: cannot be read", number) for number in range(1000)]

    shown = [each.getMessage() for each in records if calm.filter(each)]

    assert len(shown) == LINES
    assert shown[0] == "0: cannot be read"
    assert "more of this kind are not shown" in shown[-1]
    assert not any("more of this kind" in line for line in shown[:-1])


def test_another_kind_is_still_shown() -> None:
    """Trouble of one kind does not hide another."""
    calm = Calm(clock=lambda: 0.0)
    for number in range(1000):
        calm.filter(record("%s: cannot be read", number))

    is_shown = calm.filter(record("the root is missing"))

    assert is_shown


def test_after_a_while_lines_are_shown_again() -> None:
    """A minute later the same kind may be told of again."""
    now = 0.0
    calm = Calm(clock=lambda: now)
    for number in range(1000):
        calm.filter(record("%s: cannot be read", number))
    now = WINDOW_SECONDS

    is_shown = calm.filter(record("%s: cannot be read", 1))

    assert is_shown


def test_a_line_is_a_line() -> None:
    """What a file's name would do to a line, or to the terminal that shows it, is escaped."""
    line = Lines("%(levelname)s %(message)s").format(record("%s: gone", "a\nERROR all is lost\x1b[2J"))

    assert line == "WARNING a\\nERROR all is lost\\x1b[2J: gone"


def test_a_traceback_keeps_its_lines() -> None:
    """A defect of the program is shown as Python shows it."""
    failed = record("%s: a defect", "a\nb")
    try:
        int("as such")
    except ValueError:
        failed.exc_info = sys.exc_info()

    first, *rest = Lines("%(message)s").format(failed).splitlines()

    assert first == "a\\nb: a defect"
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1].startswith("ValueError: ")


def test_it_writes_to_what_is_standard_error_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress bars put themselves in the place of standard error, and log lines must go through them."""
    handler, bars = Handler(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", bars)

    handler.handle(record("through the bars"))

    assert bars.getvalue() == "through the bars\n"
