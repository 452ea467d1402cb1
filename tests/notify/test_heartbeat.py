"""The heartbeat: heard while everything moves, and missed as soon as something does not."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tcbsync.notify import heartbeat as beating
from tcbsync.notify.heartbeat import Heartbeat
from tcbsync.notify.post import way_out
from tests.engine.world import eventually
from tests.notify.robot import HOOK_PATH, Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from tests.notify.robot import Robot


@asynccontextmanager
async def beats(heartbeat: Heartbeat) -> AsyncIterator[None]:
    """Let it beat until the end of the block."""
    way = way_out(None, None, 1)
    task = asyncio.create_task(heartbeat.beat(way.open().send))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await way.close()


async def test_it_is_heard_while_everything_moves(group: Robot) -> None:
    """It stops while a part is silent, and goes on when none is."""
    silent: list[str] = []
    async with beats(Heartbeat(group.heartbeat, 0.05, lambda: silent)):
        await eventually(lambda: group.beats >= 3)
        silent.append("site: watcher")
        await asyncio.sleep(0.2)
        heard = group.beats
        await asyncio.sleep(0.3)
        missed = group.beats - heard
        silent.clear()
        await eventually(lambda: group.beats > heard)

    assert missed == 0


async def test_it_is_not_heard_at_once(group: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies and begins anew again and again is missed: the first beat comes after a while."""
    monkeypatch.setattr(beating, "FIRST_SECONDS", 0.5)
    async with beats(Heartbeat(group.heartbeat, 300, list)):
        await asyncio.sleep(0.3)
        early = group.beats
        await eventually(lambda: group.beats)

    assert early == 0


async def test_a_beat_that_is_not_heard(group: Robot, caplog: pytest.LogCaptureFixture) -> None:
    """One line when it is no longer heard, and one when it is again; no address but scheme and host."""
    caplog.set_level(logging.INFO, "tcbsync.notify")
    group.script = [Answer(500), Answer(500), Answer(404)]
    heartbeat = Heartbeat(group.heartbeat, 0.05, list)
    async with beats(heartbeat):
        await eventually(lambda: group.requests == 2)
        await eventually(lambda: heartbeat.trouble)
        await eventually(lambda: group.beats)
        await eventually(lambda: not heartbeat.trouble)

    assert caplog.messages == [
        f"the heartbeat to {group.base} is not heard: HTTP 500",
        f"the heartbeat to {group.base} is heard again",
    ]
    assert HOOK_PATH not in repr(heartbeat)
