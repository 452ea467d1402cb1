"""Lines for a terminal: widths, where they are broken, colours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.cli.lines import Line, Paper, Span, cells, columns, laid

PLAIN = re.compile("\x1b\\[[0-9;]*m")
TEXTS = st.text(alphabet="ab 文é-/", max_size=200)


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("abc", 3), ("文件", 4), ("e\u0301", 1), ("\uff21", 2), ("\U0001f600", 2), ("é", 1)]
)
def test_letters_take_cells(text: str, expected: int) -> None:
    """Letters of East Asia take two, marks on a letter none."""
    assert cells(text) == expected


def test_where_nobody_looks_no_line_is_broken() -> None:
    """However long it is, and without colour."""
    assert laid([Span("x" * 500, "act"), " ", "y" * 500], Paper()) == ["x" * 500 + " " + "y" * 500]


def test_a_tone_is_a_colour() -> None:
    """Only the piece itself is in colour, and only where colours are wanted."""
    line: Line = [Span("no", "act"), ": ", Span("file", "quiet")]

    assert laid(line, Paper(is_coloured=True)) == ["\x1b[1;31mno\x1b[0m: \x1b[2mfile\x1b[0m"]
    assert laid(line, Paper(is_coloured=False)) == ["no: file"]


def test_a_long_line_goes_on_below() -> None:
    """It is broken at spaces and goes on with its indent; a tone that goes on is set anew."""
    line: Line = ["  ", Span("one two three four", "well"), " five"]

    assert laid(line, Paper(is_coloured=True, width=12), hang=4) == [
        "  \x1b[32mone two\x1b[0m",
        "    \x1b[32mthree\x1b[0m",
        "    \x1b[32mfour\x1b[0m",
        "    five",
    ]


def test_a_word_that_is_too_long_is_cut() -> None:
    """A path without a space is cut where the line ends, and no letter of it is lost."""
    assert laid("文件夹/文件夹/文件夹", Paper(width=10), hang=2) == ["文件夹/文", "  件夹/文", "  件夹"]


@given(TEXTS, st.integers(8, 40), st.integers(0, 30), st.booleans())
def test_no_line_is_wider_than_the_paper(text: str, width: int, hang: int, is_coloured: bool) -> None:
    """Whatever is written, it fits, and but for spaces all of it is there."""
    lines = laid([Span(text[:50], "act"), text[50:]], Paper(is_coloured, width), hang)

    bare = [PLAIN.sub("", line) for line in lines]
    assert all(cells(line) <= width for line in bare)
    assert "".join(bare).replace(" ", "") == text.replace(" ", "")


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5), st.integers(8, 60))
def test_no_row_is_wider_than_the_paper(rows: list[tuple[str, str, str]], width: int) -> None:
    """The same for columns, and every cell is there."""
    lines = columns(rows, Paper(width=width))

    assert all(cells(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(map("".join, rows)).replace(" ", "")


def test_columns_begin_one_beneath_the_other() -> None:
    """In cells, not in letters."""
    rows = [("文件", "a", "one"), ("b", "cc", "two")]

    assert columns(rows, Paper()) == ["文件  a   one", "b     cc  two"]


def test_a_last_column_with_little_room_stands_below() -> None:
    """Beside a long name there would be a column of single words."""
    rows = [("a" * 30, "a reason that takes a while to tell"), ("b", "short")]

    assert columns(rows, Paper(width=40)) == [
        "a" * 30,
        "    a reason that takes a while to tell",
        f"b{' ' * 31}short",
    ]
