"""A mirror whose manifest was restored: what is in doubt is proved first, and nothing is deleted before."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tcbsync import status
from tcbsync.core.errors import StateDamaged
from tcbsync.emulator.server import Fault
from tcbsync.store import rows, shelf
from tcbsync.store.database import FILE_NAME
from tcbsync.store.ledger import doubts
from tcbsync.store.store import Store
from tests.engine.world import PREFIX, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.world import World


async def copy(world: World) -> None:
    """Make a copy of the manifest, whether one is due or not."""
    store = Store(world.state, "test")
    store._is_copy_due = True
    await store.copy_if_due()
    await store.close()


def damage(world: World) -> None:
    """Overwrite everything in the manifest but its header."""
    path = world.state / FILE_NAME
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xa5" * (len(content) - 100))


def orphans(world: World) -> set[str]:
    """Give the objects that no row knows."""
    connection = sqlite3.connect(world.state / FILE_NAME)
    known = {
        f"{directory}/{name}" if directory else name
        for directory, name in connection.execute("SELECT directory, name FROM file WHERE file_id IS NOT NULL")
    }
    connection.close()
    return set(world.cloud()) - known


def prove_all(connection: sqlite3.Connection, _mirror: int) -> None:
    """Write rows as if the cloud had answered for each: none of them waits to be proved."""
    connection.execute("UPDATE file SET inode = 1, parked = 1 WHERE inode = -1")


async def busy_day(world: World) -> None:
    """Mirror, copy; and then send, change and delete files that the copy does not know of."""
    world.write("same", "never changes")
    world.write("changed", "as it was")
    world.write("gone", "is deleted")
    await world.sync()
    await copy(world)
    world.write("changed", "as it is now")
    (world.root / "gone").unlink()
    world.write("new", "came since")
    world.write("short-lived", "came since, and goes while nobody looks")
    await world.sync()


async def test_a_restored_mirror_becomes_equal_and_forgets_nothing(world: World) -> None:
    """Also an object that the copy never knew, and whose file went while the manifest was damaged, is deleted."""
    await busy_day(world)
    (world.root / "short-lived").unlink()
    damage(world)
    world.forget_calls()

    await world.sync()

    assert world.is_equal()
    assert not orphans(world)
    assert world.calls()["cos"] == 2  # `changed` and `new` are proved again; `same` is not in doubt
    assert world.report().restored() == ""


@pytest.mark.slow
async def test_nothing_is_deleted_while_anything_is_in_doubt(world: World) -> None:
    """An upload that cannot be proved yet holds the deletes back; status says why; then they go."""
    await busy_day(world)
    (world.root / "short-lived").unlink()
    damage(world)
    world.emulator.install(Fault(call="cos", kind="http", status=500, key=f"{PREFIX}new"))

    async with world.running(watches=False, uploads=1) as mirror:  # `changed` goes first: the trouble is one file's
        await eventually(lambda: mirror.looks.has_scanned and mirror.parts.tally.uploads)
        await eventually(lambda: mirror.parts.tally.failures)
        await asyncio.sleep(1)
        held_back = "short-lived" in world.cloud()
        words = world.report().restored()
        told = status.live_status(mirror, world.report(), None)
        world.emulator.clear_faults()
        await mirror.parts.manifest.write(rows.retry)
        mirror.nudge()
        await eventually(world.is_equal)
        await eventually(lambda: not world.report().restored())

    assert held_back
    assert "in doubt" in words
    assert (told.state, told.reason) == ("syncing", words)
    assert not orphans(world)


async def test_where_rows_were_lost_a_person_lets_the_deletes_go(world: World) -> None:
    """Each delete is held, with the reason and what to do; after that, deletes are as they always were."""
    await busy_day(world)
    await copy(world)
    world.write("last", "is in doubt")
    await world.sync()
    newest, _ = shelf.copies(world.state / shelf.FOLDER)
    newest.path.unlink()
    shelf.ledgers(world.state / shelf.FOLDER)[0].path.unlink()
    (world.root / "same").unlink()
    damage(world)

    await world.sync()
    kept, hold = "same" in world.cloud(), world.report().hold()
    store = Store(world.state, "approve")
    manifest = await store.manifest("site", world.mirror().env, PREFIX)
    await manifest.write(rows.approve)
    await store.close()
    await world.sync()
    (world.root / "last").unlink()
    await world.sync()

    assert kept
    assert "then `tcbsync approve site`" in hold
    assert world.cloud().keys() == {"changed", "new", "short-lived"}
    assert world.report().restored() == ""


async def test_a_mirror_ends_when_its_manifest_is_found_damaged(world: World) -> None:
    """By whoever finds it, in mid-work; and the next start restores it."""
    await busy_day(world)
    async with world.assembly() as assembly:
        ending = asyncio.create_task(assembly.store.until_damaged())
        with (world.state / FILE_NAME).open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        with pytest.raises(StateDamaged):
            await asyncio.to_thread(assembly.mirrors[0].parts.manifest.records, "no such directory")
        with pytest.raises(StateDamaged):
            await asyncio.wait_for(ending, 30)

    await world.sync()

    assert world.is_equal()
    assert not orphans(world)


KINDS = ("a bit", "a byte", "a page of zeros", "a page of noise", "cut short", "the header")


def harm(path: Path, kind: str, chance: random.Random) -> None:
    """Damage a file somewhere."""
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    page = slice(at - at % 4096, at - at % 4096 + 4096)
    match kind:
        case "a bit":
            content[at] ^= 1 << chance.randrange(8)
        case "a byte":
            content[at] = chance.randrange(256)
        case "the header":
            content[at % 100] ^= 1 << chance.randrange(8)
        case "a page of zeros":
            content[page] = bytes(4096)
        case "a page of noise":
            content[page] = chance.randbytes(4096)
        case _:
            del content[at:]
    path.write_bytes(content)


class Life:
    """A world in which files come and go under names of some length, each of its own size."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._chance = chance
        self._count = 0

    def add(self, count: int = 1) -> None:
        """Let files come."""
        for _ in range(count):
            self._count += 1
            self._world.write(f"dir{self._count % 7}/an-asset-with-a-name-{self._count:05}.png", "x" * self._count)

    def turn(self) -> None:
        """Let one come and one go."""
        files = sorted(path for path in self._world.root.rglob("*") if path.is_file())
        self._chance.choice(files).unlink()
        self.add()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_wherever_it_is_damaged_the_cloud_ends_equal_without_an_orphan(world: World, seed: int) -> None:
    """In the header, the schema, an inner page, a leaf, an index; while files come and go before and after."""
    chance = random.Random(seed)
    life = Life(world, chance)
    life.add(120)
    await world.sync()

    for number in range(24):
        if number % 6 == 0:
            await copy(world)
        life.turn()
        await world.sync()
        harm(world.state / FILE_NAME, kind := chance.choice(KINDS), chance)
        life.turn()
        await world.sync()

        # Letters of a file_id that became others are seen by the cloud only, which refuses the delete: that is told.
        failed = {failure.path for failure in world.report().failures()}
        assert world.cloud().keys() - failed == world.disk().keys(), f"{kind}, round {number}"
        assert not orphans(world), f"{kind}, round {number}"


