"""Forget: rows of a former mirror go, its objects only when that was asked for, and never those of one that lives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.config.schema import MirrorConfig
from tcbsync.core.errors import ConfigError, StateError, Transient
from tcbsync.daemon.assemble import assembled
from tcbsync.daemon.events import Events
from tcbsync.daemon.fleet import Fleet
from tcbsync.daemon.forget import forget
from tcbsync.daemon.reload import Reload
from tcbsync.daemon.verbs import Verbs, newest
from tcbsync.emulator.faults import Fault
from tcbsync.store.database import FILE_NAME
from tcbsync.store.forgetting import Living
from tcbsync.store.reader import open_reader
from tcbsync.store.report import leftovers
from tests.daemon.steering import steered
from tests.engine.world import ENV, QUICK, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.config.schema import Config
    from tcbsync.emulator.server import Emulator
    from tests.daemon.steering import Steered
    from tests.engine.world import World

OLD = {"mirror": "old", "env": ENV, "prefix": "old/"}


@pytest.fixture
def old(tmp_path: Path) -> MirrorConfig:
    """Describe a mirror that is about to go, with files for some batches."""
    root = tmp_path / "old"
    root.mkdir()
    for number in range(120):
        (root / f"{number}").write_text(f"{number}")
    return MirrorConfig("old", root, ENV, "old/", **QUICK)


def left(world: World) -> dict[str, int]:
    """Give the former mirrors that the manifest knows, with the number of their objects."""
    return {
        f"{each.name} {each.prefix}": each.objects
        for each in leftovers(open_reader(world.state / FILE_NAME), {("site", ENV, "site/")})
    }


async def gone(daemon: Steered) -> None:
    """Mirror both, and take the old one out."""
    await eventually(daemon.in_sync)
    daemon.mirrors(daemon.world.mirror())
    await daemon.reload()


@pytest.mark.slow
async def test_objects_are_deleted_and_rows_after_them(world: World, old: MirrorConfig) -> None:
    """Beside a running mirror, 50 at a time; files on disk stay, and so does everything of the other mirror."""
    world.write("a")
    async with steered(world, world.mirror(), old) as daemon:
        await gone(daemon)
        world.forget_calls()

        told = await daemon.all_of("forget", **OLD, deletes=True)

        assert (told[-1]["deleted"], told[-1]["rows"], told[-1]["refused"]) == (120, 120, 0)
        assert world.calls() == {"batchdeletefile": 3}
        assert (world.cloud(prefix="old/"), set(world.cloud())) == ({}, {"a"})
        assert left(world) == {}
        assert len(list(old.root.iterdir())) == 120
        assert any(event["event"] == "forgotten" for event in await daemon.events())


@pytest.mark.slow
async def test_without_that_only_the_rows_go(world: World, old: MirrorConfig) -> None:
    """The objects stay in the cloud; a mirror of that name that comes again begins anew."""
    async with steered(world, world.mirror(), old) as daemon:
        await gone(daemon)
        world.forget_calls()

        told = await daemon.all_of("forget", **OLD, deletes=False)

        assert (told[-1]["deleted"], told[-1]["rows"]) == (0, 120)
        assert (world.calls(), len(world.cloud(prefix="old/")), left(world)) == ({}, 120, {})
        daemon.mirrors(world.mirror(), old)
        await daemon.reload()
        await eventually(daemon.in_sync)
        assert world.calls()["cos"] == 120


@pytest.mark.slow
async def test_a_mirror_that_lives_is_refused(world: World, old: MirrorConfig) -> None:
    """One that the daemon still mirrors is not forgotten, whatever the file says by now."""
    async with steered(world, world.mirror(), old) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror())

        with pytest.raises(ConfigError, match="mirror old is looked after"):
            await daemon.all_of("forget", **OLD, deletes=True)

        assert len(world.cloud(prefix="old/")) == 120


@pytest.mark.slow
async def test_it_is_resumed_where_it_was_cut_off(world: World, old: MirrorConfig, emulator: Emulator) -> None:
    """An outage amid the deletes: exit says the service; said again it goes on, and nothing is forgotten unproved."""
    async with steered(world, world.mirror(), old) as daemon:
        await gone(daemon)
        emulator.install(Fault(call="batchdeletefile", kind="cut_after", skip=1))

        with pytest.raises(Transient):
            await daemon.all_of("forget", **OLD, deletes=True)
        between = (len(world.cloud(prefix="old/")), left(world))
        emulator.clear_faults()
        told = await daemon.all_of("forget", **OLD, deletes=True)

        assert between == (70, {"old old/": 70})
        assert told[-1]["deleted"] == 70
        assert (world.cloud(prefix="old/"), left(world)) == ({}, {})


@pytest.mark.slow
async def test_a_mirror_that_is_put_back_after_half_a_forget(
    world: World, old: MirrorConfig, emulator: Emulator
) -> None:
    """Nobody knows which deletes were carried out: what is on the disk is sent again, and all is equal."""
    async with steered(world, world.mirror(), old, attempts=1) as daemon:
        await gone(daemon)
        emulator.install(Fault(call="batchdeletefile", kind="stored_reply_lost", count=1))
        with pytest.raises(Transient):
            await daemon.all_of("forget", **OLD, deletes=True)
        between = len(world.cloud(prefix="old/"))
        daemon.mirrors(world.mirror(), old)

        await daemon.reload()

        await eventually(lambda: len(world.cloud(prefix="old/")) == 120)
        await eventually(daemon.in_sync)
        assert between == 70


@pytest.mark.slow
async def test_what_the_cloud_refuses_stays_known(world: World, old: MirrorConfig, emulator: Emulator) -> None:
    """One object that is not deleted keeps its row; the others go; the answer names it."""
    async with steered(world, world.mirror(), old) as daemon:
        await gone(daemon)
        emulator.install(Fault(call="batchdeletefile", kind="item_error", errcode=-501020, errmsg="no", key="old/7"))

        told = await daemon.all_of("forget", **OLD, deletes=True)

        assert (told[-1]["deleted"], told[-1]["refused"]) == (119, 1)
        assert told[-1]["refusals"][0]["path"] == "7"
        assert (set(world.cloud(prefix="old/")), left(world)) == ({"7"}, {"old old/": 1})


@pytest.mark.slow
async def test_an_environment_that_is_gone_blocks_nobody_else(
    world: World, old: MirrorConfig, emulator: Emulator
) -> None:
    """Its objects cannot be deleted, which is the answer; the service of those who live is as well as before."""
    elsewhere = replace(old, env="env-gone")
    async with steered(world, world.mirror(), elsewhere) as daemon:
        await gone(daemon)
        emulator.install(Fault(call="batchdeletefile", kind="errcode", errcode=-501005))

        with pytest.raises(StateError, match="-501005"):
            await daemon.all_of("forget", **{**OLD, "env": "env-gone"}, deletes=True)

        assert (await daemon.ask("status"))["service"]["state"] == "ok"


@pytest.mark.slow
async def test_no_reload_comes_between(world: World, old: MirrorConfig, emulator: Emulator) -> None:
    """A mirror that is being forgotten cannot be put back at the same time: the reload waits for its turn."""
    async with steered(world, world.mirror(), old) as daemon:
        await gone(daemon)
        emulator.install(Fault(call="batchdeletefile", kind="stall", seconds=1.0))
        forgetting = asyncio.create_task(daemon.all_of("forget", **OLD, deletes=True))
        await eventually(lambda: emulator.counters.at_once["batchdeletefile"])
        daemon.mirrors(world.mirror(), old)

        with pytest.raises(StateError, match="is under way"):
            await daemon.all_of("forget", **OLD, deletes=True)
        await daemon.reload()
        await eventually(daemon.in_sync)

        assert (await forgetting)[-1]["deleted"] == 120
        assert len(world.cloud(prefix="old/")) == 120


@pytest.mark.slow
async def test_who_reads_no_answer_keeps_nobody_waiting(world: World, old: MirrorConfig) -> None:
    """A terminal that stands still reads no progress: it goes on to its end, and a reload has its turn after it."""
    await once(world.config(world.mirror(), old))
    config = world.config(world.mirror())
    async with assembled(config, "test", grace=False) as assembly, asyncio.TaskGroup() as tasks:
        reload = Reload(config, lambda: config, assembly, Fleet(assembly, tasks))
        verbs = Verbs(assembly, Events(), report_of=lambda _mirror: None, reload=reload)  # type: ignore[arg-type, return-value]
        answer = verbs.handlers()["forget"]({**OLD, "deletes": True})

        first = await anext(answer)
        await eventually(lambda: not reload.turn.locked(), 20)
        rest = [told async for told in answer]

    assert (first["deleted"], rest[-1]["deleted"]) == (50, 120)
    assert world.cloud(prefix="old/") == {}


async def once(config: Config) -> None:
    """Mirror everything once."""
    async with assembled(config, "test", grace=False) as assembly:
        for mirror in assembly.mirrors:
            await asyncio.wait_for(mirror.once(), 60)


async def test_who_hangs_up_ends_it() -> None:
    """What gives the values is cancelled, and has its chance to tidy up; what it raises comes through."""
    ended = []

    async def endless() -> AsyncIterator[int]:
        try:
            for number in range(10**9):
                yield number
                await asyncio.sleep(0.001)
        finally:
            ended.append("tidy")

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise StateError("no")

    values = newest(endless())
    first = await anext(values)
    await asyncio.sleep(0.05)
    later = await anext(values)
    await values.aclose()  # type: ignore[attr-defined]
    with pytest.raises(StateError, match="no"):
        [value async for value in newest(broken())]

    assert first == 0
    assert later > 1
    assert ended == ["tidy"]


async def forgotten(world: World, config: Any, former: Living) -> dict[str, Any]:
    """Forget with the objects, without a daemon."""
    async with assembled(config, "test", grace=False) as assembly:
        return [told async for told in forget(assembly, config, former, deletes=True)][-1]


async def test_what_a_mirror_under_another_name_knows_is_not_deleted(world: World) -> None:
    """A mirror was renamed: the old name is forgotten, and not one of the objects is touched."""
    await world.mirrored(5)
    config = world.config(world.mirror(name="web"))
    async with assembled(config, "test", grace=False) as assembly:
        await asyncio.wait_for(assembly.mirrors[0].once(), 60)
    world.forget_calls()

    told = await forgotten(world, config, Living("site", ENV, "site/"))

    assert (told["rows"], told["deleted"], told["shielded"]) == (5, 0, 0)
    assert world.calls() == {}
    assert len(world.cloud()) == 5


async def test_what_lies_in_the_place_of_a_living_mirror_stays(world: World, tmp_path: Path) -> None:
    """A wider prefix gave way to a narrower one: only what is outside of that is deleted, the rest stays known."""
    world.write("site/kept")
    world.write("other/gone")
    await world.sync(prefix="")
    narrow = tmp_path / "narrow"
    narrow.mkdir()
    config = world.config(replace(world.mirror(name="web", prefix="site/"), root=narrow))

    told = await forgotten(world, config, Living("site", ENV, ""))

    assert (told["deleted"], told["shielded"]) == (1, 1)
    assert set(world.cloud(prefix="")) == {"site/kept"}
    assert [(each.prefix, each.objects) for each in leftovers(open_reader(world.state / FILE_NAME), set())] == [("", 1)]


async def test_the_same_prefix_in_another_environment_is_no_neighbour(world: World) -> None:
    """Environments have nothing to do with each other."""
    await world.mirrored(3)
    config = world.config(world.mirror(env="another-env"))

    told = await forgotten(world, config, Living("site", ENV, "site/"))

    assert (told["deleted"], world.cloud()) == (3, {})
