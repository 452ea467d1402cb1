"""Who moves, and who has fallen silent: real threads, one of which hangs in the kernel."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tcbsync.engine.heart import Heart
from tcbsync.engine.host import Host
from tests.engine.world import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def hanging(place: Path) -> Iterator[Path]:
    """Give a file whose opening hangs until the end of the block: a pipe that nobody writes to."""
    pipe = place / "pipe"
    os.mkfifo(pipe)
    try:
        yield pipe
    finally:
        os.close(os.open(pipe, os.O_RDWR))


def test_who_says_nothing_for_too_long_is_silent() -> None:
    """A part that neither moves nor rests is named."""
    heart = Heart(silent_seconds=0.05)

    with heart.part("site: upload of a.png"):
        at_first = heart.silent(60)
        time.sleep(0.06)
        later = heart.silent(60)

    assert at_first == []
    assert later == ["site: upload of a.png"]
    assert heart.silent(60) == []


def test_who_says_how_long_it_takes_is_not_silent_before() -> None:
    """A loop that has nothing to do for a minute says so."""
    heart = Heart(silent_seconds=0.0)

    with heart.part("site: look"):
        heart.beat(60)

        assert heart.silent(60) == []


def test_who_rests_is_waited_for() -> None:
    """A closed gate may keep an upload waiting for hours; what comes after it counts again."""
    heart = Heart(silent_seconds=0.02)

    with heart.part("site: upload"):
        with heart.rest():
            time.sleep(0.03)
            resting = heart.silent(60)
        time.sleep(0.03)

        assert resting == []
        assert heart.silent(60) == ["site: upload"]


async def test_parts_are_told_apart_by_task() -> None:
    """What one upload does is no sign of another one's life."""
    heart = Heart(silent_seconds=0.1)
    moves = True

    async def move() -> None:
        while moves:
            heart.beat()
            await asyncio.sleep(0.01)

    moving = asyncio.create_task(heart.live("moves", move()))
    stuck = asyncio.create_task(heart.live("stuck", asyncio.sleep(60)))
    await asyncio.sleep(0.2)
    silent = heart.silent(60)
    moves = False
    stuck.cancel()
    await asyncio.wait([moving, stuck])

    assert silent == ["stuck"]


async def test_a_thread_that_hangs_is_named_after_its_part(tmp_path: Path) -> None:
    """A read from a dead file system ends never, and the coroutine that waits for it cannot know."""
    host = Host(Heart(silent_seconds=60))
    with hanging(tmp_path) as pipe:
        look = asyncio.create_task(host.heart.live("site: look", host.offload(pipe.read_bytes)))

        await eventually(lambda: host.heart.silent(0.2) == ["site: look (a thread hangs)"])

    await look
    assert host.heart.silent(0.0) == []


async def test_a_thread_that_works_is_no_thread_that_hangs() -> None:
    """A directory with a million files takes as long as it takes, and its part may be silent meanwhile."""
    host = Host(Heart(silent_seconds=0.05))
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.01):
            pass

    look = asyncio.create_task(host.heart.live("site: look", host.offload(work)))
    seen: list[str] = []
    for _ in range(20):
        await asyncio.sleep(0.05)
        seen += host.heart.silent(0.2)
    done.set()
    await look

    assert seen == []