async def die(world: World, path: Path) -> tuple[bytes, bytes]:
    """Sync, and give manifest and log as a kill in that moment would have left them."""
    async with world.assembly(grace=False) as assembly:
        await assembly.store._writer.submit(lambda c: c.execute("PRAGMA wal_autocheckpoint = 0").fetchone() and None)
        await asyncio.wait_for(assembly.mirrors[0].once(), 60)
        return path.read_bytes(), path.with_name(f"{FILE_NAME}-wal").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_a_log_that_is_damaged_after_a_kill_forgets_nothing(world: World, seed: int) -> None:
    """SQLite takes no notice of a frame that is damaged, nor of those after it: acknowledged rows are gone."""
    chance = random.Random(seed)
    life = Life(world, chance)
    path = world.state / FILE_NAME
    life.add(60)
    await world.sync()
    await copy(world)

    for number in range(12):
        life.turn()
        content, log = await die(world, path)
        path.write_bytes(content)
        path.with_name(f"{FILE_NAME}-wal").write_bytes(log)
        (world.state / "manifest.clean").unlink(missing_ok=True)
        harm(path.with_name(f"{FILE_NAME}-wal"), chance.choice(KINDS), chance)
        life.turn()
        await world.sync()

        assert world.is_equal(), number
        assert not orphans(world), number
    assert len(list(doubts(world.state / shelf.FOLDER, 0))) > 24


async def test_that_nothing_is_in_doubt_any_more_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Though several loops find it at the same moment."""
    await busy_day(world)
    damage(world)
    with caplog.at_level(logging.INFO):
        async with world.assembly() as assembly:
            (mirror,) = assembly.mirrors
            await mirror.parts.manifest.write(prove_all)
            holds = mirror._holds

            found = await asyncio.gather(*(holds.is_in_doubt() for _ in range(4)))

    assert not any(found)
    assert caplog.text.count("nothing is in doubt any more") == 1
