"""The manifest is damaged, lost or without room, while the real daemon lives: it is healed, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, eventually, fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.house import Cloud


def known(house: House) -> set[str]:
    """Give the paths of which the manifest knows that there may be an object."""
    connection = sqlite3.connect(house.place / "state" / "manifest.db")
    rows = connection.execute("SELECT directory || iif(directory = '', '', '/') || name FROM file WHERE file_id <> ''")
    paths = {row[0] for row in rows}
    connection.close()
    return paths


def spoil(house: House) -> None:
    """Overwrite all pages but the first, in the file itself, as a faulty disk does."""
    with (house.place / "state" / "manifest.db").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


@pytest.mark.slow
def test_a_daemon_whose_manifest_is_damaged_ends_and_the_next_one_heals_it(house: House, emulator: Cloud) -> None:
    """It goes on with nothing that it cannot trust: exit 1, and it says that the next start restores it."""
    fill(house.root, 40)
    assert house.command("sync").returncode == 0  # which leaves a copy
    with house.started() as process:
        fill(house.root, 60)
        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.state() == "in_sync")
        connection = sqlite3.connect(house.place / "state" / "manifest.db")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.close()
        spoil(house)
        (house.root / "d1" / "1").unlink()
        (house.root / "one more").write_bytes(b"makes it look at the rows")
        code = process.wait(60)

    assert code == 1
    assert "the next start restores it" in house.log.read_text()
    assert "disk image is malformed" in house.log.read_text()
    with house.running():
        eventually(lambda: house.is_equal(emulator))
        eventually(lambda: house.state() == "in_sync")
    assert known(house) == emulator.objects().keys()
    assert "site: restored from the copy of" in house.log.read_text()
    assert list((house.place / "state").glob("manifest.db.damaged-*"))


@pytest.mark.slow
def test_a_manifest_that_somebody_deleted(house: House, emulator: Cloud) -> None:
    """What the copy and the ledger know is put together anew, and what went meanwhile is deleted."""
    fill(house.root, 30)
    assert house.command("sync").returncode == 0
    (house.root / "late").write_bytes(b"sent after the copy was made")
    assert house.command("sync").returncode == 0
    for path in (house.place / "state").glob("manifest.db*"):
        path.unlink()
    (house.root / "late").unlink()

    told = house.command("sync")

    assert told.returncode == 0
    assert "is missing; it is restored" in told.stderr
    assert house.is_equal(emulator)
    assert known(house) == emulator.objects().keys()


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system in memory for the state; skip where that is not permitted."""
    place = tmp_path / "state"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root and mount(8)")
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_state_directory_that_is_read_only(volume: Path, house: House, emulator: Cloud) -> None:
    """Nothing leaves; it is said why and what to do; and when it can be written again, all is as it was."""
    fill(house.root, 5)
    assert house.command("sync").returncode == 0
    (house.root / "late").write_bytes(b"not yet")
    subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)

    refused = house.command("sync")
    status = house.command("status")
    sent = "late" in emulator.objects()
    subprocess.run(["mount", "-o", "remount,rw", str(volume)], check=True)
    done = house.command("sync")

    assert refused.returncode == 1
    assert "Read-only file system" in refused.stderr
    assert not sent
    assert status.returncode == 0
    assert done.returncode == 0
    assert house.is_equal(emulator)


@pytest.mark.slow
def test_a_disk_without_room_for_a_copy(volume: Path, house: House, emulator: Cloud) -> None:
    """Mirroring goes on as long as the rows themselves can be written; the copy is made when there is room."""
    fill(house.root, 200)
    ballast = volume / "ballast"
    with house.running():
        eventually(lambda: house.is_equal(emulator))
    for copy in (volume / "snapshots").glob("*.db"):
        copy.unlink()
    with ballast.open("wb", buffering=0) as file:
        free = os.statvfs(volume).f_bavail * os.statvfs(volume).f_frsize
        file.write(bytes(max(0, free - 96 * 1024)))

    (house.root / "late").write_bytes(b"there is room for this row")
    poor = house.command("sync")
    left = {path.suffix for path in (volume / "snapshots").iterdir()}
    ballast.unlink()
    (house.root / "later").write_bytes(b"and for that one")
    rich = house.command("sync")

    assert poor.returncode == 0
    assert "the manifest has no new copy" in poor.stderr
    assert left == {".ledger"}
    assert rich.returncode == 0
    assert len(list((volume / "snapshots").glob("*.db"))) == 1
    assert house.is_equal(emulator)


@pytest.mark.slow
def test_a_daemon_that_is_stopped_leaves_a_mark_and_one_that_is_killed_does_not(house: House, emulator: Cloud) -> None:
    """By it the next start knows whether to read the whole manifest."""
    fill(house.root, 5)
    mark = house.place / "state" / "manifest.clean"
    with house.running():
        eventually(lambda: house.is_equal(emulator))
        assert not mark.exists()
    stopped = mark.exists()
    with house.started() as process:
        eventually(lambda: house.state() == "in_sync")
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    assert stopped
    assert not mark.exists()
