"""Flush: it says "proved" only when it is, and else what is not, and why."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.config.schema import GuardConfig
from tcbsync.emulator.faults import Fault
from tcbsync.engine.looks import Looks
from tests.daemon.steering import steered
from tests.engine.world import eventually

if TYPE_CHECKING:
    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World

pytestmark = pytest.mark.slow


async def test_what_was_saved_before_is_proved(world: World) -> None:
    """New, changed and deleted files, said at once after they were saved, again and again: disk and cloud are equal."""
    async with steered(world) as daemon:
        for turn in range(8):
            for number in range(20):
                world.write(f"{turn % 3}/{number}", f"{turn} {number}")
            (world.root / f"{turn % 3}/7").unlink()

            (result,) = await daemon.flush(("site", ""))

            assert (result["why"], result["files"]) == ("", [])
            assert world.is_equal()


async def test_a_scope_is_proved_while_another_is_not(world: World, emulator: Emulator) -> None:
    """What is elsewhere is not waited for."""
    emulator.install(Fault(call="cos", kind="stall", seconds=20.0, key="site/slow/*", count=1))
    async with steered(world) as daemon:
        world.write("slow/1")
        await eventually(lambda: emulator.counters.at_once["cos"])
        world.write("dist/app.js")

        (result,) = await daemon.flush(("site", "dist"), seconds=15.0)

        assert result["why"] == ""
        assert set(world.cloud()) == {"dist/app.js"}


async def test_a_file_that_is_saved_again_while_it_is_sent(world: World, emulator: Emulator) -> None:
    """Old bytes that are in flight prove nothing of the new ones: these have to arrive too."""
    emulator.install(Fault(call="cos", kind="stall", seconds=2.0, count=1))
    async with steered(world) as daemon:
        world.write("a", "old")
        await eventually(lambda: emulator.counters.at_once["cos"])
        world.write("a", "new")

        (result,) = await daemon.flush(("site", "a"))

        assert result["why"] == ""
        assert world.cloud() == {"a": b"new"}


async def test_what_comes_afterwards_is_not_waited_for(world: World) -> None:
    """In a tree that is written all the time, flush ends: what was there before the call is proved."""
    async with steered(world) as daemon:
        world.write("before")
        is_over = asyncio.Event()

        async def write_on() -> None:
            number = 0
            while not is_over.is_set():
                world.write(f"later/{number % 50}", f"{number}")
                number += 1
                await asyncio.sleep(0.005)

        writing = asyncio.create_task(write_on())
        (result,) = await daemon.flush(("site", ""), seconds=20.0)
        is_over.set()
        await writing

        assert result["why"] == ""
        assert world.cloud()["before"] == b"content"


async def test_a_file_that_is_still_written_is_not_called_proved(world: World) -> None:
    """Its writer has not closed it: flush waits until it was left alone, and then until it is proved as it is."""
    async with steered(world) as daemon:
        with (world.root / "log").open("w") as file:
            for number in range(30):
                file.write(f"{number}\n")
                file.flush()
            (result,) = await daemon.flush(("site", "log"))

            assert result["why"] == ""
            assert world.cloud()["log"] == (world.root / "log").read_bytes()


async def test_a_refused_file_is_named(world: World, emulator: Emulator) -> None:
    """It ends at once, as soon as nothing is left that could go on by itself, and names file, code and reason."""
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=40097, key="site/bad"))
    async with steered(world) as daemon:
        world.write("bad")
        world.write("good")

        (result,) = await daemon.flush(("site", ""), seconds=60.0)

        assert (result["why"], result["parked"]) == ("failed", 1)
        assert [(file["path"], file["code"]) for file in result["files"]] == [("bad", "40097")]
        assert set(world.cloud()) == {"good"}


async def test_held_deletes_are_said(world: World) -> None:
    """More deletes than the guard allows wait for a person: so does not flush, which says why."""
    for number in range(5):
        world.write(f"d/{number}", "x" * (number + 1))
    world.write("stays")
    mirror = world.mirror(guard=GuardConfig(max_deletes=2, max_delete_percent=None))
    async with steered(world, mirror) as daemon:
        await eventually(daemon.in_sync)
        shutil.rmtree(world.root / "d")

        (held,) = await daemon.flush(("site", ""), seconds=60.0)
        approving = asyncio.create_task(daemon.ask("approve", mirror="site"))
        (approved,) = [await approving, *await daemon.flush(("site", ""))][1:]

        assert (held["why"], held["held"]) == ("held", 5)
        assert held["reason"] == "5 objects would be deleted; the limit is 2 (guard.max_deletes)"
        assert approved["why"] == ""
        assert set(world.cloud()) == {"stays"}


async def test_a_missing_root_is_said(world: World) -> None:
    """Nobody can look: held, with the reason."""
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        world.root.rename(world.root.with_name("away"))

        (result,) = await daemon.flush(("site", ""), seconds=60.0)

        assert result["why"] == "held"
        assert f"root {world.root} is missing" in result["reason"]


async def test_a_path_that_cannot_be_looked_at(world: World) -> None:
    """Two names that meet in one key are nobody's: flush says so instead of calling them proved."""
    async with steered(world) as daemon:
        for name in ("caf\u00e9", "cafe\u0301"):
            world.write(name)

        (result,) = await daemon.flush(("site", ""), seconds=60.0)

        assert result["why"] == "failed"
        assert "meet in one key" in result["reason"]


