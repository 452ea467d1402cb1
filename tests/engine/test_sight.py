"""What could not be seen is not gone: roots, directories, volumes and rules that are out of sight for a while."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.config.schema import GuardConfig
from tcbsync.core.model import State
from tcbsync.engine import looks
from tcbsync.local import scan
from tcbsync.local.scan import Disk
from tests.engine.world import eventually

if TYPE_CHECKING:
    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World


async def test_a_missing_root_deletes_nothing(world: World) -> None:
    """The volume is not mounted: not one row wants a delete, and the reason is told."""
    await world.mirrored(3)
    away = world.root.rename(world.root.parent / "away")
    world.forget_calls()

    mirror = await world.sync()

    assert "is missing" in mirror.looks.root_problem
    assert [path for path, _, blocks, _ in world.report().problems() if blocks] == [""]
    assert len(world.cloud()) == 3
    assert world.calls() == {}

    away.rename(world.root)
    mirror = await world.sync()
    assert mirror.looks.root_problem == ""
    assert world.report().problems() == []
    assert world.calls() == {}


@pytest.mark.parametrize(("gone", "words"), [(1, ""), (8, "; other deletes still wait: `tcbsync held` lists them")])
async def test_that_the_root_is_back_is_told_and_no_more(
    world: World, caplog: pytest.LogCaptureFixture, gone: int, words: str
) -> None:
    """Deletes that wait for a person still do, and it is not said that they do not."""
    caplog.set_level(logging.INFO, "tcbsync")
    guard = {"guard": GuardConfig(max_deletes=5, max_delete_percent=50)}
    await world.mirrored(10, **guard)
    for number in range(gone):
        (world.root / str(number)).unlink()
    await world.sync(**guard)

    async with world.assembly(world.mirror(**guard)) as assembly:
        looks = assembly.mirrors[0].looks
        away = world.root.rename(world.root.parent / "away")
        await looks.look([""])
        away.rename(world.root)
        caplog.clear()
        await looks.look([""])

    assert caplog.messages == [f"site: root {world.root} is back{words}"]


async def test_a_look_that_is_cut_off_has_not_seen_the_root(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Cancelled while it glances: whether the root is back is not known, and nothing is told."""
    caplog.set_level(logging.INFO, "tcbsync")
    await world.mirrored(3)
    async with world.assembly() as assembly:
        seeing = assembly.mirrors[0].looks
        world.root.rename(world.root.parent / "away")
        await seeing.look([""])
        caplog.clear()

        looking = asyncio.create_task(seeing.look([""]))
        await asyncio.sleep(0)
        looking.cancel()
        await asyncio.wait([looking])
        problem = seeing.root_problem

    assert looking.cancelled()
    assert "is missing" in problem
    assert caplog.messages == []


async def test_a_missing_root_ends_a_pass_though_uploads_wait(world: World, emulator: Emulator) -> None:
    """Rows that want to be sent and cannot be read wait; nobody runs in circles."""
    world.write("a")
    emulator.set_latency(5)
    async with world.assembly(grace=False) as assembly:
        working = asyncio.create_task(assembly.mirrors[0].once())
        await eventually(lambda: world.row("a") is not None)
        working.cancel()
        for flight in list(assembly.mirrors[0]._flights):
            flight.cancel()
        await asyncio.wait([working])
    emulator.set_latency(0)
    away = world.root.rename(world.root.parent / "away")

    mirror = await world.sync()

    assert "is missing" in mirror.looks.root_problem
    assert mirror.parts.tally.failures == 0
    away.rename(world.root)
    await world.sync()
    assert world.is_equal()


