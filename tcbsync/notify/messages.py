"""Writes messages: as generic JSON, and as what the robot of a WeCom group takes. In English or Chinese. Pure.

The rules: a message fits where it goes, whatever a file is called and however long a reason is; and no name of a file
is markup: nobody is called (`<@all>`), and nothing is a link, because of one. The refusal: no address is ever in one.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tcbsync.core.words import printable, span
from tcbsync.notify.transitions import WHAT
from tcbsync.notify.wording import OVER, TEXTS, UNITS
from tcbsync.status import iso
from tcbsync.verdict import filled, sentence

if TYPE_CHECKING:
    from tcbsync.notify.transitions import Notice

    Language = Literal["en", "zh"]

NAMED = 3
"""So many files are named."""
LONGEST_WECOM = 4096
"""WeCom's documents on group robots: the content of a `markdown` message has at most 4096 bytes of UTF-8."""
LONGEST_LINE, LONGEST_PATH = 1500, 300
"""In bytes: two such lines, and all that is short, make a message that fits."""

COLOURS = {"recovered": "info", "test": "info"}
"""WeCom's documents: `info` is green, `comment` grey, `warning` orange. All else is a warning."""


class Text(NamedTuple):
    """A message in sentences. What may be missing is empty."""

    headline: str
    reason: str
    files: str
    advice: str
    command: str


def text(notice: Notice, language: Language) -> Text:
    """Put a notice into words."""
    if notice.what == "recovered":
        return Text(filled(OVER[language][notice.kind], notice.mirror), _lasted(notice, language), "", "", "")
    headline, advice, command = TEXTS[language][notice.kind]
    reason = cut(sentence(printable(notice.reason)), LONGEST_LINE)
    headline = filled(headline, notice.mirror, notice.count)
    return Text(headline, reason, _files(notice, language), advice, command)


def _lasted(notice: Notice, language: Language) -> str:
    number, unit = span(notice.at - notice.since).split()
    return f"历时 {number} {UNITS[unit]}。" if language == "zh" else f"It took {number} {unit}."


def _files(notice: Notice, language: Language) -> str:
    """Name some of the files."""
    named = [_name(path) for path in notice.paths[:NAMED]]
    if not named:
        return ""
    more = notice.count - len(named)
    if language == "zh":
        return "、".join(named) + (" 等" if more > 0 else "")
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")


def generic(notice: Notice, host: str, language: Language) -> bytes:
    """Write the JSON whose fields the README names. Times are ISO 8601 in UTC."""
    told = text(notice, language)
    headline, stop = told.headline[:-1], told.headline[-1]
    colon = "\uff1a" if language == "zh" else ": "
    named = f"{colon}{told.files}" if told.files else ""
    document: dict[str, Any] = {
        "what": notice.what,
        "kind": notice.kind,
        "over": WHAT[notice.kind] if notice.what == "recovered" else None,
        "mirror": notice.mirror or None,
        "since": iso(notice.since),
        "at": iso(notice.at),
        "host": _name(host),
        "count": notice.count,
        "repeated": notice.is_repeated,
        "text": f"{headline}{named}{stop} {told.reason}".rstrip(),
        "advice": f"{told.advice} {told.command}" if told.command else None,
        "command": told.command or None,
        "paths": [_name(path) for path in notice.paths[:NAMED]],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def wecom(notice: Notice, host: str, language: Language) -> bytes:
    """Write a message for the robot of a WeCom group. WeCom's documents: msgtype markdown, at most 4096 bytes."""
    told = text(notice, language)
    colour = COLOURS.get(notice.what, "warning")
    since = datetime.fromtimestamp(notice.since).astimezone().strftime("%m-%d %H:%M")
    when = f"自 {since} 起" if language == "zh" else f"since {since}"
    lines = [f'**<font color="{colour}">{_plain(told.headline)}</font>**']
    lines += [f"> {cut(_plain(line), LONGEST_LINE)}" for line in (told.reason, told.files) if line]
    if told.command:
        lines.append(f"{told.advice}{'' if language == 'zh' else ' '}`{told.command}`")
    about = [
        _plain(_name(host)),
        when,
        *(["再次提醒" if language == "zh" else "again"] * notice.is_repeated),
    ]
    lines.append(f'<font color="comment">{" · ".join(about)}</font>')
    content = "\n".join(lines)
    assert len(content.encode()) <= LONGEST_WECOM, "its parts are cut so that this cannot be"
    return json.dumps({"msgtype": "markdown", "markdown": {"content": content}}, ensure_ascii=False).encode()


PLAIN = str.maketrans({"<": "\uff1c", ">": "\uff1e", "`": "'", "*": "\uff0a"})
"""WeCom's markdown has no way to write these as they are: those of full width stand for them."""


def _plain(words: str) -> str:
    return words.translate(PLAIN).replace("](", "] (")


def _name(words: str) -> str:
    return cut(printable(words), LONGEST_PATH)


def cut(words: str, length: int) -> str:
    """Cut a text to at most so many bytes of UTF-8."""
    data = words.encode()
    return words if len(data) <= length else data[: length - 3].decode("utf-8", "ignore") + "…"
