"""What a person must know or do first: each sentence, which one comes first, and what to type."""

from __future__ import annotations

from typing import Any

import pytest

from tcbsync.status import MirrorStatus, as_json, iso
from tcbsync.verdict import headlines, hindrances, mood_of, verdicts

NOW = 1_800_000_000.0
OK = {"state": "ok", "paused_until": None, "last_error": None, "notice": None}
IDLE = {"state": "stopped"}
"""The service, where no daemon runs."""


def told(*mirrors: MirrorStatus, **service: Any) -> dict[str, Any]:
    """Put a status together."""
    return as_json(list(mirrors), {**OK, **service})


def mirror(state: str = "in_sync", name: str = "site", **more: Any) -> MirrorStatus:
    """Describe a mirror that was looked at two minutes ago."""
    return MirrorStatus(name, state, **({"last_scan_at": iso(NOW - 120), "last_proved_at": iso(NOW - 7200)} | more))


HELD: dict[str, Any] = {"held_deletes": 3, "hold": "the root holds no files any more", "hold_since": iso(NOW - 3600)}
UNSEEN: dict[str, Any] = {"hold": "root /a is missing; is the volume mounted?", "problems": 1, "failed": 4}
FIRST = {
    "all is equal": (
        told(mirror(files=2, bytes=2048)),
        "In sync.",
        "The cloud holds what the disk holds: 2 files (2.0 KiB).",
    ),
    "the folder is away": (told(mirror("held", **UNSEEN)), "The folder of site cannot be seen.", "Root /a is missing"),
    "one delete": (
        told(mirror("held", **{**HELD, "held_deletes": 1})),
        "1 delete of site waits for you.",
        "let it go:",
    ),
    "deletes": (told(mirror("held", **HELD)), "3 deletes of site wait for you.", "let them go:"),
    "one file": (told(mirror("syncing", failed=1, parked=1)), "1 file was refused for good.", "To see which"),
    "files": (told(mirror("syncing", failed=2, parked=2)), "2 files were refused for good.", "To see which"),
    "tried again": (told(mirror("syncing", failed=2)), "2 files failed so far.", "Each is tried again by itself."),
    "a path": (told(mirror("syncing", problems=1)), "1 path cannot be looked at.", "Nothing there is sent or deleted."),
    "uploads": (told(mirror("syncing", pending_uploads=1, pending_bytes=1024)), "Uploading 1 file.", "1.0 KiB to go."),
    "deletes go": (told(mirror("syncing", pending_deletes=2)), "Deleting 2 files.", ""),
    "the first look": (told(mirror("scanning")), "Looking at every file.", ""),
    "by hand": (
        told(mirror("paused", paused_at=iso(NOW - 7200))),
        "Mirror site is paused by hand.",
        "For 2 h nothing has been sent or deleted; what changes is noted. To let it go on:",
    ),
    "a pause": (
        told(mirror("paused"), state="paused", paused_until=iso(NOW + 240), last_error="quota"),
        "The service asked for a pause.",
        "It goes on by itself, next try in 4 min. Quota.",
    ),
    "no answer": (told(mirror("offline"), state="offline", last_error="no"), "The service cannot be reached.", "No."),
    "full": (
        told(mirror("paused"), state="full", last_error="full"),
        "The cloud's storage is used up.",
        "Full. It goes",
    ),
    "blocked": (
        told(mirror("paused"), state="blocked", last_error="40164"),
        "The service lets nothing through.",
        "40164. It goes on by itself once that is mended.",
    ),
    "the state directory": (
        told(mirror("paused"), state="blocked", last_error="no room", blocked_by="state_dir"),
        "The state directory takes no more.",
        "No room.",
    ),
    "now": (
        told(mirror("offline"), state="offline", paused_until=iso(NOW + 0.4), last_error="h:1: no"),
        "The service cannot be reached.",
        "It goes on by itself. h:1: no.",
    ),
    "no daemon": (told(mirror("stopped"), **IDLE), "No daemon runs.", "was 2 min ago: all was equal then."),
    "never": (told(MirrorStatus("site", "stopped"), **IDLE), "Nothing was mirrored yet.", "No daemon runs."),
    "unknown": (
        told(mirror(name="other"), MirrorStatus("site", "stopped")),
        "The running daemon does not know mirror site.",
        "so it does nothing for it. To have the configuration read again:",
    ),
}


