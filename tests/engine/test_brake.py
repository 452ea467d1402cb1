"""The brake: whoever has not been sent when a person stops a mirror is not sent, however near it was."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.events import Uploaded
from tcbsync.emulator.faults import Call, Fault
from tests.engine.world import World, alive, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.core.events import Event
    from tcbsync.emulator.server import Emulator
    from tcbsync.engine.mirror import Mirror


async def test_a_link_that_waits_for_its_turn_is_not_used(world: World, emulator: Emulator) -> None:
    """What is being sent lands; what has a link, and was next, waits as a row, and goes when the brake is off."""
    for number in range(4):
        world.write(f"{number}")
    emulator.install(Fault(call="cos", kind="stall", seconds=1.0, count=2))
    async with world.running(watches=False, uploads=2) as mirror:
        await eventually(lambda: emulator.counters.at_once["cos"] == 2 and world.calls()["uploadfile"] == 4)

        mirror.parts.brake.is_on = True
        await eventually(lambda: not mirror._flights)
        calls, cloud = world.calls(), world.cloud()
        mirror.parts.brake.is_on = False
        mirror.nudge()
        await eventually(world.is_equal)

    assert (calls["cos"], len(cloud)) == (2, 2)
    assert world.calls()["cos"] == 4


async def test_nobody_asks_for_a_link_any_more(world: World, emulator: Emulator) -> None:
    """Those who wait until they may ask do not; those who have asked do not send."""
    for number in range(4):
        world.write(f"{number}")
    emulator.install(Fault(call="uploadfile", kind="stall", seconds=1.0))
    async with world.running(watches=False, uploads=2) as mirror:
        await eventually(lambda: emulator.counters.at_once["uploadfile"] == 2 and len(mirror._flights) == 4)

        mirror.parts.brake.is_on = True
        await eventually(lambda: not mirror._flights)

    assert world.calls() == {"token": 1, "uploadfile": 2}
    assert world.report().counts().pending_uploads == 4


@asynccontextmanager
async def pair(world: World, told: list[Event]) -> AsyncIterator[tuple[Mirror, Mirror, World]]:
    """Let a mirror with very much to do run beside another one, which has nothing yet."""
    other = World(world.root.with_name("other"), world.state, world.emulator)
    other.root.mkdir()
    for number in range(500):
        world.write(f"{number}")
    mirrors = world.mirror(), other.mirror(name="other", prefix="other/")
    async with world.assembly(*mirrors, uploads=8) as assembly:
        assembly.tell = lambda event, _: told.append(event)
        async with alive(assembly, watches=False) as (busy, quiet):
            await eventually(lambda: quiet.looks.has_scanned)
            yield busy, quiet, other


@pytest.mark.slow
async def test_a_saved_file_does_not_wait_for_another_mirror_to_have_done(world: World, emulator: Emulator) -> None:
    """Of all that wait for a slot it is among the first two, however many the busy mirror has."""
    told: list[Event] = []
    emulator.install(Fault(call="cos", kind="stall", seconds=2.0, count=8))
    async with pair(world, told) as (_, quiet, other):
        await eventually(lambda: emulator.counters.at_once["cos"] == 8 and world.calls()["uploadfile"] >= 20)
        other.write("saved")
        quiet.hint([("saved", True)])
        await eventually(lambda: other.cloud(prefix="other/"))
        await eventually(lambda: len(told) > 40)

    order = [event.path for event in told if isinstance(event, Uploaded)]
    assert order.index("saved") < 8 + 8


@pytest.mark.parametrize("call", ["cos", "uploadfile"])
@pytest.mark.slow
async def test_who_is_stopped_does_not_wait_for_other_mirrors(world: World, emulator: Emulator, call: Call) -> None:
    """Another mirror's uploads have all slots, for a long time: whoever waits behind them leaves the queue at once."""
    emulator.install(Fault(call=call, kind="stall", seconds=6.0, count=8))
    async with pair(world, []) as (_, quiet, other):
        await eventually(lambda: emulator.counters.at_once[call] == 8)
        other.write("saved")
        quiet.hint([("saved", True)])
        await eventually(lambda: len(quiet._flights) == 1)
        await asyncio.sleep(0.5)  # it has come to the end of the queue

        began = time.monotonic()
        quiet.parts.brake.is_on = True
        await eventually(lambda: not quiet._flights)
        took = time.monotonic() - began

        assert took < 1.0
        assert other.cloud(prefix="other/") == {}
