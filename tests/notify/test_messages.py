"""What is written: fields that scripts may depend on, and markdown that a robot takes, whatever a file is called."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.notify.messages import LONGEST_WECOM, generic, text, wecom
from tcbsync.notify.transitions import WHAT, Notice
from tcbsync.notify.wording import OVER, TEXTS
from tcbsync.verdict import verdicts
from tests.notify.robot import Robot

AT = 1_800_000_000.0
LANGUAGES = ("en", "zh")
PATHS = ("d1/a.png", "d2/b.png", "d3/c.png")


def notice(kind: str = "failed", **told: Any) -> Notice:
    """Make a notice of a trouble of two hours' age."""
    values = {"what": WHAT[kind], "kind": kind, "mirror": "site", "at": AT, "since": AT - 7200, "count": 500, **told}
    return Notice(**values)


def content(told: Notice, language: Any = "en", host: str = "web-1") -> str:
    """Give what the group reads."""
    message = json.loads(wecom(told, host, language))
    assert message.keys() == {"msgtype", "markdown"}
    assert message["msgtype"] == "markdown"
    shown: str = message["markdown"]["content"]
    return shown


def test_the_fields_of_json() -> None:
    """Each is there, with its meaning, whatever is told."""
    told = json.loads(generic(notice(paths=PATHS, is_repeated=True), "web-1", "en"))

    assert told == {
        "what": "failed",
        "kind": "failed",
        "over": None,
        "mirror": "site",
        "since": "2027-01-15T06:00:00+00:00",
        "at": "2027-01-15T08:00:00+00:00",
        "host": "web-1",
        "count": 500,
        "repeated": True,
        "text": "500 files of site could not be mirrored: d1/a.png, d2/b.png, d3/c.png and 497 more.",
        "advice": "To see which, and why: tcbsync failed",
        "command": "tcbsync failed",
        "paths": list(PATHS),
    }


def test_what_is_told_by_one_word_is_of_one_kind() -> None:
    """A folder that is away and deletes that wait are both held; `kind` tells a script which of them it is."""
    away, waiting = (json.loads(generic(notice(kind), "web-1", "en")) for kind in ("unseen", "held"))

    assert (away["what"], waiting["what"]) == ("held", "held")
    assert (away["kind"], waiting["kind"]) == ("unseen", "held")


def test_a_reason_that_is_a_question() -> None:
    """It ends as one, as in status."""
    told = text(notice("unseen", reason="root /srv/site is missing; is the volume mounted?"), "en")

    assert told.reason == "Root /srv/site is missing; is the volume mounted?"


def test_the_fields_of_an_end() -> None:
    """It says what is over, and asks for nothing."""
    told = json.loads(generic(notice("offline", what="recovered", mirror="", count=0), "web-1", "en"))

    assert (told["what"], told["kind"], told["over"]) == ("recovered", "offline", "offline")
    assert told["mirror"] is None
    assert told["text"] == "The service can be reached again. It took 2 h."
    assert told["advice"] is told["command"] is None


def test_what_a_group_reads() -> None:
    """In Chinese, with what happened, why, since when, and what to type."""
    told = notice("held", count=6, reason="another file system is at /srv/assets/site than before")

    lines = content(told, "zh").splitlines()

    assert lines[0] == '**<font color="warning">镜像 site 有 6 个删除等您确认。</font>**'
    assert lines[1] == "> Another file system is at /srv/assets/site than before."
    assert lines[2] == "把文件放回去，或者查看列表后放行：`tcbsync held`"
    assert re.fullmatch(r'<font color="comment">web-1 · 自 \d\d-\d\d \d\d:\d\d 起</font>', lines[3])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*WHAT, "test"])
def test_every_kind_has_its_words(kind: str, language: Any) -> None:
    """In each language, for what happens and for its end; nothing is left to fill in."""
    what = WHAT.get(kind, "test")
    both = [Notice(each, kind, "site", AT, AT - 9, 2) for each in (what, "recovered")[: 1 if kind == "test" else 2]]

    shown = [f"{text(each, language)}" for each in both]

    assert TEXTS[language].keys() - {"test"} == OVER[language].keys() == WHAT.keys()
    assert not any("{" in each for each in shown)
    assert (language == "zh") == bool(re.search(r"[\u4e00-\u9fff]", shown[0]))


@pytest.mark.parametrize(
    ("kind", "told", "state"),
    [
        ("unseen", {"hold": "root / is missing", "held_deletes": 0}, "ok"),
        ("held", {"hold": "too many", "held_deletes": 6}, "ok"),
        ("offline", {}, "offline"),
        ("blocked", {}, "blocked"),
        ("stalled", {}, "blocked"),
        ("full", {}, "full"),
        ("paused", {}, "paused"),
    ],
)
def test_the_headlines_are_those_of_status(kind: str, told: dict[str, Any], state: str) -> None:
    """Who reads a message and then types `tcbsync status` finds the same words."""
    mirror = {"name": "site", "state": "held", "hold": "", "held_deletes": 0, "problems": 0, "failed": 0, **told}
    blocked_by = "state_dir" if kind == "stalled" else None
    service = {"state": state, "last_error": "x", "paused_until": None, "blocked_by": blocked_by}

    first = verdicts({"mirrors": [mirror], "service": service}, AT)[0]

    assert text(notice(kind, count=6), "en").headline == first.headline


ODD = [
    "<@all>",
    "<@zhangsan> [click](http://evil.example/) **bold** `rm -rf /`",
    '</font><font color="info">',
    "a\nb\r\n# title\n> quote",
    "\u202egnp.exe",
    "\udcff\udcfe.png",
    "名" * 400,
    "😀" * 400,
    "<" * 900,
]


@pytest.mark.parametrize("name", ODD)
def test_no_name_is_markup(name: str) -> None:
    """Nobody is called, nothing is a link, no line is broken, and a robot takes it."""
    told = notice(paths=(name, name, name), reason=name)

    shown = content(told, host=name)

    assert "<@" not in shown
    assert "](" not in shown
    assert shown.count("<font") == shown.count("</font>") == 2
    assert len(shown.splitlines()) == 5
    assert Robot("")._judge("POST", "application/json", wecom(told, name, "en")) == 0
    json.loads(generic(told, name, "zh"))


@given(
    st.sampled_from(sorted(WHAT)),
    st.text(max_size=3000),
    st.lists(st.text(max_size=900), max_size=5),
    st.sampled_from(LANGUAGES),
    st.integers(0, 10**9),
)
def test_every_message_fits(kind: str, reason: str, paths: list[str], language: Any, count: int) -> None:
    """At most 4096 bytes for a robot, and JSON of a few thousand, however long names and reasons are."""
    told = notice(kind, reason=reason, paths=tuple(paths), count=count, mirror="m" * 64)

    shown = content(told, language, "h" * 300)
    plain = generic(told, "h" * 300, language)

    assert len(shown.encode()) <= LONGEST_WECOM
    assert len(plain) < 3 * LONGEST_WECOM
