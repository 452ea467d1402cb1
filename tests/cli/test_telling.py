"""The status as lines: what each mirror and the service say, and that nothing breaks them."""

from __future__ import annotations

from typing import Any

import pytest

from tcbsync.cli.lines import Paper, cells
from tcbsync.cli.telling import status_lines
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
        "  last scan   2 min ago",
        "  last proof  2 h ago",
    ]


def test_the_service() -> None:
    """What holds uploads back, and what should be mended; what the first lines say is not said again."""
    limits = {"bandwidth": 500_000, "bandwidth_until": "19:00", "uploads_at_once": 4, "uploads": 16}
    pause = {"state": "paused", "paused_until": iso(NOW + 30), "last_error": "quota [45011]"}

    lines = status_lines(
        told(mirror("paused", reason="quota [45011]"), **pause, **limits, notice="a second service renews the token"),
        NOW,
        Paper(),
    )

    assert "\n".join(lines).lower().count("quota [45011]") == 1
    assert lines[1] == "  It goes on by itself, next try in 30 s. Quota [45011]."
    assert lines[-4:] == [
        "",
        "bandwidth 500 KB/s until 19:00",
        "uploads lowered to 4 of 16: the service said too many at once",
        "notice: a second service renews the token",
    ]


def test_a_notice_is_said_once() -> None:
    """It is the first thing to know where nothing else is amiss, and then it is not said again below."""
    lines = status_lines(told(mirror(), notice="a second service renews the token"), NOW, Paper())

    assert lines[:2] == ["In sync.", "  A second service renews the token."]
    assert "\n".join(lines).count("renews the token") == 1


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
