"""The brake: whoever has not been sent when a person stops a mirror is not sent, however near it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.emulator.faults import Fault
from tests.engine.world import World, eventually

if TYPE_CHECKING:
    from tcbsync.emulator.server import Emulator


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
