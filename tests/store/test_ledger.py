"""The ledger: every path is named in it, outside of the manifest, before any byte of it leaves."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError
from tcbsync.core.model import Plan, Touch, Upload
from tcbsync.store import rows, shelf
from tcbsync.store.ledger import Doubt
from tests.store.caring import MIRROR, Place
from tests.store.table import NOW, file, file_id, forget

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


async def test_a_path_is_named_before_its_bytes_leave(place: Place) -> None:
    """With everything that it takes to find its object again, and as soon as the row is durable."""
    async with place.work() as work:
        await work.send("d/é")

        assert place.lines() == [Doubt(1, *MIRROR, "d/é", file_id("d/é"))]


async def test_every_way_in_which_an_object_becomes_unsure_is_named(place: Place) -> None:
    """Sent for the first time, replaced, to be deleted, distrusted, or known under another id."""
    async with place.work() as work:
        await work.prove("a", "b", "c")
        before = len(place.lines())
        await work.send("a")
        await work.manifest.write(rows.expect, forget("b", was_sent=True), NOW)
        await work.manifest.write(rows.deleting, ["b"])
        await work.manifest.write(rows.distrust, ["c"])
        await work.manifest.write(rows.sending, file("c"), "cloud://elsewhere/c")

    assert place.paths()[before:] == ["a", "b", "c", "c"]
    assert place.lines()[-1].file_id == "cloud://elsewhere/c"


async def test_what_changes_no_object_is_not_named(place: Place) -> None:
    """Nothing is written for a proof, a touch, a plan, a failure, or a second attempt at the same object."""
    async with place.work() as work:
        await work.prove("a")
        await work.send("b")
        before = place.paths()
        await work.send("b")
        await work.manifest.write(rows.prove, file("b"), NOW)
        await work.manifest.write(rows.expect, Plan(touches=[Touch(file("a", moment=2))]), NOW)
        await work.manifest.write(rows.expect, Plan(uploads=[Upload(file("c"), replaces=False)]), NOW)
        await work.manifest.write(rows.fail, "c", "HTTP 502", "bad gateway", NOW)

    assert before == ["a", "b"]
    assert place.paths() == before


async def test_many_at_once_are_numbered_without_a_hole(place: Place) -> None:
    """However they share their commits, and over a restart."""
    for start in (0, 200):
        async with place.work() as work:
            await asyncio.gather(*(work.send(f"{number}") for number in range(start, start + 200)))

    assert [line.seq for line in place.lines()] == list(range(1, 401))
    assert {line.path for line in place.lines()} == {f"{number}" for number in range(400)}


async def test_work_that_fails_names_nothing(place: Place) -> None:
    """Those who shared its transaction are named once."""

    def spoil(*values: object) -> None:
        raise LookupError("a defect")

    uploads = [Upload(file(path), replaces=False) for path in ("a", "b")]
    async with place.work() as work:
        await work.manifest.write(rows.expect, Plan(uploads=uploads), NOW)
        futures: list[Awaitable[object]] = [
            work.manifest.write(rows.sending, file("a"), file_id("a")),
            work.manifest.write(spoil),
            work.manifest.write(rows.sending, file("b"), file_id("b")),
        ]
        results = await asyncio.gather(*futures, return_exceptions=True)

    assert isinstance(results[1], LookupError)
    assert place.paths() == ["a", "b"]


async def test_a_ledger_that_cannot_be_written_stops_the_rows(place: Place) -> None:
    """The row is not written either: nothing may leave. When it can be written again, work goes on."""
    async with place.work() as work:
        await work.send("a")
        descriptor, closed = work.store._ledger._descriptor, os.open("/dev/full", os.O_WRONLY)
        work.store._ledger._descriptor = closed
        with pytest.raises(StateError, match=r"the ledger in .* cannot be written: No space left") as caught:
            await work.send("b")
        lost = work.row("b")
        work.store._ledger._descriptor = descriptor
        os.close(closed)
        await work.send("c")

        assert "make room" in caught.value.hint
        assert lost is not None
        assert not lost.was_sent
        assert [(line.seq, line.path) for line in place.lines()] == [(1, "a"), (2, "c")]


async def test_a_line_that_was_cut_off_is_no_line(place: Place) -> None:
    """A kill in the middle of a write leaves half a line: there was no commit. The next one is whole."""
    async with place.work() as work:
        await work.send("a")
    (ledger,) = shelf.ledgers(place.folder)
    with ledger.path.open("ab") as written:
        written.write(b'[2, "site", "env", "", "b", "clou')

    async with place.work() as work:
        found = work.row("b")
        await work.send("c")

    assert found is None
    assert [(line.seq, line.path) for line in place.lines()] == [(1, "a"), (2, "c")]


async def test_lines_that_the_rows_do_not_know_of_are_taken_up(place: Place) -> None:
    """Stopped between the line and the commit, or a commit that is lost: the path is in doubt, and no other."""
    async with place.work() as work:
        await work.prove("a")
    before = place.database.read_bytes()
    async with place.work() as work:
        await work.prove("a", "b")
    place.database.write_bytes(before)

    async with place.work() as work:
        a, b = work.row("a"), work.row("b")
        told = work.told()
        await work.send("c")

    assert a is not None
    assert b is not None
    assert (a.digest, a.inode, b.digest, b.inode, b.was_sent) == (None, -1, None, -1, True)
    assert told == ("", 0)
    assert [line.seq for line in place.lines()] == [1, 2, 3, 4]


async def test_nobody_else_can_read_it(place: Place) -> None:
    """Nor the manifest, its copies, or what else is there."""
    mask = os.umask(0)
    try:
        await place.with_copy()
    finally:
        os.umask(mask)

    modes = {path.name: path.stat().st_mode & 0o077 for path in place.state.rglob("*")}
    assert len(modes) >= 5
    assert set(modes.values()) == {0}, modes
