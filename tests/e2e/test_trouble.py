"""What a daemon outlives: a service that is down, a wrong environment, volumes that go, a disk that is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, cloud, eventually, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.house import Cloud


@pytest.mark.slow
def test_a_service_that_is_down_at_the_start(tmp_path: Path) -> None:
    """It starts, says so, and everything goes up when the service is there."""
    with cloud(tmp_path / "cloud") as emulator:
        url = emulator.url
    house = House(tmp_path, url, {})
    fill(house.root, 10)

    with house.running():
        eventually(lambda: house.state() == "offline")
        status = house.status()
        assert status["service"]["state"] == "offline"
        assert status["service"]["last_error"]
        assert status["mirrors"][0]["failed"] == 0

        with cloud(tmp_path / "cloud", listen=url.removeprefix("http://")) as emulator:
            eventually(lambda: house.is_equal(emulator))
            eventually(lambda: house.state() == "in_sync")
            assert house.status()["service"]["state"] == "ok"


@pytest.mark.slow
def test_a_service_that_is_down_with_nothing_to_do(tmp_path: Path) -> None:
    """Also then it is seen that the service is out of reach, and that it is back."""
    with cloud(tmp_path / "cloud") as emulator:
        url = emulator.url
    house = House(tmp_path, url, {})

    with house.running():
        eventually(lambda: house.state() == "offline")

        with cloud(tmp_path / "cloud", listen=url.removeprefix("http://")):
            eventually(lambda: house.state() == "in_sync")


@pytest.mark.slow
def test_a_wrong_environment_is_said_and_lived_with(tmp_path: Path) -> None:
    """It stays up, says which and what to change, and goes on when that is mended."""
    with cloud(tmp_path / "cloud", "--env", "another-env") as emulator:
        house = House(tmp_path, emulator.url, {})
        fill(house.root, 3)

        with house.running():
            eventually(lambda: house.state() == "paused")
            status = house.status()

            assert status["service"]["state"] == "blocked"
            assert "-501005" in status["service"]["last_error"]
            assert status["mirrors"][0]["failed"] == 0

        house.configure(env="another-env")
        with house.running():
            eventually(lambda: len(emulator.objects(env="another-env")) == 3)


@pytest.mark.slow
def test_tokens_that_are_revoked_amid_the_work(house: House, emulator: Cloud) -> None:
    """Work goes on with a new one; no file fails."""
    emulator.tell("latency", {"seconds": 0.02})
    fill(house.root, 150)

    with house.running():
        for count in (20, 60, 100):
            eventually(lambda: emulator.calls().get("cos", 0) > count)  # noqa: B023 - called before the next
            emulator.tell("revoke-token")
        eventually(lambda: house.is_equal(emulator))

        assert house.status()["mirrors"][0]["failed"] == 0


@contextlib.contextmanager
def mounted(place: Path) -> Iterator[None]:
    """Mount a file system in memory; skip where that is not permitted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root and mount(8)")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_volume_that_is_unmounted_deletes_nothing(house: House, emulator: Cloud, tmp_path: Path) -> None:
    """Its mount point stays, empty: deletes are held. Mounted again, it is in sync, and later changes are seen."""
    volume = tmp_path / "volume"
    volume.mkdir()
    with mounted(volume):
        fill(volume, 20)
        with mounted_at(volume, house.root), house.running():
            eventually(lambda: house.is_equal(emulator))
            subprocess.run(["umount", "-l", str(house.root)], check=True)
            eventually(lambda: house.state() == "held")
            time.sleep(1)
            assert len(emulator.objects()) == 20

            subprocess.run(["mount", "--bind", str(volume), str(house.root)], check=True)
            eventually(lambda: house.state() == "in_sync")
            assert "batchdeletefile" not in emulator.calls()
            (house.root / "later").write_text("later")
            eventually(lambda: house.is_equal(emulator))


@contextlib.contextmanager
def mounted_at(volume: Path, root: Path) -> Iterator[None]:
    """Show a volume's files at the root, until the end of the block at the latest."""
    subprocess.run(["mount", "--bind", str(volume), str(root)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(root)], check=False, capture_output=True)


@pytest.mark.slow
def test_a_full_disk_for_the_state(emulator: Cloud, tmp_path: Path) -> None:
    """Nothing leaves without its row, the reason is told, and with room it goes on by itself."""
    house = House(tmp_path, emulator.url, {})
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with mounted(state):
        for number in range(1000):
            (house.root / f"{number:0200}").write_text(f"{number}")
        ballast = state / "ballast"
        with house.started() as process:
            eventually((state / "control.sock").exists)
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(b"x" * 65536):
                    pass
            eventually(lambda: "make room" in house.log.read_text())
            assert process.poll() is None
            ballast.unlink()
            eventually(lambda: house.is_equal(emulator), 100)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
