"""Fixtures: an emulator for each test, a house beside it, and for the quick tests one daemon that lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import Cloud, House, cloud, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Cloud]:
    """Serve the stand-in cloud."""
    with cloud(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, emulator: Cloud) -> House:
    """Write a configuration that goes there."""
    return House(tmp_path, emulator.url, {})


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Cloud]]:
    """Let one daemon run for all tests of a module; each of them leaves a tree behind for the next."""
    place = tmp_path_factory.mktemp("living")
    with cloud(place / "cloud") as running:
        house = House(place, running.url, {})
        (house.root / "stays").write_text("a file that always stays")
        with house.running():
            eventually(lambda: house.is_equal(running))
            yield house, running
