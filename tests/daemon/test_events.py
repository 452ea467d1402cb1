"""To tell an event is to write its line of the log, and no other."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.events import Failed, Held, Level, Uploaded
from tcbsync.daemon.events import Events
from tcbsync.emulator.faults import Fault
from tests.daemon.steering import steered
from tests.engine.world import World, eventually

if TYPE_CHECKING:
    from tcbsync.emulator.server import Emulator


def test_an_event_is_a_line_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    """The sentence, at the event's level, with the object that `tcbsync events --json` gives."""
    caplog.set_level(logging.INFO)
    events = Events(clock=lambda: 0.0)

    events.tell(Held("why", is_approvable=False), "site")

    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (Level.ERROR, "site: held: why")
    (kept,) = events.newest()
    assert record.told == kept  # type: ignore[attr-defined]
    assert kept["at"] == "1970-01-01T00:00:00.000+00:00"


def test_a_storm_is_told_to_readers_and_not_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Who reads events has each of them; the log has one line, and one when it is over."""
    caplog.set_level(logging.INFO)
    events = Events()

    for _ in range(100):
        events.tell(Failed("a", "upload", "500", "no", is_parked=False), "site")
    events.tell(Uploaded("a", 1, ""), "site")

    assert [each["event"] for each in events.newest()] == ["failed"] * 100 + ["uploaded", "recovered"]
    assert caplog.messages == ["site: a: no", "site: a: uploaded after all"]


def test_without_readers_there_is_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A process that nobody can ask keeps nothing."""
    caplog.set_level(logging.INFO)
    events = Events(kept=0)

    events.tell(Uploaded("a", 1, ""), "site")
    events.tell(Held("why"), "site")

    assert events.newest() == []
    assert len(caplog.messages) == 1


@pytest.mark.slow
async def test_what_lands_at_the_end_is_summed_up(
    world: World, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """What is in flight when it is ended gets a few seconds: the last sum counts it too."""
    caplog.set_level(logging.INFO)
    world.write("a")
    emulator.install(Fault(call="cos", kind="stall", seconds=4.0))

    async with steered(world) as daemon:

        async def is_seen() -> bool:
            return any(told.get("state") == "syncing" for told in await daemon.events())

        await eventually(is_seen)
        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(daemon.task.done)
        daemon.task = asyncio.create_task(asyncio.sleep(60))  # it has ended as it was told to

    assert world.cloud() == {"a": b"content"}
    assert any("1 uploaded (7 bytes)" in line for line in caplog.messages)
