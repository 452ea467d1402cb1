"""A disk that does not answer costs a moment, one thread, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.glance import glance, glanced
from tests.dead import dead

if TYPE_CHECKING:
    from pathlib import Path


def threads() -> int:
    """Count those that glance."""
    return sum(thread.name == "glance" for thread in threading.enumerate())


async def test_what_is_seen_is_given() -> None:
    """And what goes wrong with it is raised, as if it had been done here."""
    seen = glance("a", lambda: 1), await glanced("a", lambda: 2)

    assert seen == (1, 2)
    with pytest.raises(FileNotFoundError):
        glance("a", lambda: os.stat("/no/such/file"))  # noqa: PTH116 - any call
    with pytest.raises(FileNotFoundError):
        await glanced("a", lambda: os.stat("/no/such/file"))  # noqa: PTH116 - any call


async def test_a_dead_disk_is_left_alone(tmp_path: Path) -> None:
    """Whoever asks first waits a moment; whoever asks later is told at once; when it answers again, it is asked."""
    place = tmp_path / "disk"
    place.mkdir()
    with dead(place):
        with pytest.raises(TimeoutError, match="does not answer"):
            glance(str(place), place.stat, 0.2)
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(TimeoutError):
                glance(str(place), place.stat, 10.0)
            with pytest.raises(TimeoutError):
                await glanced(str(place), place.stat, 10.0)
        took, hanging = time.monotonic() - began, threads()
    while threads():
        await asyncio.sleep(0.01)

    assert took < 1.0
    assert hanging == 1
    assert glance(str(place), place.stat).st_ino == place.stat().st_ino


async def test_the_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    """Nobody else waits for a dead disk."""
    place = tmp_path / "disk"
    place.mkdir()
    turns = 0
    with dead(place):
        glancing = asyncio.create_task(glanced(str(place), place.stat, 0.3))
        while not glancing.done():
            await asyncio.sleep(0.01)
            turns += 1

    assert turns > 10
    assert isinstance(glancing.exception(), TimeoutError)


async def test_a_place_that_is_slow_is_not_dead(tmp_path: Path) -> None:
    """What came too late is not taken; but the next one who asks waits for as long as it takes."""

    def slow() -> str:
        time.sleep(0.5)
        return "seen"

    place = str(tmp_path)
    with pytest.raises(TimeoutError):
        await glanced(place, slow, 0.2)
    while threads():
        await asyncio.sleep(0.01)

    assert await glanced(place, slow, 0.2) == "seen"
    assert glance(place, slow, 0.2) == "seen"


async def test_whoever_is_cancelled_leaves_no_second_thread(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The call that he began is waited for, by whoever asks next, before there is another; its error is nobody's."""
    let_go = threading.Event()

    def hangs() -> None:
        let_go.wait()
        raise FileNotFoundError

    place = str(tmp_path)
    for _ in range(10):
        asked = asyncio.create_task(glanced(place, hangs, 5.0))
        await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.wait([asked])
    hanging = threads()
    next_one = asyncio.create_task(glanced(place, lambda: "seen"))
    await asyncio.sleep(0.01)
    let_go.set()
    seen = await next_one
    gc.collect()

    assert hanging == 1
    assert seen == "seen"
    assert not caplog.records
