"""A service that is out of reach, or fails again and again: no file pays, and everything arrives in the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.emulator.faults import Fault
from tcbsync.emulator.server import Emulator, Settings
from tcbsync.engine import reads
from tcbsync.engine.pace import LATER_SECONDS
from tcbsync.local.digest import OpenFile
from tests.engine.world import PREFIX, World, eventually

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_outage_costs_no_file_an_attempt(tmp_path: Path) -> None:
    """The service is gone, then back: everything waits in the manifest, and goes up without anyone's doing."""
    data = tmp_path / "cloud"
    async with Emulator(Settings(data=data)) as emulator:
        world = World(tmp_path / "root", tmp_path / "state", emulator)
        world.write("a")
        port = emulator.url.rpartition(":")[2]
        async with world.running() as mirror:
            await eventually(mirror.is_in_sync)
            await emulator.close()
            for number in range(30):
                world.write(f"{number}", str(number))
            await eventually(lambda: mirror.parts.pace.service.state == "offline")
            await asyncio.sleep(0.3)

            assert world.report().counts().failed == 0
            assert mirror.parts.tally.failures == 0

            async with Emulator(Settings(data=data, listen=f"127.0.0.1:{port}")) as emulator_again:
                world.emulator = emulator_again
                await world.pass_time(mirror, 120)
                await eventually(mirror.is_in_sync)

                assert world.is_equal()
                assert mirror.parts.pace.service.state == "ok"


async def test_an_outage_of_the_store_alone_recovers(
    world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links are given, uploads answer 503: after some failures it is an outage, and then one file at a time is read."""
    for number in range(30):
        world.write(f"{number}")
    emulator.install(Fault(call="cos", kind="http", status=503))

    async with world.running(watches=False) as mirror:
        await eventually(lambda: mirror.parts.pace.service.state == "offline")
        await eventually(lambda: not mirror._flights)
        world.forget_calls()
        opened: list[str] = []

        class Counted(OpenFile):
            def __init__(self, root: Path, path: str, local: str) -> None:
                opened.append(path)
                super().__init__(root, path, local)

        monkeypatch.setattr(reads, "OpenFile", Counted)
        await world.pass_time(mirror, 120)
        await eventually(lambda: world.calls().get("cos", 0) > 0)
        await asyncio.sleep(0.2)

        assert world.calls()["cos"] == len(opened) == 1

        emulator.clear_faults()
        await world.pass_time(mirror, 120)
        await eventually(mirror.is_in_sync)
        assert mirror.parts.tally.failures == 0


async def test_a_file_that_fails_waits_minutes_then_hours(world: World, emulator: Emulator) -> None:
    """Each round of tries that fails is followed by a longer wait; the row is never dropped."""
    emulator.install(Fault(call="cos", kind="http", status=500, key=f"{PREFIX}b"))
    world.write("a")
    world.write("b")
    waits = []

    for number in range(6):
        world.write("a", f"{number}, so that the service answers first")
        await world.sync(uploads=1)
        (failure,) = world.report().failures()
        assert failure.attempts == number + 1
        assert failure.next_at is not None
        waits.append(failure.next_at - world.host.now())
        world.host.ahead += waits[-1] + 1

    for wait, expected in zip(waits, (*LATER_SECONDS, LATER_SECONDS[-1]), strict=True):
        assert 0.7 * expected < wait < 1.3 * expected
    assert world.calls()["cos"] == 6 + 6 * 3


async def test_a_single_pass_waits_out_a_short_pause(world: World, emulator: Emulator) -> None:
    """A pause that ends soon is no reason to leave work undone."""
    for number in range(10):
        world.write(f"{number}")
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=45011, skip=3, count=1))

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        working = asyncio.create_task(mirror.once())
        await eventually(lambda: mirror.parts.pace.service.state == "paused")
        await world.pass_time(mirror, 61)
        await asyncio.wait_for(working, 30)

    assert world.is_equal()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_a_service_that_fails_all_the_time_is_enough(tmp_path: Path, seed: int) -> None:
    """Every call fails one time in ten, in every way; the cloud ends equal, and no key is ever used twice at once."""
    kinds: list[dict[str, Any]] = [
        {"call": "uploadfile", "kind": "errcode", "errcode": -1},
        {"call": "uploadfile", "kind": "cut_json"},
        {"call": "uploadfile", "kind": "stale_token", "probability": 0.01},  # twice in a row ends a pass
        {"call": "cos", "kind": "cut_amid"},
        {"call": "cos", "kind": "cut_after"},
        {"call": "cos", "kind": "stored_reply_lost"},
        {"call": "cos", "kind": "wrong_etag"},
        {"call": "cos", "kind": "http", "status": 403, "code": "AccessDenied"},
        {"call": "batchdeletefile", "kind": "stored_reply_lost"},
        {"call": "batchdeletefile", "kind": "missing_item"},
    ]
    faults = tuple(Fault(**{"probability": 0.02 if fault["call"] == "cos" else 0.05, **fault}) for fault in kinds)
    async with Emulator(Settings(data=tmp_path / "cloud", faults=faults, seed=seed)) as emulator:
        world = World(tmp_path / "root", tmp_path / "state", emulator)
        for number in range(120):
            world.write(f"{number % 7}/{number}", f"{number} {seed}")
        await world.sync(attempts=6)
        for number in range(0, 120, 3):
            (world.root / f"{number % 7}/{number}").unlink()
        for _ in range(20):
            world.host.ahead += 24 * 3600
            await world.sync(attempts=6)
            if world.is_equal():
                break

        assert world.is_equal()
        assert emulator.counters.max_at_once_same_key == 1


async def test_a_probe_that_takes_long_holds_nobody_up(
    world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe is a file that takes for ever: after a while another one is let through, and its success counts."""
    for module in ("gate", "flights"):
        monkeypatch.setattr(f"tcbsync.engine.{module}.PROBE_SECONDS", 0.2)
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=45011, count=1, key=f"{PREFIX}0"))
    emulator.install(Fault(call="cos", kind="stall", seconds=30, key=f"{PREFIX}0"))
    for number in range(5):
        world.write(f"{number}")

    async with world.running(watches=False, uploads=2) as mirror:
        await eventually(lambda: mirror.parts.pace.service.state == "paused" and not mirror._flights)
        await world.pass_time(mirror, 61)
        await eventually(lambda: emulator.counters.at_once["cos"] == 1)
        await world.pass_time(mirror, 1)
        await eventually(lambda: len(world.cloud()) == 4)

        assert mirror.parts.pace.service.state == "ok"
        emulator.clear_faults()
        for flight in mirror._flights:
            flight.cancel()
