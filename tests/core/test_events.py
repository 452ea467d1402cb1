"""The list of events is a promise: a name, a field or a type that is there stays; what is new is added here."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tcbsync.core.events import KINDS, Event, Failed, Level, Started, described, documented

PROMISED = """
started: mirrors list[str]
stopping:
state_changed: state str, before str, reason str
service_changed: state str, before str, reason str, env str, part str, part_before str
uploaded: path str, size int, md5 str
deleted: path str
failed: path str, action str, code str, reason str, is_parked bool
recovered: path str, action str
rested: state str, uploads int, bytes int, deletes int, failed int, seconds float
held: reason str, is_approvable bool
released: reason str
approved: deletes int
retried: files int
paused:
resumed:
reloaded: changes list[str]
reload_refused: reason str
forgotten: env str, prefix str, rows int, deleted int
watching_changed: mode str, reason str
drifted: changes int
left_out: kind str, lines int, seconds int, last str
dropped: events int
"""
"""Removing or renaming anything breaks somebody's script. Adding is allowed, by adding it to this list too."""

EACH = pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])


def test_what_was_promised_is_there_and_nothing_that_is_not_promised() -> None:
    """Names, fields and types of all events are those of the list."""
    events = [documented(kind) for kind in KINDS]

    lines = [
        f"{event.name}: {', '.join(f'{name} {kind}' for name, kind in event.fields.items())}".strip()
        for event in events
    ]

    assert sorted(lines) == sorted(PROMISED.split("\n")[1:-1])


@EACH
def test_each_event_is_documented(kind: type[Event]) -> None:
    """It says in a sentence of its own what it means, and has a level; no field hides what each line of JSON has."""
    told = documented(kind)

    assert len(told.meaning) > 20
    assert told.meaning.endswith((".", ")"))
    assert Level[told.level.upper()] == kind.level
    assert not {"at", "level", "message", "event", "mirror", "logger"} & set(told.fields)
    assert [field.name for field in fields(kind)] == list(told.fields)


def test_an_event_as_json_has_it() -> None:
    """The name, the mirror or null, and then its own fields in their order."""
    of_one = described(Failed("a", "upload", "40097", "no", is_parked=False), "site")
    of_all = described(Started(["site"]))

    assert list(of_one.items()) == [
        ("event", "failed"),
        ("mirror", "site"),
        ("path", "a"),
        ("action", "upload"),
        ("code", "40097"),
        ("reason", "no"),
        ("is_parked", False),
    ]
    assert of_all == {"event": "started", "mirror": None, "mirrors": ["site"]}
