"""Counts, sizes and spans of time as people read them; texts as lines can bear them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.cli import output
from tcbsync.cli.output import plural, printable, seconds, size


@pytest.mark.parametrize(
    ("count", "what", "expected"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (2, "file", "2 files"),
        (1_234_567, "delete", "1,234,567 deletes"),
        (1, "directory", "1 directory"),
        (2, "directory", "2 directories"),
        (2, "try", "2 tries"),
        (2, "day", "2 days"),
    ],
)
def test_nouns_agree_with_their_number(count: int, what: str, expected: str) -> None:
    """One is one, everything else is many, thousands are apart."""
    assert plural(count, what) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * 1024**2, "5.0 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (2 * 1024**4, "2.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_sizes_have_units(count: int, expected: str) -> None:
    """Powers of 1024, with the unit that says so."""
    assert size(count) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0.04, "0.0 s"), (1, "1.0 s"), (119.9, "119.9 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h")],
)
def test_spans_have_units(count: float, expected: str) -> None:
    """Seconds for what one waits for, minutes and hours beyond."""
    assert seconds(count) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain/p\u00e4th \u6587\u4ef6 \U0001f600", "plain/p\u00e4th \u6587\u4ef6 \U0001f600"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("bad\udcff", r"bad\udcff"),
        ("\u2028", r"\u2028"),
    ],
)
def test_what_is_no_text_is_escaped(text: str, expected: str) -> None:
    """Letters of every script stay; what breaks a line, steers a terminal or is no character is written as its code."""
    assert printable(text) == expected


@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None)))
def test_every_text_becomes_one_printable_line(text: str) -> None:
    """Whatever a name holds, the line is a line, it can be written as UTF-8, and printing it twice changes nothing."""
    line = printable(text)

    assert line.isprintable()
    assert line.encode("utf-8").decode() == line
    assert printable(line) == line


def test_json_holds_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no UTF-8 comes through JSON as Python knows it; letters are letters."""
    value = {"path": 'caf\u00e9 \u6587 bad\udcff \\ " \n'}

    output.as_json(value)

    shown = capsys.readouterr().out
    assert json.loads(shown) == value
    assert "caf\u00e9 \u6587" in shown


def test_a_table_has_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns begin one beneath the other, the last is as long as it is, and no line ends in spaces."""
    output.table([["a", "bb", "last"], ["aaa\n", "b", ""], ["", "", "x" * 200]])

    assert capsys.readouterr().out.splitlines() == ["a      bb  last", "aaa\\n  b", " " * 11 + "x" * 200]


def test_an_empty_table_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without rows nothing is printed."""
    output.table([])

    assert capsys.readouterr().out == ""


def test_warnings_keep_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A text of several lines stays so on standard error, each line made fit."""
    output.warn("one\ntwo\x1b")

    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "one\ntwo\\x1b\n")
