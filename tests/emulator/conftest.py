"""Fixtures: an emulator on a free port, as it is by default or with settings of the test's own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tcbsync.emulator.server import Emulator, Settings
from tests.emulator.caller import Caller, Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Served = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def clock() -> Clock:
    """Stand still until a test moves it."""
    return Clock()


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Served:
    """Serve an emulator with the given settings for as long as the block lasts."""

    @asynccontextmanager
    async def serve(**settings: Any) -> AsyncIterator[Caller]:
        whole = {"data": tmp_path / "data", "clock": clock, **settings}
        async with Emulator(Settings(**whole)) as emulator, aiohttp.ClientSession() as session:
            yield Caller(emulator, session)

    return serve


@pytest.fixture
async def caller(served: Served) -> AsyncIterator[Caller]:
    """Serve an emulator as it is by default."""
    async with served() as one:
        yield one
