"""What holds uploads back, as a person reads it."""

from __future__ import annotations

from typing import Any

import pytest

from tcbsync import status

FREE = {
    "uploads_at_once": 32,
    "uploads": 32,
    "deletes_at_once": 4,
    "deletes": 4,
    "bandwidth": None,
    "bandwidth_until": None,
}

SAID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "a limit": ({"bandwidth": 500_000}, ["bandwidth 500 KB/s"]),
    "until an hour": ({"bandwidth": 1_500_000, "bandwidth_until": "19:00"}, ["bandwidth 1.5 MB/s until 19:00"]),
    "from an hour on": ({"bandwidth_until": "Mon 08:00"}, ["bandwidth not limited until Mon 08:00"]),
    "an odd limit": ({"bandwidth": 16_384}, ["bandwidth 16.38 KB/s"]),
    "a fast line": ({"bandwidth": 2 * 10**9}, ["bandwidth 2 GB/s"]),
    "fewer uploads": ({"uploads_at_once": 8}, ["uploads lowered to 8 of 32: the service said too many at once"]),
    "fewer deletes": ({"deletes_at_once": 1}, ["deletes lowered to 1 of 4: the service said too many at once"]),
    "both": (
        {"bandwidth": 1024, "uploads_at_once": 1},
        ["bandwidth 1.024 KB/s", "uploads lowered to 1 of 32: the service said too many at once"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_holds_uploads_back(name: str) -> None:
    """A line for the limit where there is one, and one for each kind of call that the service asked to lower."""
    change, expected = SAID[name]

    assert status.limits({**FREE, **change}) == expected


def test_without_a_daemon_nothing_is_said() -> None:
    """Nobody sends, so nothing holds anybody back."""
    service = {"state": "stopped", "paused_until": None, "last_error": None}

    assert status.limits(service) == []
