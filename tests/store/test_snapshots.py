"""Copies of the manifest: made while work goes on, sound or not at all, the newest few kept."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tcbsync.store import shelf, snapshots
from tcbsync.store.health import examine
from tests.store.caring import Place

if TYPE_CHECKING:
    from pathlib import Path

DAY = 24 * 3600.0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


def paths_in(copy: Path) -> set[str]:
    """Read which paths a copy knows."""
    connection = sqlite3.connect(f"{copy.as_uri()}?immutable=1", uri=True)
    names = {row[0] for row in connection.execute("SELECT name FROM file")}
    connection.close()
    return names


async def test_a_copy_holds_every_row_of_one_moment(place: Place) -> None:
    """Made while others write: what was acknowledged before it is in it, and what came later in its ledger."""
    async with place.work() as work:
        await work.prove(*(f"before-{number}" for number in range(50)))
        writing = asyncio.create_task(work.prove(*(f"during-{number}" for number in range(300))))
        await work.copy()
        await writing

    (copy,) = shelf.copies(place.folder)
    known, later = paths_in(copy.path), {ledger.path.name: ledger for ledger in shelf.ledgers(place.folder)}
    assert examine(copy.path, is_copy=True).wrong == ""
    assert {f"before-{number}" for number in range(50)} <= known
    assert known | set(place.paths()) >= {f"during-{number}" for number in range(300)}
    assert [ledger.generation for ledger in later.values()] == [copy.generation]


@pytest.mark.slow
async def test_a_busy_writer_does_not_keep_a_copy_from_its_end(place: Place) -> None:
    """A backup that began anew with each commit would never end beside a daemon at work."""
    async with place.work() as work:
        await asyncio.gather(*(work.send(f"{number:05}-{'x' * 200}") for number in range(5000)))
        is_over = asyncio.Event()

        async def write() -> None:
            number = 0
            while not is_over.is_set():
                await work.send(f"busy-{(number := number + 1)}")

        writing = asyncio.create_task(write())
        await asyncio.wait_for(work.copy(), 60)
        is_over.set()
        await writing

    assert len(shelf.copies(place.folder)) == 1


async def test_the_newest_few_are_kept(place: Place) -> None:
    """With the ledgers that they need, and no others."""
    async with place.work() as work:
        for number in range(6):
            await work.prove(f"{number}")
            await work.copy()

    copies, ledgers = shelf.copies(place.folder), shelf.ledgers(place.folder)
    assert len(copies) == shelf.KEEP
    assert [ledger.generation for ledger in ledgers] == sorted(copy.generation for copy in copies)
    assert paths_in(copies[0].path) == {"0", "1", "2", "3", "4", "5"}


async def test_when_a_copy_is_due(place: Place) -> None:
    """After a day, if the ledger names anything since; the first one as soon as it names anything."""
    async with place.work() as work:
        (first,) = shelf.ledgers(place.folder)
        now = first.path.stat().st_mtime
        untouched = snapshots.is_due(place.folder, now)
        await work.send("a")
        never_copied = snapshots.is_due(place.folder, now)
        await work.copy()
        unchanged = snapshots.is_due(place.folder, now + 10 * DAY)
        await work.send("b")

        assert (untouched, never_copied, unchanged) == (False, True, False)
        assert not snapshots.is_due(place.folder, now + DAY / 2)
        assert snapshots.is_due(place.folder, now + DAY + 60)
        assert snapshots.is_due(place.folder, now - 10 * DAY), "the clock was put back: it cannot be told"


async def test_a_long_ledger_makes_it_due_within_the_hour(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it names would be sent again."""
    monkeypatch.setattr(snapshots, "MANY_BYTES", 100)
    async with place.work() as work:
        await work.copy()
        now = shelf.copies(place.folder)[0].made_at
        await work.send("a", "b", "c")

        assert not snapshots.is_due(place.folder, now + 60)
        assert snapshots.is_due(place.folder, now + 3700)


async def test_a_copy_that_cannot_be_made_is_told_once_and_stops_nothing(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of it; rows are written as before; and when it can be made, it is."""

    def no_room(_path: Path, made: Path) -> None:
        made.write_bytes(b"half of it")
        raise OSError(28, os.strerror(28))

    async with place.work() as work:
        await work.send("a")
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(snapshots, "_copy", no_room)
            await work.store.copy_if_due()
            await work.store.copy_if_due()
        left = [path.name for path in place.folder.iterdir() if path.suffix != ".ledger"]
        await work.send("b")
        await work.store.copy_if_due()

    assert left == []
    assert [record.message for record in caplog.records if "no new copy" in record.message] == [
        caplog.records[0].message
    ]
    assert "No space left on device" in caplog.records[0].message
    assert paths_in(shelf.copies(place.folder)[0].path) == {"a", "b"}


async def test_what_a_kill_has_left_of_a_copy_is_removed(place: Place) -> None:
    """It is no copy, whatever is in it."""
    await place.with_copy()
    unfinished = shelf.unfinished(shelf.copy_path(place.folder, 9, 0))
    unfinished.write_bytes(b"half of it")

    async with place.work():
        pass

    assert not unfinished.exists()
    assert len(shelf.copies(place.folder)) == 1


async def test_what_a_copy_knows_need_not_be_in_a_ledger(place: Place) -> None:
    """After a copy the ledgers from before it go. That is no gap: the next start makes no further copy."""
    async with place.work() as work:
        await work.prove("a")
        await work.copy()

    async with place.work() as work:
        is_due = work.store._is_copy_due
        await work.store.copy_if_due()

    assert not is_due
    assert len(shelf.copies(place.folder)) == 1
