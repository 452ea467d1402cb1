"""Where the watcher's eyes end: a daemon that rescans nothing for an hour mirrors everything all the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, eventually, fill
from tests.local.watching import overflow

if TYPE_CHECKING:
    from tests.e2e.house import Cloud

WATCHES = 30
FEW_WATCHES = (
    *("unshare", "--user", "--map-root-user"),  # a user of its own has limits of its own
    *("sh", "-c", f'echo {WATCHES} > /proc/sys/user/max_inotify_watches && exec "$@"', "sh"),
)
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Give the processor time that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_events_that_were_lost_are_made_good(house: House, emulator: Cloud) -> None:
    """The kernel's queue overflows while the daemon stands still: what is new, changed and gone is mirrored then."""
    fill(house.root, 30)
    (house.root / "noise").mkdir()
    with house.running() as daemon:
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        daemon.send_signal(signal.SIGSTOP)
        try:
            overflow(house.root / "noise")
            (house.root / "new" / "deep").mkdir(parents=True)
            (house.root / "new" / "deep" / "file").write_text("unheard")
            (house.root / "d1" / "1").write_text("changed unheard")
            shutil.rmtree(house.root / "d2")
        finally:
            daemon.send_signal(signal.SIGCONT)

        eventually(lambda: house.is_equal(emulator))
        (house.root / "new" / "deep" / "later").write_text("heard")
        eventually(lambda: house.is_equal(emulator))
        assert house.status()["mirrors"][0]["watch_mode"] == "inotify"


@pytest.mark.slow
def test_our_own_reads_do_not_wake_us(house: House, emulator: Cloud) -> None:
    """After a storm of uploads, small and large, there is rest: nothing is noticed, looked at or sent."""
    fill(house.root, 300)
    for number in range(4):
        (house.root / f"large{number}").write_bytes(os.urandom(3_000_000))
    with house.running() as daemon:
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        time.sleep(1)  # what is said of the storm's last file is on its way
        calls, scanned, used = emulator.calls(), house.status()["mirrors"][0]["last_scan_at"], cpu_seconds(daemon)

        states = set()
        for _ in range(50):
            states.add(house.state())
            time.sleep(0.05)

        status = house.status()["mirrors"][0]
        assert states == {"in_sync"}
        assert (emulator.calls(), status["last_scan_at"], status["drift"]) == (calls, scanned, 0)
        assert cpu_seconds(daemon) - used < 1


@pytest.mark.slow
def test_the_watch_limit_is_reached_while_running(tmp_path: Path, emulator: Cloud) -> None:
    """It is said, with the line to change; what lies beneath is rescanned by itself, and nothing is missed."""
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    house = House(tmp_path, emulator.url, {}, before=FEW_WATCHES)
    fill(house.root, 9)
    with house.running():
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        assert house.status()["mirrors"][0]["watch_mode"] == "inotify"

        for number in range(2 * WATCHES):
            (house.root / f"late{number}").mkdir()
        eventually(lambda: house.status()["mirrors"][0]["watch_mode"] == "degraded")
        reason = house.status()["mirrors"][0]["watch_reason"]
        for number in range(2 * WATCHES):
            (house.root / f"late{number}" / "file").write_text(f"{number}")
        eventually(lambda: house.is_equal(emulator))
        for number in range(0, 2 * WATCHES, 2):
            (house.root / f"late{number}" / "file").unlink()
            (house.root / f"late{number + 1}" / "file").write_text("changed")

        eventually(lambda: house.is_equal(emulator))
        assert f"is {WATCHES}: put `user.max_inotify_watches = 524288` into /etc/sysctl.d/" in reason


@pytest.mark.slow
def test_a_root_that_is_renamed_away_and_back(house: House, emulator: Cloud) -> None:
    """While it is away, deletes are held and none is sent; back again, later changes are seen."""
    fill(house.root, 20)
    aside = house.root.with_name("aside")
    with house.running():
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        house.root.rename(aside)
        eventually(lambda: house.state() == "held")
        (aside / "d0" / "0").write_text("changed while away")
        time.sleep(1)
        assert "batchdeletefile" not in emulator.calls()
        aside.rename(house.root)

        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.status()["mirrors"][0]["watch_mode"] == "inotify")
        (house.root / "d1" / "later").write_text("later")
        eventually(lambda: house.is_equal(emulator))
        assert "batchdeletefile" not in emulator.calls()


@pytest.mark.slow
def test_a_root_that_is_replaced(house: House, emulator: Cloud) -> None:
    """A deployment puts another directory in its place: it is looked at, and later changes in it are seen."""
    fill(house.root, 20)
    fresh = house.root.with_name("fresh")
    shutil.copytree(house.root, fresh)
    (fresh / "d0" / "new").write_text("new")
    with house.running():
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        house.root.rename(house.root.with_name("old"))
        fresh.rename(house.root)

        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.status()["mirrors"][0]["watch_mode"] == "inotify")
        (house.root / "d1" / "later").write_text("later")
        eventually(lambda: house.is_equal(emulator))


@pytest.mark.slow
def test_a_directory_that_nobody_may_read_for_a_while(tmp_path: Path, emulator: Cloud) -> None:
    """What is in it stays in the cloud, which is said; when it may be read, its changes are found."""
    before = POWERLESS if os.geteuid() == 0 else ()
    house = House(tmp_path, emulator.url, {"rescan_seconds": 1}, before=before)
    fill(house.root, 20)
    with house.running():
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        (house.root / "d1").chmod(0)
        eventually(lambda: house.status()["mirrors"][0]["problems"] == 1)
        time.sleep(1)
        assert len(emulator.objects()) == 20
        (house.root / "d1").chmod(0o700)
        (house.root / "d1" / "1").write_text("changed")

        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.state() == "in_sync")
