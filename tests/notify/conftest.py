"""Fixtures: a robot that listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.notify.robot import Robot, robot

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def group() -> Iterator[Robot]:
    """Serve a robot, a plain webhook and a place that hears heartbeats."""
    with robot() as listening:
        yield listening
