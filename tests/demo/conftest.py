"""Fixtures: a folder, an emulator with a caller that speaks the protocol, and the real demonstration as a process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tcbsync.demo.inspection import Inspection
from tcbsync.emulator.server import Emulator, Settings
from tests.demo.running import Demo
from tests.emulator.caller import ENV, Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    Start = Callable[..., Demo]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make an empty folder."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    """Serve an emulator whose objects lie in `cloud`."""
    async with Emulator(Settings(data=tmp_path / "cloud")) as emulator, aiohttp.ClientSession() as session:
        yield Caller(emulator, session)


@pytest.fixture
def inspection(caller: Caller) -> Iterator[Inspection]:
    """Look at that emulator from outside. It blocks: call it in a thread."""
    with contextlib.closing(Inspection(caller.emulator.url, ENV)) as one:
        yield one


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the demonstration as a process, with a folder for temporary files of its own; kill what it leaves."""
    started: list[Demo] = []

    def start_demo(*arguments: str, output: int | None = None, **environment: str) -> Demo:
        started.append(Demo(tmp_path, *arguments, output=output, **environment))
        return started[-1]

    yield start_demo
    for demo in started:
        demo.sweep()
