"""What is said about objects that come and go while the demonstration stays."""

from __future__ import annotations

import pytest

from tcbsync.demo.inspection import Stored
from tcbsync.demo.stay import changes

OLD, NEW, AGAIN = (
    Stored(3, "aa", is_known=True, uploaded_at=1.0),
    Stored(1234, "bb", is_known=True, uploaded_at=2.0),
    Stored(3, "aa", is_known=True, uploaded_at=3.0),
)


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        pytest.param({"a": OLD}, {"a": OLD}, [], id="nothing"),
        pytest.param({}, {"a": NEW}, ["sent     a  1,234 bytes"], id="new"),
        pytest.param({"a": OLD}, {"a": NEW}, ["sent     a  1,234 bytes"], id="changed"),
        pytest.param({"a": OLD}, {"a": AGAIN}, ["sent     a  3 bytes"], id="same bytes again"),
        pytest.param({"a": OLD}, {}, ["deleted  a"], id="gone"),
        pytest.param({"a": OLD}, {"b\n": OLD}, ["sent     b\\n  3 bytes", "deleted  a"], id="renamed"),
        pytest.param(
            {f"old{number}": OLD for number in range(2000)},
            {f"new{number}": NEW for number in range(1000)},
            ["sent     1,000 files, 1,234,000 bytes", "deleted  2,000 objects"],
            id="many",
        ),
    ],
)
def test_changes(before: dict[str, Stored], now: dict[str, Stored], lines: list[str]) -> None:
    """Each object that came or went is a line; where there are many, they are counted."""
    told = changes(before, now)

    assert told == lines
