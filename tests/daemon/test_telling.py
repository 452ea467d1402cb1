"""How often a daemon looks at how things are: often while they change, seldom while they do not."""

from __future__ import annotations

import asyncio

import pytest

from tcbsync.core.events import Held
from tcbsync.daemon import run
from tcbsync.daemon.events import Events
from tcbsync.daemon.run import Daemon
from tests.engine.world import World, eventually


@pytest.mark.slow
async def test_it_looks_seldom_while_nothing_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the rows is most of what an idle daemon costs."""
    looks = []

    async def look() -> str:
        looks.append("a look")
        return "all is well"

    monkeypatch.setattr(run, "PULSE_SECONDS", 0.01)
    monkeypatch.setattr(run, "CALM_SECONDS", 0.4)
    async with world.assembly() as assembly:
        daemon = Daemon(world.config(world.mirror()), assembly)
        monkeypatch.setattr(daemon, "_line", look)
        telling = asyncio.create_task(daemon.keep_telling())
        await eventually(lambda: len(looks) > 5)
        await asyncio.sleep(0.5)
        looks.clear()
        await asyncio.sleep(1.0)
        telling.cancel()
        await asyncio.wait([telling])

    assert 1 <= len(looks) <= 3


async def test_what_happens_brings_a_look_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However calm it was."""
    monkeypatch.setattr(run, "CALM_SECONDS", 3600.0)
    async with world.assembly() as assembly:
        events = Events()
        daemon = Daemon(world.config(world.mirror()), assembly, events=events)
        pause = asyncio.create_task(daemon._pause(is_calm=True))
        await asyncio.sleep(0.05)
        assert not pause.done()

        events.tell(Held("why"), "site")

        assert await pause
        assert not events.news.is_set()
