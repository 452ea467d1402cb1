"""HTML whose texts are escaped by construction: what is no Html becomes one only through `text`.

Rule: a name is shown as a name. It neither opens a tag nor breaks a line nor turns the direction of what follows.
"""

from __future__ import annotations

import html

from tcbsync.core.words import printable

EMPTY = ("img", "link", "meta")
"""Elements that have no end tag."""


class Html(str):
    """Markup that is finished."""

    __slots__ = ()


def text(value: str) -> Html:
    """Escape a text, control characters and half surrogates too."""
    return Html(html.escape(printable(value)))


def join(*parts: str) -> Html:
    """Put parts after each other; those that are no Html are escaped."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def tag(name: str, /, *content: str, **attributes: str | float | bool | None) -> Html:
    """Make an element. Content that is no Html is escaped; an attribute that is None or False is left out.

    `class_` and `for_` lose the underscore at their end, and one within a name is a dash: `aria_label`.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    end = "" if name in EMPTY else f"</{name}>"
    return Html(f"<{name}{written}>{join(*content)}{end}")


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(str(value))}"'


def command(words: str) -> Html:
    """Show something to type."""
    return tag("code", words, class_="command")


def prose(sentence: str) -> Html:
    """Show a sentence in which something to type stands between `backticks`."""
    pieces = sentence.split("`")
    if len(pieces) % 2 == 0:  # one of them is part of a name
        return text(sentence)
    return join(*(command(piece) if index % 2 else text(piece) for index, piece in enumerate(pieces)))


def path(name: str) -> Html:
    """Show a path: its directory in a quieter tone, and all of it apart from the direction of what is around it."""
    if not name:
        return tag("bdi", "(the whole folder)", class_="path")
    directory, slash, last = name.rpartition("/")
    quiet = tag("span", directory + slash, class_="quiet") if slash else ""
    return tag("bdi", quiet, tag("span", last, class_="last"), class_="path", title=name)
