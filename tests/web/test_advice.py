"""What becomes of a file that failed, and that the page begins with what a person must do first."""

from __future__ import annotations

import pytest

from tcbsync.core.words import span
from tcbsync.engine.tally import Tally
from tcbsync.store.answers import Failure
from tcbsync.web.advice import advice, first
from tcbsync.web.view import Lists
from tests.web.viewing import NOW, mirror, overview


def test_what_stands_first() -> None:
    """The worst trouble of any mirror, with the command for exactly the list that the page shows."""
    held = mirror(state="held", held_deletes=14, hold="14 would be deleted", lists=Lists(listing="abcd1234"))

    told = first(overview(mirror("other", state="syncing", failed=1), held))

    assert [each.headline for each in told] == ["14 deletes of site wait for you.", "1 file failed so far."]
    assert told[0].command == "tcbsync approve site --list abcd1234"


def test_an_upload_says_how_long_it_takes() -> None:
    """By the last whole minutes."""
    tally = Tally()
    for minute in range(1, 6):
        tally.sent("a", 600, NOW - 60 * minute)

    (told,) = first(overview(mirror(state="syncing", pending_uploads=2, pending_bytes=72_000, tally=tally)))

    assert told.detail == "70.3 KiB to go, about 2 h at the pace of the last minutes."


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
