"""Fixtures: an emulator on a free port, and a world of one mirror that goes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.server import Emulator, Settings
from tests.engine.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    """Serve the stand-in cloud."""
    async with Emulator(Settings(data=tmp_path / "cloud")) as emulator:
        yield emulator


@pytest.fixture
def world(tmp_path: Path, emulator: Emulator) -> World:
    """Make an empty root, and a place for the state."""
    root = tmp_path / "root"
    root.mkdir()
    return World(root=root, state=tmp_path / "state", emulator=emulator)


@pytest.fixture
def stays(world: World) -> None:
    """Leave a file in the root: a root without any is held, whatever the guard says."""
    world.write("stays", "a file of another size")
