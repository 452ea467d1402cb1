"""When systemd's watchdog bites: each part of the daemon is made to hang, really, and in the kernel."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.booted.rig import eventually
from tests.booted.stage import ROOT, UNIT, now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.booted.stage import Stage

PATIENCE = 8
"""WatchdogSec in these tests, in seconds. A thread may hang for half of that."""
LARGE = 3 * 1024 * 1024
"""Bytes of a file that is sent as a stream."""


@pytest.fixture
def watched(stage: Stage) -> Iterator[Stage]:
    """Let the daemon run under a watchdog that bites soon; what hung is let go at the end."""
    stage.tune(WatchdogSec=str(PATIENCE), RestartSec="1", TimeoutAbortSec="2")
    # A look that hangs sees what a folder leaves behind, and not where it arrives: of a root that holds nothing else
    # that is a root without files, and its deletes would be held for a person.
    (stage.root / "stays").write_text("stays")
    stage.start()
    yield stage
    stage.guest.ask("faults", [])


@contextmanager
def disk(stage: Stage, image: Path, place: str) -> Iterator[None]:
    """Mount a disk of its own in the guest."""
    with image.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    looping = subprocess.run(["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True)
    device = looping.stdout.strip()
    try:
        number = os.stat(device).st_rdev  # noqa: PTH116 - in one line with its parts
        stage.guest.run("mknod", "/dev/disk-of-tests", "b", str(os.major(number)), str(os.minor(number)))
        stage.guest.run("mkdir", "-p", place)
        stage.guest.run("mount", "/dev/disk-of-tests", place)
        try:
            yield
        finally:
            stage.guest.run("umount", place)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def bites(stage: Stage, since: float) -> str:
    """Wait until the watchdog has bitten, and give the journal until then."""

    def is_bitten() -> bool:
        return f"{UNIT}: Watchdog timeout" in stage.journal(since)

    eventually(is_bitten, 6 * PATIENCE, every=0.5)
    eventually(lambda: stage.restarts() > 0, 6 * PATIENCE)
    return stage.journal(since)


def test_a_blocked_loop_starves_it(watched: Stage) -> None:
    """The process stands still. What it is killed by makes it write down where it stood."""
    since = now()

    watched.kill("STOP")
    journal = bites(watched, since)
    watched.settle()

    assert "Killing process" in journal
    assert "Failed with result 'watchdog'" in journal


def test_an_upload_that_hangs_starves_it(watched: Stage) -> None:
    """A file on a disk that is dead: the read never ends. The log names the part, and where the thread stood."""
    (watched.root / "dead").write_bytes(b"d" * LARGE)
    watched.settle()
    since = now()

    with watched.hanging(f"{ROOT}/dead"):
        (watched.root / "dead").write_bytes(b"D" * LARGE)
        journal = bites(watched, since)
    watched.settle()

    assert "not moving: site: upload of dead (a thread hangs)" in journal
    assert "Fatal Python error: Aborted" in journal
    assert "digest.py" in journal


def test_a_watcher_that_hangs_starves_it(watched: Stage) -> None:
    """A folder on a disk that is dead: the watcher, and the look, never come back from it."""
    (watched.root / "folder").mkdir()
    (watched.root / "folder/file").write_text("file")
    watched.settle()
    since = now()

    with watched.hanging(f"{ROOT}/folder"):
        (watched.root / "folder").replace(watched.root / "moved")
        journal = bites(watched, since)
    watched.settle()

    assert "not moving: " in journal
    assert "site: watcher" in journal


def test_a_manifest_that_hangs_starves_it(stage: Stage, tmp_path: Path) -> None:
    """The state directory's disk takes nothing any more: the thread that writes the manifest hangs in the kernel."""
    stage.tune(WatchdogSec=str(PATIENCE), RestartSec="1", TimeoutAbortSec="2")
    with disk(stage, tmp_path / "image", "/var/lib/tcbsync-disk"):
        stage.guest.run("chown", "tcbsync:", "/var/lib/tcbsync-disk")
        stage.tune(ReadWritePaths="/var/lib/tcbsync-disk", WatchdogSec=str(PATIENCE), RestartSec="1")
        stage.configure(state="/var/lib/tcbsync-disk/state")
        stage.start()
        since = now()

        stage.guest.run("fsfreeze", "--freeze", "/var/lib/tcbsync-disk")
        try:
            (stage.root / "while it hangs").write_text("written")
            eventually(lambda: f"{UNIT}: Watchdog timeout" in stage.journal(since), 6 * PATIENCE, every=0.5)
            journal = stage.journal(since)
        finally:
            stage.guest.run("fsfreeze", "--unfreeze", "/var/lib/tcbsync-disk")
        stage.settle()
        stage.guest.run("systemctl", "stop", UNIT)

    assert "manifest writer" in journal


def test_a_long_upload_that_moves_is_left_alone(watched: Stage) -> None:
    """The bytes of one file take three times the watchdog's patience: they move, and that is enough."""
    watched.guest.ask("faults", [{"call": "cos", "kind": "slow_read", "seconds": 3 * PATIENCE, "count": 1}])
    pid, since = watched.pid(), now()

    (watched.root / "slow").write_bytes(os.urandom(LARGE))
    watched.settle()

    assert now() - since > 2.5 * PATIENCE
    assert watched.pid() == pid
    assert "not moving" not in watched.journal(since)


def test_a_service_out_of_reach_is_no_silence(watched: Stage) -> None:
    """Loops that wait at a closed gate, with files that wait for them, are well."""
    pid, since = watched.pid(), now()

    watched.guest.run("systemctl", "stop", "cloud.service")
    (watched.root / "waits").write_text("waits")
    eventually(lambda: "site: offline" in watched.status_line())
    watched.guest.run("sleep", str(2.5 * PATIENCE))
    watched.serve()
    watched.settle(120)

    assert watched.pid() == pid
    assert "not moving" not in watched.journal(since)


def test_nothing_to_do_is_no_silence(watched: Stage) -> None:
    """A night in which nobody changes a file."""
    pid, since = watched.pid(), now()

    watched.guest.run("sleep", str(2.5 * PATIENCE))

    assert watched.pid() == pid
    assert "not moving" not in watched.journal(since)
