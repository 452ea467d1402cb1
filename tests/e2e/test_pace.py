"""How fast the daemon sends: as configured, as the service takes it, and as `status` says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, cloud, eventually, fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.house import Cloud

pytestmark = pytest.mark.slow


def test_a_limit_is_kept_and_said(house: House, emulator: Cloud) -> None:
    """A megabyte at 200 KB a second takes five seconds, small files and a large one; status says which limit holds."""
    house.configure(service={"bandwidth": {"00:00": 200_000}})
    for number in range(4):
        (house.root / f"{number}").write_bytes(bytes([number]) * 100_000)
    (house.root / "large").write_bytes(b"l" * 1_100_000)

    with house.running():
        eventually(lambda: emulator.calls().get("uploadfile", 0) > 0)
        started = time.monotonic()
        said, told = house.command("status").stdout, house.status()["service"]
        eventually(lambda: house.is_equal(emulator))
        took = time.monotonic() - started

    assert "bandwidth 200 KB/s\n" in said
    assert (told["bandwidth"], told["bandwidth_until"]) == (200_000, None)
    assert 5 < took < 30
    assert emulator.calls()["cos"] == 5


def test_a_service_that_takes_few_at_once(tmp_path: Path) -> None:
    """Three at once where 32 are configured: all arrives, nothing fails, and status says what was lowered."""
    with cloud(tmp_path / "cloud", "--at-once", "3", "--latency", "0.02") as emulator:
        house = House(tmp_path, emulator.url, {})
        fill(house.root, 200)

        with house.running():
            eventually(lambda: house.is_equal(emulator))
            eventually(lambda: house.state() == "in_sync")
            said, told = house.command("status").stdout, house.status()
            failed = house.command("failed")

    at_once = told["service"]["uploads_at_once"]
    assert 1 <= at_once <= 6
    assert f"uploads lowered to {at_once} of 32: the service said too many at once\n" in said
    assert told["service"]["state"] == "ok"
    assert told["mirrors"][0]["failed"] == 0
    assert failed.stdout == "nothing failed\n"
