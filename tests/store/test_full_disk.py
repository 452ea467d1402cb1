"""A disk without room: what cannot be written is said, nothing is lost, and with room it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError
from tcbsync.core.model import Plan, State, Upload
from tcbsync.store import rows
from tcbsync.store.lock import holder
from tcbsync.store.reader import open_reader
from tcbsync.store.store import Store
from tests.store.table import NOW, file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from tcbsync.store.manifest import Manifest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 1 MiB; skip where none may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no byte free for the length of the block."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    ballast.unlink()


def wanted(first: int, count: int) -> Plan:
    """Return a plan that wants uploads, enough of them for several pages."""
    return Plan(uploads=[Upload(file(f"d/{number:06}"), replaces=False) for number in range(first, first + count)])


async def written_until_full(manifest: Manifest) -> tuple[int, StateError]:
    """Write portions until one fails; return how many rows were acknowledged, and the error."""
    for first in range(0, 1_000_000, 500):
        try:
            await manifest.write(rows.expect, wanted(first, 500), NOW)
        except StateError as error:
            return first, error
    raise AssertionError("the disk never became full")


async def test_no_room_for_a_commit(small_disk: Path) -> None:
    """The error names the file and what to do; what was acknowledged stays, and with room writing goes on."""
    store = Store(small_disk / "state", "run")
    manifest = await store.manifest("site", "env", "")

    acknowledged, error = await written_until_full(manifest)
    files_when_full = manifest.files()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    await manifest.write(rows.expect, wanted(acknowledged, 500), NOW)

    assert str(small_disk / "state" / "manifest.db") in str(error)
    assert "make room on that disk" in error.hint
    assert files_when_full == acknowledged
    assert manifest.files() == acknowledged + 500
    await store.close()


async def test_a_group_that_finds_no_room(small_disk: Path) -> None:
    """Each of those who waited and is not written is told so."""
    store = Store(small_disk / "state", "run")
    manifest = await store.manifest("site", "env", "")

    with filled(small_disk):
        futures = [manifest.write(rows.expect, wanted(number * 500, 500), NOW) for number in range(8)]
        results = await asyncio.gather(*futures, return_exceptions=True)
        errors = [result for result in results if isinstance(result, StateError)]
        acknowledged = results.count(None)

        assert errors
        assert len(errors) + acknowledged == 8
        assert all("make room" in error.hint for error in errors)
        assert manifest.files() == acknowledged * 500
    await manifest.write(rows.expect, wanted(500_000, 1), NOW)
    assert manifest.files() == acknowledged * 500 + 1
    await store.close()


async def test_no_room_at_the_start(small_disk: Path) -> None:
    """It is said so, the lock is not left behind, and with room the start succeeds."""
    with filled(small_disk):
        with pytest.raises(StateError) as caught:
            Store(small_disk / "state", "run")

        assert str(small_disk / "state") in str(caught.value)
        assert holder(small_disk / "state") is None

    store = Store(small_disk / "state", "run")
    await store.close()


def limit(connection: sqlite3.Connection, _mirror: int, pages: int) -> None:
    """Let the file have no more than so many pages."""
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()


async def test_no_room_in_the_file(tmp_path: Path) -> None:
    """The same without a mount: SQLite's own limit answers as a full disk does."""
    store = Store(tmp_path, "run")
    manifest = await store.manifest("site", "env", "")
    await manifest.write(
        lambda connection, _mirror: connection.execute("PRAGMA max_page_count = 40").fetchone() and None
    )

    acknowledged, error = await written_until_full(manifest)
    await manifest.write(
        lambda connection, _mirror: connection.execute("PRAGMA max_page_count = 4000").fetchone() and None
    )
    await manifest.write(rows.expect, wanted(acknowledged, 500), NOW)

    assert "make room on that disk" in error.hint
    assert manifest.files() == acknowledged + 500
    assert len(manifest.jobs(State.UPLOAD, NOW, 1_000_000)) == acknowledged + 500
    await store.close()


async def test_asking_needs_no_room(small_disk: Path) -> None:
    """The status of a daemon whose disk is full can be asked for, beside it."""
    store = Store(small_disk / "state", "run")
    manifest = await store.manifest("site", "env", "")
    await manifest.write(rows.expect, wanted(0, 10), NOW)

    with filled(small_disk):
        reader = open_reader(small_disk / "state" / "manifest.db")

        assert reader.value("SELECT count(*) FROM file") == 10
        assert manifest.files() == 10
        reader.close()
    await store.close()