async def test_the_service_is_away(world: World, emulator: Emulator) -> None:
    """It waits as long as it was told, and says whose fault it is; when the service is back, the next one succeeds."""
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        emulator.install(Fault(call="uploadfile", kind="cut_before"))
        for number in range(12):
            world.write(f"{number}")

        (result,) = await daemon.flush(("site", ""), seconds=3.0)
        emulator.clear_faults()
        await daemon.ask("retry")  # the first few failed by themselves before it was known to be the service
        (again,) = await daemon.flush(("site", ""))

        assert (result["why"], result["service"], result["uploads"]) == ("service", "offline", 12)
        assert again["why"] == ""
        assert world.is_equal()


async def test_ignore_rules_that_have_just_changed(world: World) -> None:
    """What belongs to the scope is decided by the rules that stand when flush is said."""
    world.write("dist/a.map")
    world.write("dist/a.js")
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        world.write(".tcbignore", "*.map")

        (result,) = await daemon.flush(("site", "dist/a.map"))

        assert result["why"] == ""
        assert set(world.cloud()) == {"dist/a.js"}


async def test_without_waiting_it_looks_and_says(world: World, emulator: Emulator) -> None:
    """What is not proved after a look is said at once."""
    emulator.install(Fault(call="cos", kind="stall", seconds=5.0))
    async with steered(world) as daemon:
        world.write("a")

        told = await daemon.all_of("flush", scopes=[["site", ""]], waits=False, seconds=600)

        (result,) = told[-1]["result"]
        assert (result["why"], result["unseen"], result["uploads"]) == ("time", 0, 1)


async def test_progress_is_told(world: World, emulator: Emulator) -> None:
    """While it waits it says how much is left."""
    emulator.install(Fault(call="cos", kind="stall", seconds=0.3))
    async with steered(world, uploads=1) as daemon:
        for number in range(4):
            world.write(f"{number}")

        told = await daemon.all_of("flush", scopes=[["site", ""]], waits=True, seconds=30)

        lefts = [each["progress"][0]["uploads"] for each in told if "progress" in each]
        assert lefts[-1] == 0
        assert {4, 3, 2, 1} & set(lefts)


async def test_a_mirror_that_is_taken_out_meanwhile(world: World, emulator: Emulator) -> None:
    """It says that the mirror was stopped, instead of waiting for nobody."""
    emulator.install(Fault(call="cos", kind="stall", seconds=3.0, count=1))
    async with steered(world) as daemon:
        world.write("a")
        await eventually(lambda: emulator.counters.at_once["cos"])
        flushing = asyncio.create_task(daemon.flush(("site", ""), seconds=60.0))
        await asyncio.sleep(0.5)
        daemon.mirrors(world.mirror(quiet_seconds=0.1))
        await daemon.reload()

        (result,) = await flushing

        assert result["why"] in ("stopped", "")
        assert result["why"] == "stopped" or world.is_equal()


async def test_a_caller_who_hangs_up_leaves_nothing_behind(world: World, emulator: Emulator) -> None:
    """The daemon waits no longer for him."""
    emulator.install(Fault(call="cos", kind="stall", seconds=3.0))
    async with steered(world) as daemon:
        world.write("a")
        asking = asyncio.create_task(daemon.flush(("site", ""), seconds=60.0))
        await eventually(lambda: emulator.counters.at_once["cos"])
        await asyncio.sleep(0.2)
        waiting = _waiters()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        emulator.clear_faults()

        assert waiting == 1
        await eventually(lambda: _waiters() == 0, 30)


def _waiters() -> int:
    """Count the flushes that some mirror of this process still knows."""
    return sum(len(each.awaited) for each in gc.get_objects() if isinstance(each, Looks))


async def test_many_at_once(world: World) -> None:
    """Flushes of one mirror do not disturb each other, nor what is mirrored."""
    async with steered(world) as daemon:
        for number in range(30):
            world.write(f"{number % 5}/{number}")

        results: list[list[dict[str, Any]]] = await asyncio.gather(
            *(daemon.flush(("site", f"{number}")) for number in range(5)), daemon.flush(("site", ""))
        )

        assert [result["why"] for (result,) in results] == [""] * 6
        assert world.is_equal()


async def test_names_that_are_no_text(world: World) -> None:
    """A name that is not UTF-8 goes over the socket as it is; it is nothing that could be mirrored."""
    async with steered(world) as daemon:
        with open(os.fsencode(world.root) + b"/bad\xff", "wb"):  # noqa: PTH123
            pass

        (result,) = await daemon.flush(("site", "bad\udcff"))

        assert result["why"] == ""
        assert world.cloud() == {}
