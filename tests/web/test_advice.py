"""What a person must do first: the worst trouble, in one sentence, with what to type."""

from __future__ import annotations

from typing import Any

import pytest

from tcbsync.core.words import span
from tcbsync.engine.tally import Tally
from tcbsync.status import iso
from tcbsync.store.answers import Failure
from tcbsync.web.advice import advice, icon, verdict
from tcbsync.web.view import Lists
from tests.web.viewing import NOW, mirror, overview

BLOCKED = {"state": "blocked", "last_error": "invalid ip [40164] (put this host into the IP whitelist)"}
OFFLINE = {"state": "offline", "last_error": "no connection", "paused_until": iso(NOW + 40)}
HELD = {"state": "held", "held_deletes": 14, "hold": "14 objects would be deleted", "lists": Lists(listing="abcd1234")}
MISSING: dict[str, Any] = {"state": "held", "hold": "root /srv/assets/site is missing; is the volume mounted?"}
PARKED: dict[str, Any] = {"state": "syncing", "failed": 3, "parked": 3}
BLIND = {"state": "syncing", "problems": 1}
FAILED = {"state": "syncing", "failed": 1}


@pytest.mark.parametrize(
    ("status", "service", "mood", "headline", "command"),
    [
        ({"files": 2, "bytes": 2048}, {}, "well", "In sync.", ""),
        ({"state": "starting"}, {}, "busy", "Looking at every file.", ""),
        ({"state": "scanning", "pending_uploads": 3}, {}, "busy", "Looking at every file.", ""),
        ({"state": "syncing", "pending_uploads": 1}, {}, "busy", "Uploading 1 file.", ""),
        ({"state": "syncing", "pending_deletes": 2000}, {}, "busy", "Deleting 2,000 files.", ""),
        ({"state": "syncing"}, {}, "busy", "Working.", ""),
        (FAILED, {}, "wait", "1 file failed so far.", "tcbsync retry"),
        (BLIND, {}, "act", "1 path cannot be looked at.", ""),
        (PARKED, {}, "act", "3 files were refused for good.", "tcbsync retry"),
        (PARKED | {"parked": 1}, {}, "act", "1 file was refused for good.", "tcbsync retry"),
        ({"state": "paused"}, {"state": "paused", "last_error": "45011"}, "wait", "The service asked for a pause.", ""),
        ({"state": "offline"}, OFFLINE, "wait", "The service cannot be reached.", ""),
        ({"state": "paused"}, {"state": "full", "last_error": "x"}, "act", "The cloud's storage is used up.", ""),
        (HELD, {}, "act", "14 deletes of site wait for you.", "tcbsync approve site --list abcd1234"),
        (
            HELD | {"held_deletes": 1},
            {},
            "act",
            "1 delete of site waits for you.",
            "tcbsync approve site --list abcd1234",
        ),
        (MISSING, {}, "act", "The folder of site cannot be seen.", ""),
        ({"state": "paused"}, BLOCKED, "act", "The service lets nothing through.", ""),
    ],
)
def test_the_verdict(status: dict[str, Any], service: dict[str, Any], mood: str, headline: str, command: str) -> None:
    """Each trouble has its sentence, its mood, and what to type where that helps."""
    told = verdict(overview(mirror(**status), **service))

    assert (told.mood, told.headline, told.command) == (mood, headline, command)


@pytest.mark.parametrize(
    ("worse", "service", "less", "headline"),
    [
        (HELD, BLOCKED, PARKED, "The service lets nothing through."),
        (MISSING, {}, HELD, "The folder of site cannot be seen."),
        (HELD, OFFLINE, PARKED, "14 deletes of site wait for you."),
        (PARKED, OFFLINE, BLIND, "The service cannot be reached."),
        (PARKED, {}, BLIND, "3 files were refused for good."),
        (BLIND, {}, FAILED, "1 path cannot be looked at."),
    ],
)
def test_the_worst_comes_first(
    worse: dict[str, Any], service: dict[str, Any], less: dict[str, Any], headline: str
) -> None:
    """Whichever mirror it is of."""
    told = verdict(overview(mirror("other", **less), mirror(**worse), **service))

    assert told.headline == headline
    assert told.then


def test_one_trouble_has_nothing_after_it() -> None:
    """That it works on is no news then."""
    assert verdict(overview(mirror(**PARKED))).then == ""


def test_an_outage_says_when_it_is_tried_again() -> None:
    """And that it goes on by itself."""
    told = verdict(overview(mirror(state="offline"), **OFFLINE))

    assert told.detail.startswith("Everything goes on by itself when the service answers, next try in 40 s")


def test_an_upload_says_how_long_it_takes() -> None:
    """By the last whole minutes."""
    tally = Tally()
    for minute in range(1, 6):
        tally.sent("a", 600, NOW - 60 * minute)

    told = verdict(overview(mirror(state="syncing", pending_uploads=2, pending_bytes=72_000, tally=tally)))

    assert told.detail == "70.3 KiB to go, about 2 h at the pace of the last minutes."


def test_in_sync_and_still_worth_a_word() -> None:
    """That changes may be seen late is said where nothing else is to be said."""
    told = verdict(overview(mirror(watch_reason="the watch limit is reached"), mirror("other")))

    assert (told.mood, told.headline) == ("well", "In sync.")
    assert told.detail == "site: the watch limit is reached"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (
            Failure(
                "a.png",
                "EntityTooLarge",
                "upload site/a.png: the file is too large (COS: at most 5 GB in one POST)",
                2,
                None,
                NOW,
            ),
            ("The file is too large", "COS: at most 5 GB in one POST", "waits for you"),
        ),
        (
            Failure("a.png", "-501007", "upload site/a.png: invalid argument", 1, None, NOW),
            ("Invalid argument", "Mend the file or its name, then `tcbsync retry`", "waits for you"),
        ),
        (Failure("b", "HTTP 502", "in trouble", 1, NOW + 75, NOW), ("In trouble", "", "next try in 75 s")),
        (Failure("b", "HTTP 502", "in trouble", 1, NOW - 1, NOW), ("In trouble", "", "is tried now")),
        (
            Failure("c", "unreadable", "c cannot be read: Permission denied", 4, NOW + 3600, NOW),
            (
                "Cannot be read: Permission denied",
                "Let the daemon's user read it, or ignore it",
                "next try in 60 min",
            ),
        ),
    ],
)
def test_what_becomes_of_a_file_that_failed(failure: Failure, expected: tuple[str, str, str]) -> None:
    """Its reason without what is said beside it, the next step, and the next try."""
    assert advice(failure, NOW) == expected


def test_what_follows_from_a_missing_folder_is_no_trouble_of_its_own() -> None:
    """Its files vanish, and it is itself a path that cannot be looked at: one sentence says it all."""
    told = verdict(overview(mirror(**MISSING, failed=200, problems=1)))

    assert (told.headline, told.then) == ("The folder of site cannot be seen.", "")


@pytest.mark.parametrize(
    ("status", "mood"),
    [
        ({}, "well"),
        ({"state": "scanning"}, "busy"),
        (FAILED, "wait"),
        ({"state": "offline"}, "wait"),
        (PARKED, "act"),
        (BLIND, "act"),
        (MISSING, "act"),
    ],
)
def test_the_mood_of_a_mirror(status: dict[str, Any], mood: str) -> None:
    """As loud as what has to be done."""
    assert icon(mirror(**status)) == mood


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "2 h"),
        (129_599, "36 h"),
        (129_600, "2 days"),
    ],
)
def test_spans(seconds: float, told: str) -> None:
    """One unit, and never a thousand of it."""
    assert span(seconds) == told
