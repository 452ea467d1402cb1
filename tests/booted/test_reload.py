"""`systemctl reload`: what systemd hears, and what goes on meanwhile."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.booted.rig import eventually
from tests.booted.stage import SECRET, UNIT, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.booted.stage import Stage


@pytest.fixture
def running(stage: Stage) -> Iterator[Stage]:
    """Let the daemon run."""
    stage.start()
    yield stage
    stage.guest.ask("faults", [])


def reload(stage: Stage, *, by: str) -> int:
    """Ask for a reload: of systemd, by the signal, or by the command. Gives the exit status."""
    commands = {
        "systemctl": ("systemctl", "reload", UNIT),
        "signal": ("systemctl", "kill", "--kill-whom=main", "--signal=HUP", UNIT),
        "command": ("runuser", "-u", "tcbsync", "--", "tcbsync", "reload"),
    }
    return stage.guest.run(*commands[by], check=False).returncode


def reloaded(stage: Stage, since: float) -> list[str]:
    """Wait until the daemon has said that it is ready again, and give all that it said."""

    def told() -> list[str]:
        told = stage.told(since)
        begun = [number for number, message in enumerate(told) if "RELOADING=1" in message]
        return told if begun and any("READY=1" in message for message in told[begun[-1] :]) else []

    return eventually(told)


@pytest.mark.parametrize("by", ["systemctl", "signal", "command"])
def test_a_good_configuration_is_taken_in_flight(running: Stage, by: str) -> None:
    """A new mirror works at once, in the same process; RELOADING and READY tell systemd when it began and ended."""
    pid, since, before = running.pid(), now(), time.monotonic_ns() // 1000
    (running.guest.root / "srv/assets/more").mkdir(exist_ok=True)
    running.guest.write(f"/srv/assets/more/{by}", by)

    running.configure_many(site="/srv/assets/site", more="/srv/assets/more")
    reload(running, by=by)
    told = reloaded(running, since)
    eventually(lambda: re.search(r"more: in_sync, \d+ in the cloud", running.status_line()))

    (moment,) = re.findall(r"RELOADING=1.*MONOTONIC_USEC=(\d+)", " ".join(told))
    assert before <= int(moment) <= time.monotonic_ns() // 1000
    assert running.pid() == pid
    assert running.restarts() == 0
    assert "more: in_sync" in running.status_line()


@pytest.mark.parametrize(("by", "status"), [("systemctl", 1), ("signal", 0), ("command", 78)])
def test_a_wrong_configuration_changes_nothing(running: Stage, by: str, status: int) -> None:
    """It is refused with its mistakes, in the log and, but for a signal, by the exit status; the old one goes on."""
    pid, since = running.pid(), now()

    running.guest.write("/etc/tcbsync/config.yaml", "state_dir: /var/lib/tcbsync\nmirrors: [{name: site, rot: /srv}]\n")
    refused = reload(running, by=by)
    if by != "command":  # that tells the one who typed it
        eventually(lambda: "mirrors[0].rot: unknown key" in running.journal(since))
    (running.root / f"goes on, {by}").write_text("after a wrong configuration")
    running.settle()

    assert refused == status
    assert running.pid() == pid
    assert running.guest.show(UNIT, "ActiveState") == "active"
    assert f"goes on, {by}" in running.cloud()


def test_what_is_in_flight_is_not_dropped(running: Stage) -> None:
    """A large file that is half sent when the configuration is read again is sent to its end, once."""
    running.guest.ask("faults", [{"call": "cos", "kind": "slow_read", "seconds": 8, "count": 1}])
    (running.root / "large").write_bytes(os.urandom(3 * 1024 * 1024))
    eventually(lambda: "site: syncing" in running.status_line())
    sent, since = running.uploads(), now()

    running.configure(cache_control="max-age=60")
    reload(running, by="signal")
    reloaded(running, since)
    running.settle()

    assert running.uploads() - sent <= 1


def test_a_mirror_that_is_taken_out_leaves_its_files_in_the_cloud(running: Stage) -> None:
    """Only `forget --delete-remote` deletes them."""
    (running.guest.root / "srv/assets/more").mkdir(exist_ok=True)
    running.guest.write("/srv/assets/more/stays", "stays")
    running.configure_many(site="/srv/assets/site", more="/srv/assets/more")
    running.guest.run("systemctl", "restart", UNIT)
    eventually(lambda: "more: in_sync" in running.status_line())
    objects, since = running.cloud("more/"), now()

    running.configure()
    reload(running, by="systemctl")
    reloaded(running, since)
    running.guest.run("sleep", "3")

    assert "more" not in running.status_line()
    assert objects
    assert running.cloud("more/") == objects


def test_a_new_secret_waits_for_a_restart(running: Stage) -> None:
    """Systemd hands a secret over at a start alone: after a reload the old one is refused, and the file waits."""
    new, since = SECRET[::-1], now()

    running.set_secret(new)
    running.serve(new)
    try:
        reload(running, by="systemctl")
        reloaded(running, since)
        (running.root / "after the reload").write_text("new")
        eventually(lambda: "site: paused" in running.status_line())
        told = running.status_line()
        running.guest.run("systemctl", "restart", UNIT)
        running.settle()
    finally:
        running.serve()

    assert "invalid secret [40125]" in told
    assert "after the reload" in running.cloud()