@pytest.mark.slow
async def test_a_root_that_goes_away_amid_uploads_does_not_set_the_house_on_fire(
    world: World, emulator: Emulator
) -> None:
    """Files that vanish under the uploads are tried again in seconds, not a thousand times a second."""
    for number in range(20):
        world.write(f"{number}")
    emulator.set_latency(0.2)

    async with world.running(watches=False, uploads=1) as mirror:
        await eventually(lambda: emulator.counters.at_once["uploadfile"] > 0)
        away = world.root.rename(world.root.parent / "away")
        attempts: list[str] = []
        upload = mirror._flights.uploads.upload

        async def counted(job: Any) -> None:
            attempts.append(job.path)
            await upload(job)

        mirror._flights.uploads.upload = counted  # type: ignore[method-assign]
        await asyncio.sleep(1)

        assert len(attempts) <= 20
        emulator.set_latency(0)
        away.rename(world.root)
        mirror.hint([("", True)])
        await eventually(world.is_equal)


async def test_a_root_that_is_replaced_while_it_is_looked_at_deletes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of what was seen is of another folder: that look says nothing about what is gone."""
    await world.mirrored(3)
    other = world.root.parent / "other"
    other.mkdir()
    snapshot = Disk.snapshot

    def swapped(disk: Disk, *place: Any, **names: Any) -> Any:
        if other.exists():
            world.root.rename(world.root.parent / "away")
            other.rename(world.root)
        return snapshot(disk, *place, **names)

    monkeypatch.setattr(Disk, "snapshot", swapped)

    mirror = await world.sync()

    assert "was replaced" in mirror.looks.root_problem
    assert len(world.cloud()) == 3
    assert world.report().counts().pending_deletes + world.report().counts().held_deletes == 0


async def test_a_directory_that_cannot_be_listed_is_not_gone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows stay as they are, its files stay in the cloud, and it is reported."""
    world.write("d/a")
    world.write("b")
    await world.sync()
    listing = scan._scan

    def refusing(path: str, *, follows: bool) -> Any:
        if path.endswith("/d"):
            raise PermissionError(13, "Permission denied")
        return listing(path, follows=follows)

    monkeypatch.setattr(scan, "_scan", refusing)
    (world.root / "b").unlink()
    world.write("c")

    await world.sync()

    assert set(world.cloud()) == {"d/a", "c"}
    assert [path for path, _, blocks, _ in world.report().problems() if blocks] == ["d"]


async def test_rules_that_cannot_be_read_delete_nothing(world: World) -> None:
    """Not the old rules and not none at all: until they can be read, nothing is changed."""
    world.write("a")
    world.write("b")
    await world.sync()
    (world.root / ".tcbignore").mkdir()
    (world.root / "a").unlink()

    async with world.running() as mirror:
        await eventually(lambda: mirror.looks.root_problem != "")
        world.write("c")
        await asyncio.sleep(0.5)

        assert ".tcbignore: Is a directory" in mirror.looks.root_problem
        assert set(world.cloud()) == {"a", "b"}

        (world.root / ".tcbignore").rmdir()
        await eventually(lambda: set(world.cloud()) == {"b", "c"})


async def test_a_line_that_is_no_rule_is_reported_and_stops_nobody(world: World) -> None:
    """As in git it means nothing; a person is told."""
    world.write(".tcbignore", "!\n*.psd\n")
    world.write("a.psd")
    world.write("a.png")

    await world.sync()

    assert set(world.cloud()) == {"a.png"}
    ((path, reason, blocks, _),) = world.report().problems()
    assert (path, blocks) == (".tcbignore", False)
    assert "not understood" in reason


async def test_no_delete_before_the_whole_tree_was_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart, deletes of before wait for the first look: there may be uploads that belong before them."""
    await world.mirrored(3)
    (world.root / "0").unlink()
    async with world.running(delete_grace_seconds=1000.0):
        await eventually(lambda: (row := world.row("0")) is not None and row.state == State.DELETE)
    look = looks.Looks._look

    async def slow(self: looks.Looks, *scopes: Any, **how: Any) -> None:
        await asyncio.sleep(0.5)
        assert len(world.cloud()) == 3
        await look(self, *scopes, **how)

    monkeypatch.setattr(looks.Looks, "_look", slow)

    async with world.running() as mirror:
        await eventually(lambda: len(world.cloud()) == 2)
        await eventually(mirror.is_in_sync)
