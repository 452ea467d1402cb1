"""The status as lines: what comes first, what each mirror says, and that nothing breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from tcbsync.cli.lines import Paper, cells
from tcbsync.cli.telling import status_lines
from tcbsync.cli.verdict import tone_of, verdicts
from tcbsync.status import MirrorStatus, as_json, iso

NOW = 1_800_000_000.0
OK = {"state": "ok", "paused_until": None, "last_error": None, "notice": None}


def told(*mirrors: MirrorStatus, **service: Any) -> dict[str, Any]:
    """Put a status together."""
    return as_json(list(mirrors), {**OK, **service})


def mirror(state: str = "in_sync", **more: Any) -> MirrorStatus:
    """Describe a mirror that was looked at two minutes ago."""
    return MirrorStatus("site", state, **({"last_scan_at": iso(NOW - 120), "last_proved_at": iso(NOW - 7200)} | more))


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
    "a pause": (
        told(mirror("paused"), state="paused", paused_until=iso(NOW + 240), last_error="quota"),
        "The service asked for a pause.",
        "It goes on by itself, next try in 4 min. quota",
    ),
    "no answer": (told(mirror("offline"), state="offline", last_error="no"), "The service cannot be reached.", "no"),
    "full": (told(mirror("paused"), state="full", last_error="full"), "The cloud's storage is used up.", "full"),
    "blocked": (
        told(mirror("paused"), state="blocked", last_error="40164"),
        "The service lets nothing through.",
        "40164",
    ),
    "no daemon": (told(mirror("stopped")), "No daemon runs.", "as of the last run, 2 minutes ago: all was equal then."),
    "never": (told(MirrorStatus("site", "stopped")), "Nothing was mirrored yet.", "No daemon runs."),
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


def test_a_mirror_in_trouble() -> None:
    """Each thing has a line of its own with a count, and with the command that shows it or lets it go."""
    busy = {"pending_uploads": 12, "pending_bytes": 4096, "pending_deletes": 1, "oldest_pending_at": iso(NOW - 600)}
    flying = {"in_flight": 5, "in_flight_paths": ("a.png", "b.png")}
    seen = {"watch_mode": "degraded", "watch_reason": "2 directories are not watched", "drift": 1, "kept": 2}

    lines = status_lines(
        told(mirror("held", files=9, bytes=99, failed=2, **HELD, **busy, **flying, **seen)), NOW, Paper()
    )

    assert lines[lines.index("") + 1 :] == [
        "site: held, 14 files in the cloud (99 bytes), 3 of them held, 2 of them kept",
        "  held        3 deletes (for 60 min): `tcbsync held` lists them, `tcbsync approve site` lets them go",
        "  failed      2 files: `tcbsync failed` says why",
        "  waiting     12 uploads (4.0 KiB), 1 delete, the oldest for 10 min",
        "  in flight   a.png, b.png, 3 more",
        "  kept        2 files, gone here, stay in the cloud (delete: never)",
        "  watched     by events, in part by rescans: 2 directories are not watched",
        "  drift       1 change came without an event, and rescans found them",
        "  last scan   2 minutes ago",
        "  last proof  2 hours ago",
    ]


def test_the_service() -> None:
    """Its state and until when, what holds uploads back, and what should be mended."""
    limits = {"bandwidth": 500_000, "bandwidth_until": "19:00", "uploads_at_once": 4, "uploads": 16}
    pause = {"state": "paused", "paused_until": iso(NOW + 30), "last_error": "quota [45011]"}

    lines = status_lines(
        told(mirror("paused"), **pause, **limits, notice="a second service renews the token"), NOW, Paper()
    )

    assert lines[-4:] == [
        "service: paused, next try in 30 s: quota [45011]",
        "bandwidth 500 KB/s until 19:00",
        "uploads lowered to 4 of 16: the service said too many at once",
        "notice: a second service renews the token",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_it_fits(width: int) -> None:
    """Whatever is called what, every line fits; but for a command, which stays whole so that it can be copied."""
    long: dict[str, Any] = {"in_flight": 1, "in_flight_paths": (f"{'很长的目录/' * 20}图.png",), "reason": "x" * 200}
    many = MirrorStatus("m" * 64, "held", files=10**9, failed=3, **HELD, **long)

    lines = status_lines(told(many, mirror()), NOW, Paper(width=width))

    assert [line for line in lines if cells(line) > width and "tcbsync" not in line] == []


def test_an_older_daemon_is_understood() -> None:
    """A daemon of another version may leave out what the contract does not name."""
    contract = ["name", "state", "files", "pending_uploads", "pending_deletes", "failed", "held_deletes", "watch_mode"]
    more = ["last_scan_at", "last_proved_at", "hold", "problems", "kept", "reason", "watch_reason", "drift"]
    answer = told(mirror("syncing", files=3, pending_uploads=1))
    (whole,) = answer["mirrors"]
    service = {name: answer["service"][name] for name in ("state", "paused_until", "last_error")}

    lines = status_lines({"mirrors": [{key: whole[key] for key in contract + more}], "service": service}, NOW, Paper())

    assert lines[0] == "Uploading 1 file."
    assert "site: syncing, 3 files in the cloud" in lines


@pytest.mark.parametrize(
    ("one", "tone"),
    [
        (mirror(), "well"),
        (mirror("syncing"), "busy"),
        (mirror("offline"), "wait"),
        (mirror("syncing", failed=1), "wait"),
        (mirror("syncing", failed=1, parked=1), "act"),
        (mirror("held", **HELD), "act"),
    ],
)
def test_the_tone_of_a_mirror(one: MirrorStatus, tone: str) -> None:
    """A person has to act, or it goes on by itself, or it works, or all is well."""
    (described,) = told(one)["mirrors"]

    assert tone_of(described) == tone
