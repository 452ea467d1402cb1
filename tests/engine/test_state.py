"""A manifest that cannot be written: no byte leaves without its row, and it goes on by itself when there is room."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError
from tests.engine.world import ENV, alive, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.daemon.assemble import Assembly
    from tests.engine.world import World


def limit(assembly: Assembly, pages: int) -> None:
    """Let the manifest have no more than so many pages: SQLite answers "full", as it does on a full disk."""
    assembly.store._connection.execute(f"PRAGMA max_page_count = {pages}")


@asynccontextmanager
async def full(world: World) -> AsyncIterator[Assembly]:
    """Put a mirror together whose manifest has no room for one more page."""
    async with world.assembly() as assembly:
        limit(assembly, 1)
        yield assembly


@pytest.mark.slow
async def test_nothing_leaves_while_rows_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status says why; when there is room again, everything goes up without anyone's doing."""
    monkeypatch.setattr("tcbsync.engine.mirror.STALLED_SECONDS", 0.5)
    async with full(world) as assembly, alive(assembly) as (mirror,):
        for number in range(200):
            world.write(f"{number:0200}", f"{number}")
        await eventually(lambda: isinstance(assembly.pace.service.error, StateError))
        await asyncio.sleep(0.3)

        assert "cos" not in world.calls() or len(world.cloud()) < 200
        assert "make room" in assembly.pace.last_error
        assert set(world.cloud()) <= {path for path in world.disk() if world.row(path) is not None}

        limit(assembly, 1_000_000)
        world.host.ahead += 20
        assembly.pace._wake()
        await eventually(world.is_equal)
        await eventually(lambda: assembly.pace.closed(ENV) is None)
        await eventually(mirror.is_in_sync)


async def test_a_single_pass_ends_with_the_reason(world: World) -> None:
    """It does not wait for somebody to make room."""
    for number in range(200):
        world.write(f"{number:0200}", f"{number}")

    async with full(world) as assembly:
        with pytest.raises(StateError, match="make room"):
            await asyncio.wait_for(assembly.mirrors[0].once(), 20)

    assert world.cloud() == {}


async def test_a_manifest_that_has_room_again_is_no_trouble_any_more(world: World) -> None:
    """Also where nothing waits to be sent: nobody would call the service, and so find out."""
    world.write("a")

    async with world.assembly() as assembly, alive(assembly) as (mirror,):
        await eventually(mirror.is_in_sync)
        mirror.parts.pace.stalled(StateError("disk full"))
        mirror.hint([("", True)])
        await eventually(lambda: assembly.pace.closed(ENV) is None)


async def test_what_could_not_be_looked_at_is_not_in_sync(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that the manifest broke off waits to be done again; until then nobody knows whether all is equal."""
    world.write("a")

    async with world.assembly() as assembly, alive(assembly, watches=False) as (mirror,):
        await eventually(mirror.is_in_sync)

        def failing(*_: object) -> None:
            raise StateError("disk I/O error")

        monkeypatch.setattr(mirror.parts.manifest, "lines", failing)
        mirror.hint([("", True)])
        await eventually(lambda: "disk I/O" in assembly.pace.last_error)
        is_in_sync = await mirror.is_in_sync()

    assert not is_in_sync


@pytest.mark.slow
async def test_queries_that_fail_stop_no_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk error while the manifest is read is told as what it is; each loop comes again."""
    world.write("a")
    world.write("b")
    monkeypatch.setattr("tcbsync.engine.mirror.STALLED_SECONDS", 0.5)

    async with world.assembly() as assembly, alive(assembly) as (mirror,):
        await eventually(mirror.is_in_sync)

        def failing(*_: object) -> None:
            raise StateError("disk I/O error")

        with monkeypatch.context() as broken:
            for query in ("jobs", "lines", "records", "records_named", "delete_window"):
                broken.setattr(mirror.parts.manifest, query, failing)
            world.write("a", "changed")
            (world.root / "b").unlink()
            await eventually(lambda: "disk I/O" in assembly.pace.last_error)
            await asyncio.sleep(0.3)
        world.host.ahead += 20
        assembly.pace._wake()
        mirror.nudge()

        await eventually(world.is_equal)
        await eventually(mirror.is_in_sync)