@pytest.mark.parametrize("case", FIRST)
def test_what_comes_first(case: str) -> None:
    """The first line is what a person must know or do, the second what it means."""
    answer, headline, detail = FIRST[case]

    first = verdicts(answer, NOW)[0]

    assert first.headline == headline
    assert detail in first.detail


def test_the_worst_comes_first() -> None:
    """A folder that is away comes before held deletes, these before an outage, and that before single files."""
    away, held = mirror("held", **UNSEEN), mirror("held", **HELD)
    failed = mirror("syncing", failed=1)

    answer = told(failed, held, away, state="offline", last_error="no answer")

    assert [verdict.headline for verdict in verdicts(answer, NOW)] == [
        "The folder of site cannot be seen.",
        "3 deletes of site wait for you.",
        "The service cannot be reached.",
        "1 file failed so far.",
    ]


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            "another file system is at /a; is the volume mounted?",
            "Another file system is at /a; is the volume mounted?",
        ),
        ("root /a is gone. Nothing is deleted", "Root /a is gone. Nothing is deleted."),
        ("wait!", "Wait!"),
        ("it ends.", "It ends."),
        ("stable_token: invalid secret", "stable_token: invalid secret."),
    ],
)
def test_a_reason_becomes_a_sentence(reason: str, sentence: str) -> None:
    """It ends with one stop, or with the mark that it has."""
    (seen,) = verdicts(told(mirror("held", hold=reason)), NOW)

    assert seen.detail == sentence


BESIDE = {
    "held": (mirror("held", **HELD), "tcbsync approve site --list abcd1234", "or let exactly these go:"),
    "parked": (mirror("syncing", failed=3, parked=2), "tcbsync retry", "Mend what is listed below"),
    "failed": (mirror("syncing", failed=1), "tcbsync retry", "It is tried again by itself. To try now:"),
    "unseen": (mirror("syncing", problems=1), "", "Nothing there is sent or deleted."),
}


@pytest.mark.parametrize("case", BESIDE)
def test_where_the_lists_are_shown_beside_it(case: str) -> None:
    """Nobody is sent to look at what stands before him: the next step is the one after that."""
    one, command, detail = BESIDE[case]

    first = verdicts(told(one), NOW, listings={"site": "abcd1234"})[0]

    assert first.command == command
    assert detail in first.detail


def test_how_long_an_upload_takes() -> None:
    """By how fast it went of late, where that is known."""
    answer = told(mirror("syncing", pending_uploads=2, pending_bytes=72_000))

    (first,) = verdicts(answer, NOW, bytes_per_second=10.0)

    assert first.detail == "70.3 KiB to go, about 2 h at the pace of the last minutes."


def test_in_sync_and_still_worth_a_word() -> None:
    """That changes may be seen late, or that something should be mended, is said where nothing else is to be said."""
    late = told(mirror(watch_reason="the watch limit is reached"), mirror(name="other"), notice="not reloaded")

    assert verdicts(late, NOW)[0][:3] == ("well", "In sync.", "site: the watch limit is reached")
    assert verdicts(told(mirror(), notice="not reloaded"), NOW)[0].detail == "Not reloaded."


def test_who_is_paused() -> None:
    """Each mirror with its command; all of them at once with one."""
    one, two = (mirror("paused", name, paused_at=iso(NOW - 600)) for name in ("site", "fonts"))

    some = verdicts(told(one, two, mirror(name="third")), NOW)
    every = verdicts(told(one, two), NOW)

    assert [(each.headline, each.command) for each in some] == [
        ("Mirror site is paused by hand.", "tcbsync resume site"),
        ("Mirror fonts is paused by hand.", "tcbsync resume fonts"),
    ]
    assert [(each.headline, each.command) for each in every] == [("Every mirror is paused by hand.", "tcbsync resume")]


