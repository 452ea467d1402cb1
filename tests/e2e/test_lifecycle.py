"""A daemon's life: how it starts, what it outlives, how it ends, and what a kill costs."""

from __future__ import annotations

import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, cloud, eventually, fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.house import Cloud


def test_a_second_sync_sends_nothing(house: House, emulator: Cloud) -> None:
    """Not a link, not an upload, not even a token; and it says that there is nothing to do."""
    fill(house.root, 30)
    first = house.command("sync")
    calls = emulator.calls()

    second = house.command("sync")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert house.is_equal(emulator)
    assert "nothing to do" in second.stdout
    assert emulator.calls() == calls


@pytest.mark.slow
def test_killed_amid_an_upload_storm(house: House, emulator: Cloud) -> None:
    """Restarted, it makes both equal, and sends nothing twice beyond what was in flight."""
    fill(house.root, 400)
    emulator.tell("latency", {"seconds": 0.03})
    with house.started() as process:
        eventually(lambda: emulator.calls().get("cos", 0) > 120)
        process.kill()
        process.wait(30)
    emulator.tell("latency", {"seconds": 0})
    sent = emulator.calls()["cos"]
    assert sent < 400

    with house.running():
        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.state() == "in_sync")

    # 32 are being sent, and as many may have been sent whose proof is not written down yet.
    assert emulator.calls()["cos"] <= 400 + 3 * 32
    assert emulator.ask("counters")["max_at_once_same_key"] == 1


@pytest.mark.slow
def test_killed_again_and_again(house: House, emulator: Cloud) -> None:
    """At any moment, also while it starts, scans, renames and deletes; the last run makes both equal."""
    fill(house.root, 150)
    emulator.tell("latency", {"seconds": 0.01})
    for number in range(6):
        with house.started() as process:
            time.sleep(0.4 + 0.15 * number)
            shutil.rmtree(house.root / f"d{number}", ignore_errors=True)
            (house.root / "d8").rename(house.root / "moving")
            (house.root / "moving").rename(house.root / "d8")
            process.kill()
            process.wait(30)

    result = house.command("sync")

    assert result.returncode == 0, result.stderr
    assert house.is_equal(emulator)


def test_sync_beside_a_daemon_names_it(house: House) -> None:
    """One process at a time: the second one ends with 1 and says who is there."""
    with house.running() as daemon:
        eventually(lambda: house.state() == "in_sync")

        result = house.command("sync")

        assert result.returncode == 1
        assert f"process {daemon.pid}" in result.stderr
        assert "tcbsync run" in result.stderr


@pytest.mark.slow
def test_a_stop_finishes_what_is_in_flight(house: House, emulator: Cloud) -> None:
    """SIGTERM: exit 0 within seconds, and nothing that was under way is cut off."""
    fill(house.root, 200)
    emulator.tell("latency", {"seconds": 0.2})
    with house.started() as process:
        eventually(lambda: emulator.ask("counters")["at_once"].get("cos", 0) >= 8)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        code = process.wait(30)
        took = time.monotonic() - started

    assert code == 0, house.log.read_text()
    assert took < 15
    stored = len(emulator.objects())
    assert ("cos", "hangup") not in [(entry["call"], entry["outcome"]) for entry in emulator.ask("log")]
    mirror = house.status()["mirrors"][0]
    assert (mirror["state"], mirror["files"]) == ("stopped", stored)
    assert 8 <= stored < 200


@pytest.mark.slow
def test_interrupt_is_a_stop_too(house: House) -> None:
    """Ctrl-C in a terminal ends it as cleanly."""
    with house.started() as process:
        eventually(lambda: house.state() == "in_sync")
        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 0


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(house: House, emulator: Cloud) -> None:
    """Whoever is in a hurry does not wait for what is in flight."""
    fill(house.root, 20)
    emulator.tell("faults", [{"call": "cos", "kind": "stall", "seconds": 30}])
    with house.started() as process:
        eventually(lambda: emulator.ask("counters")["at_once"].get("cos", 0) > 0)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        code = process.wait(30)

    assert code == 128 + signal.SIGTERM
    assert time.monotonic() - started < 3


@pytest.mark.slow
def test_a_root_that_is_missing_at_the_start(house: House, emulator: Cloud) -> None:
    """It starts, says that it waits, and recovers by itself when the root is there."""
    house.root.rmdir()

    with house.running():
        eventually(lambda: house.state() == "held")
        assert "is missing" in house.status()["mirrors"][0]["reason"]

        fill(house.root, 5)
        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.state() == "in_sync")


def test_sync_with_a_missing_root_says_held(house: House) -> None:
    """Exit code 4: nothing was deleted, and a person should look."""
    house.root.rmdir()

    result = house.command("sync")

    assert result.returncode == 4
    assert "is missing" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "sync"])
def test_a_wrong_secret_is_a_wrong_configuration(tmp_path: Path, verb: str) -> None:
    """Exit code 78, with the reason and without the secret: the unit is not started again and again."""
    with cloud(tmp_path / "cloud", "--secret", "another") as emulator:
        house = House(tmp_path, emulator.url, {})
        fill(house.root, 3)

        result = house.command(verb)

        assert result.returncode == 78, result.stderr
        assert "40001" in result.stderr or "secret" in result.stderr
        assert "no-secret" not in result.stderr
