"""The log is bounded, whatever happens."""

from __future__ import annotations

import logging

from tcbsync.cli.log import LINES, WINDOW_SECONDS, Calm


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
