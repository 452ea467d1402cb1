"""Killed amid a reload, a forget or a pause: the next start finds a whole state, and goes on from there."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.house import COMMAND, ENVIRONMENT, House, cloud, eventually, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.house import Cloud

pytestmark = pytest.mark.slow


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Cloud]:
    """Serve the stand-in cloud, in a process of its own."""
    with cloud(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, emulator: Cloud) -> House:
    """Write a configuration that goes there."""
    return House(tmp_path, emulator.url, {})


def spoken(house: House, *words: str) -> subprocess.Popen[bytes]:
    """Begin a verb, and do not wait for it."""
    verb, *rest = words
    command = [*COMMAND, verb, "-c", str(house.config), *rest]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_forget_is_resumed_after_kills(house: House, emulator: Cloud) -> None:
    """Beside a daemon and without one: killed again and again, each time it goes on; in the end nothing is left."""
    fill(house.root, 600)
    assert house.command("sync").returncode == 0
    house.configure(prefix="new/")
    emulator.tell("latency", {"seconds": 0.15})
    for _ in range(2):
        forgetting = spoken(house, "forget", "site", "--delete-remote", "--yes")
        before = emulator.calls().get("batchdeletefile", 0)
        eventually(lambda: emulator.calls().get("batchdeletefile", 0) > before)  # noqa: B023 - called at once
        forgetting.kill()
        forgetting.wait(30)
    with house.started() as daemon:
        eventually(lambda: house.state() != "unknown")
        forgetting = spoken(house, "forget", "site", "--delete-remote", "--yes")
        before = emulator.calls().get("batchdeletefile", 0)
        eventually(lambda: emulator.calls().get("batchdeletefile", 0) > before)
        daemon.kill()
        daemon.wait(30)
        assert forgetting.wait(30) == 1
    left = len(emulator.objects())
    emulator.tell("latency", {"seconds": 0})

    result = house.command("forget", "site", "--delete-remote", "--yes")

    assert 0 < left < 600
    assert result.returncode == 0, result.stderr
    assert emulator.objects() == {}
    assert house.command("sync").returncode == 0
    assert len(emulator.objects("new/")) == 600


def test_kills_amid_reloads(house: House, emulator: Cloud) -> None:
    """A daemon that is killed while it reloads: the next one starts with the file as it is, and all becomes equal."""
    fill(house.root, 80)
    emulator.tell("latency", {"seconds": 0.02})
    for number in range(5):
        with house.started() as daemon:
            eventually(lambda: house.state() != "unknown")
            house.configure(quiet_seconds=0.3 + number / 100)
            fill(house.root / f"more{number}", 10)
            daemon.send_signal(signal.SIGHUP)
            time.sleep(0.03 * number)
            daemon.kill()
            daemon.wait(30)

    with house.running():
        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.state() == "in_sync")

    assert emulator.ask("counters")["max_at_once_same_key"] == 1


def test_a_pause_outlives_a_kill(house: House, emulator: Cloud) -> None:
    """It was said to be paused, so it is durable."""
    fill(house.root, 5)
    with house.started() as daemon:
        eventually(lambda: house.state() == "in_sync")
        assert house.command("pause").returncode == 0
        daemon.kill()
        daemon.wait(30)
    (house.root / "new").write_text("new")
    calls = emulator.calls().get("cos", 0)

    with house.running():
        eventually(lambda: house.state() == "paused")
        eventually(lambda: house.status()["mirrors"][0]["pending_uploads"] == 1)
        assert emulator.calls().get("cos", 0) == calls
        assert house.command("resume").returncode == 0
        eventually(lambda: house.is_equal(emulator))


def test_sighup_while_it_starts(house: House, emulator: Cloud) -> None:
    """A reload that comes too early ends nobody: it is done when the daemon is there."""
    fill(house.root, 5)
    document = yaml.safe_load(house.config.read_text())
    with house.started() as daemon:
        eventually((house.place / "state" / "lock").exists)
        document["mirrors"][0]["quiet_seconds"] = 0.2
        house.config.write_text(yaml.safe_dump(document))
        daemon.send_signal(signal.SIGHUP)
        eventually(lambda: house.state() == "in_sync")
        eventually(lambda: "the configuration was reloaded" in house.log.read_text())
        assert daemon.poll() is None
    assert house.is_equal(emulator)
