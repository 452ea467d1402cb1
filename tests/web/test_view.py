"""What is read for a page, and how often: nothing while nobody looks, and once however many do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tcbsync.config.schema import GuardConfig
from tcbsync.core.safety import listing_of
from tcbsync.emulator.faults import Fault
from tcbsync.web.view import LISTED, Source, View
from tests.desk import desk_in
from tests.web.viewing import Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from tests.desk import Desk


def view_of(desk: Desk) -> View:
    """Give a view of the one mirror."""
    return View(lambda: [Source(desk.mirror, desk.report, Watcher())], desk.pace, lambda: "")


async def test_what_was_done_is_seen(tmp_path: Path) -> None:
    """Uploads with their bytes, deletes, the scan, and that all is equal."""
    async with desk_in(tmp_path) as desk:
        view = view_of(desk)
        (desk.root / "a").write_bytes(b"12345")
        (desk.root / "b").write_bytes(b"123")
        await desk.mirror.once()
        (desk.root / "b").unlink()
        await desk.mirror.once()

        seen = await view.look()

    (mirror,) = seen.mirrors
    assert (mirror.status.state, mirror.status.files, mirror.status.bytes) == ("in_sync", 1, 5)
    assert mirror.changes[0][:2] == ("b", "delete")
    assert {(change.path, change.size) for change in mirror.changes[1:]} == {("a", 5), ("b", 3)}
    assert mirror.lists.stored.keys() == {"a"}
    assert sum(seen.hour) == 8
    assert mirror.tally.scans == 2
    assert mirror.proved_at == seen.at


@pytest.mark.slow
async def test_a_large_file_is_seen_on_its_way(tmp_path: Path) -> None:
    """How much of it has left, while it has not arrived."""
    async with desk_in(tmp_path) as desk:
        view = view_of(desk)
        (desk.root / "large").write_bytes(bytes(5 * 1024 * 1024))
        desk.cloud.install(Fault(call="cos", kind="slow_read", seconds=2.0))
        syncing = asyncio.create_task(desk.mirror.once())
        while not desk.mirror.parts.tally.flights:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.7)

        ((path, flight),) = (await view.look()).mirrors[0].flights
        sent = flight.sent
        await syncing

    assert (path, flight.size) == ("large", 5 * 1024 * 1024)
    assert 0 < sent <= flight.size
    assert desk.mirror.parts.tally.flights == {}


async def test_retries_are_counted_by_class(tmp_path: Path) -> None:
    """As the tree of errors has them."""
    async with desk_in(tmp_path, attempts=3) as desk:
        view = view_of(desk)
        (desk.root / "a").write_bytes(b"1")
        desk.cloud.install(Fault(call="cos", kind="http", status=403, code="AccessDenied", count=1))
        await desk.mirror.once()
        seen = await view.look()

    assert seen.mirrors[0].tally.retries == {"LinkRejected": 1}


async def test_pauses_are_counted(tmp_path: Path) -> None:
    """By the state that the service was in, each once, however many callers met it."""
    async with desk_in(tmp_path) as desk:
        view = view_of(desk)
        for number in range(20):
            (desk.root / f"{number}").write_bytes(b"%d" % number)
        desk.cloud.install(Fault(call="uploadfile", kind="errcode", errcode=-501017))
        passing = asyncio.create_task(desk.mirror.once())
        while not (await view.look()).pauses:
            await asyncio.sleep(0.05)
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
        view._fresh_until = 0.0
        seen = await view.look()

    assert seen.pauses == {"full": 1}


async def test_held_deletes(tmp_path: Path) -> None:
    """Some of them, and the name of all of them."""
    async with desk_in(tmp_path, GuardConfig(max_deletes=5)) as desk:
        view = view_of(desk)
        for number in range(60):
            (desk.root / f"{number:02}").write_bytes(b"%d" % number)
        await desk.mirror.once()
        for number in range(59):
            (desk.root / f"{number:02}").unlink()
        await desk.mirror.once()

        (mirror,) = (await view.look()).mirrors

    assert mirror.status.held_deletes == 59
    assert len(mirror.lists.held) == LISTED
    assert mirror.lists.listing == listing_of(f"{number:02}" for number in range(59))


async def test_another_mirror_of_the_same_name(tmp_path: Path) -> None:
    """A reload put one with another prefix in its place: what was known of the one before is not said of it."""
    async with desk_in(tmp_path, GuardConfig(max_deletes=1)) as desk:
        (tmp_path / "new").mkdir()
        async with desk_in(tmp_path / "new", GuardConfig(max_deletes=1), prefix="other/") as other:
            shown = desk
            view = View(lambda: [Source(shown.mirror, shown.report, Watcher())], desk.pace, lambda: "")
            for each, names in ((desk, "abc"), (other, "xyz")):
                for name in names:
                    (each.root / name).write_bytes(name.encode())
                await each.mirror.once()
            equal = (await view.look()).mirrors[0]
            for each, names in ((desk, "abc"), (other, "xyz")):
                for name in names[:2]:
                    (each.root / name).unlink()
                await each.mirror.once()
            view._fresh_until = 0.0
            held = (await view.look()).mirrors[0]
            shown, view._fresh_until = other, 0.0

            seen = (await view.look()).mirrors[0]

    assert equal.proved_at is not None
    assert held.lists.listing == listing_of("ab")
    assert seen.lists.listing == listing_of("xy")
    assert seen.proved_at != equal.proved_at


async def test_many_lookers_are_one(tmp_path: Path) -> None:
    """Who looks at the same time, or a moment later, sees the same."""
    async with desk_in(tmp_path) as desk:
        view = view_of(desk)

        seen = await asyncio.gather(*(view.look() for _ in range(50)))
        later = await view.look()

    assert all(each is later for each in seen)


async def test_nobody_looks_and_nothing_is_read(tmp_path: Path) -> None:
    """A view that is not asked does not query."""
    async with desk_in(tmp_path) as desk:
        queries: list[str] = []
        desk.report._reader._connection.set_trace_callback(queries.append)
        view_of(desk)

        await asyncio.sleep(0.2)

    assert queries == []


async def test_a_quiet_manifest_is_not_counted_again(tmp_path: Path) -> None:
    """Looking again and again at a mirror in which nothing happens reads no row."""
    async with desk_in(tmp_path) as desk:
        view = view_of(desk)
        (desk.root / "a").write_bytes(b"1")
        await desk.mirror.once()
        await view.look()
        view._fresh_until = 0.0
        queries: list[str] = []
        desk.report._reader._connection.set_trace_callback(queries.append)

        await view.look()

    assert queries
    assert not [query for query in queries if "count(*)" in query and "FROM file" in query]
