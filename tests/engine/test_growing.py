"""Files that are written all the time: told of, never sent torn, and no burden to others while they cannot go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.digest import CHUNK
from tests.engine.world import PREFIX, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World

LARGE = 4 * CHUNK


@contextlib.contextmanager
def held_open(file: Path) -> Iterator[Callable[[], None]]:
    """Append through a descriptor that is never closed."""
    with file.open("ab", buffering=0) as opened:

        def append() -> None:
            opened.write(b"x")

        yield append


@contextlib.contextmanager
def opened_anew(file: Path) -> Iterator[Callable[[], None]]:
    """Append through a descriptor that is closed after each line."""

    def append() -> None:
        with file.open("ab") as opened:
            opened.write(b"x")

    yield append


@contextlib.asynccontextmanager
async def growing(append: Callable[[], None]) -> AsyncIterator[None]:
    """Let a file grow until the end of the block."""

    async def grow() -> None:
        while True:
            append()
            await asyncio.sleep(0.005)

    task = asyncio.create_task(grow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.parametrize("how", [held_open, opened_anew])
@pytest.mark.parametrize("size", [10, LARGE], ids=["small", "streamed"])
async def test_a_file_that_grows_for_hours(
    world: World, emulator: Emulator, size: int, how: Callable[[Path], AbstractContextManager[Callable[[], None]]]
) -> None:
    """It fails with its own reason, is not sent again and again, holds nobody up, and goes up when it is quiet."""
    file = world.write("grows", b"1" * size)

    async with world.running() as mirror:
        with how(file) as append:
            async with growing(append):
                await eventually(lambda: [each.code for each in world.report().failures()] == ["changing"])
                world.forget_calls()
                world.write("beside")
                await asyncio.sleep(3)

                assert "beside" in world.cloud()
                assert [(each.path, each.code) for each in world.report().failures()] == [("grows", "changing")]
                assert world.calls().get("uploadfile", 0) <= 4
                assert f"{PREFIX}grows" not in [key for _, key in emulator.objects()]
        await eventually(mirror.is_in_sync)

        assert world.is_equal()
        assert world.report().failures() == []
