"""Markup: whatever a file is called, it is shown, and is nothing but a name."""

from __future__ import annotations

import pytest

from tcbsync.web.markup import Html, join, path, prose, tag
from tests.web.viewing import Document

NASTY = [
    "<script>alert(1)</script>.png",
    '" onerror="alert(1)',
    "' onload='alert(1)",
    "&lt;b&gt; &amp;amp;",
    "</title></td></section><b>",
    "javascript:alert(1)",
    "]]><!--",
]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_a_name(name: str) -> None:
    """As a text and as an attribute it comes out of a browser as it went in, and makes no element."""
    document = Document(tag("p", name, title=name))

    assert document.elements == [("p", {"title": name})]
    assert document.text == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("two\nlines", "two\\nlines"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u200f\u2066x", "\\u200f\\u2066x"),
        ("half\udcff", "half\\udcff"),
        ("\0\x1b[31m", "\\x00\\x1b[31m"),
        ("\u5fae\u4fe1.png", "\u5fae\u4fe1.png"),
    ],
)
def test_what_steers_is_escaped(name: str, shown: str) -> None:
    """Line breaks, marks that turn the direction, and halves of characters are shown as what they are."""
    assert Document(tag("p", name)).text == shown
    tag("p", name, title=name).encode()


def test_what_is_finished_is_not_escaped_again() -> None:
    """Elements go into elements."""
    assert tag("p", tag("b", "1 < 2"), " & ", Html("<br>")) == "<p><b>1 &lt; 2</b> &amp; <br></p>"


def test_attributes() -> None:
    """None and False leave one out, True needs no value, underscores are dashes."""
    made = tag("progress", value=0, max=2.5, hidden=True, title=None, open=False, class_="a", aria_label="b")

    assert made == '<progress value="0" max="2.5" hidden class="a" aria-label="b"></progress>'


def test_an_empty_element_has_no_end() -> None:
    """Those that HTML knows as such."""
    assert tag("img", src="/x") == '<img src="/x">'


def test_a_path_is_apart_from_the_direction_around_it() -> None:
    """In an element that isolates it, with the directory in another tone, and the whole in the tooltip."""
    document = Document(path("img/\u05e9\u05dc\u05d5\u05dd.png"))

    assert document.elements[0] == ("bdi", {"class": "path", "title": "img/\u05e9\u05dc\u05d5\u05dd.png"})
    assert document.texts == ["img/", "\u05e9\u05dc\u05d5\u05dd.png"]


def test_the_root_has_a_name() -> None:
    """An empty path is the folder itself."""
    assert "(the whole folder)" in path("")


def test_commands_in_prose() -> None:
    """What stands between backticks can be typed; a lone backtick is part of a name."""
    assert prose("see `tcbsync held`.") == 'see <code class="command">tcbsync held</code>.'
    assert Document(prose("a`b <i>")).text == "a`b <i>"
    assert Document(prose("`<script>`")).count("script") == 0


def test_joining_escapes_texts_only() -> None:
    """A text between two elements is a text."""
    assert join(tag("b", "x"), "<") == "<b>x</b>&lt;"