ALONE: dict[str, tuple[dict[str, Any], tuple[str, str], str]] = {
    "paused": (
        {"paused_at": iso(NOW - 7200)},
        ("Mirror site is paused by hand.", "For 2 h nothing has been sent or deleted; a daemon that starts"),
        "tcbsync resume site",
    ),
    "failed": ({"failed": 2}, ("2 files failed so far.", "Each is tried again when a daemon runs."), ""),
    "held": (HELD, ("3 deletes of site wait for you.", "Put the files back"), "tcbsync held"),
    "unseen": (UNSEEN, ("The folder of site cannot be seen.", "Root /a is missing"), ""),
}


@pytest.mark.parametrize("case", ALONE)
def test_without_a_daemon_that_comes_first(case: str) -> None:
    """Then what stands in the way. Nobody takes note of changes or tries again, and not all was equal."""
    more, (headline, detail), command = ALONE[case]

    first, second = verdicts(told(mirror("stopped", **more), **IDLE), NOW)

    assert first.headline == "No daemon runs."
    assert first.detail.endswith(": all was equal then.") == (case == "paused")
    assert (second.headline, second.command) == (headline, command)
    assert detail in second.detail
    assert not {"noted", "itself"} & set(second.detail.replace(".", " ").split())


def test_while_another_verb_is_at_work() -> None:
    """A `sync` takes no note of what changes in a mirror that is paused, and tries nothing again by itself."""
    one = mirror("syncing", paused_at=iso(NOW - 600), failed=1)

    failed, paused = verdicts(told(one, state="unknown"), NOW)

    assert failed.detail == "It is tried again when a daemon runs."
    assert "noted" not in paused.detail


def test_mirrors_that_the_daemon_does_not_know() -> None:
    """Nobody works on them, and nobody will by itself: one command for all of them, whatever else there is."""
    new, newer = (MirrorStatus(name, "stopped", reason="the running daemon does not know it") for name in ("a", "b"))

    only = verdicts(told(new), NOW)
    both = verdicts(told(mirror("held", **HELD), newer, new, state="offline", last_error="no"), NOW)

    assert [(each.mood, each.headline, each.command) for each in only] == [
        ("act", "The running daemon does not know mirror a.", "tcbsync reload")
    ]
    assert [each.headline for each in both] == [
        "3 deletes of site wait for you.",
        "The running daemon does not know mirrors b, a.",
        "The service cannot be reached.",
    ]


def test_what_stands_in_the_way_in_a_line() -> None:
    """Nothing where all goes well, or goes on."""
    assert headlines(told(mirror("syncing", pending_uploads=3)), NOW) == []
    assert headlines(told(mirror("held", **HELD), state="offline", last_error="no"), NOW) == [
        "3 deletes of site wait for you.",
        "The service cannot be reached.",
    ]


@pytest.mark.parametrize(
    ("answer", "headline"),
    [
        (told(mirror("paused"), state="paused", last_error="quota"), "The service asked for a pause."),
        (told(mirror("paused"), state="blocked", last_error="40164"), "The service lets nothing through."),
        (told(mirror("paused"), state="full", last_error="full"), "The cloud's storage is used up."),
        (told(mirror("paused", paused_at=iso(NOW - 60))), "Mirror site is paused by hand."),
    ],
)
def test_what_keeps_everything_back(answer: dict[str, Any], headline: str) -> None:
    """The service, and a person; no hold and no file."""
    assert [each.headline for each in hindrances(answer, NOW)] == [headline]
    assert hindrances(told(mirror("held", failed=2, **HELD)), NOW) == []


@pytest.mark.parametrize(
    ("one", "mood"),
    [
        (mirror(), "well"),
        (mirror("syncing"), "busy"),
        (mirror("offline"), "wait"),
        (mirror("syncing", failed=1), "wait"),
        (mirror("syncing", failed=1, parked=1), "act"),
        (mirror("syncing", problems=1), "act"),
        (mirror("held", **HELD), "act"),
        (mirror("held", **UNSEEN), "act"),
    ],
)
def test_the_mood_of_a_mirror(one: MirrorStatus, mood: str) -> None:
    """A person has to act, or it goes on by itself, or it works, or all is well."""
    (described,) = told(one)["mirrors"]

    assert mood_of(described) == mood
