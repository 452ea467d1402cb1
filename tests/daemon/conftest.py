"""Fixtures: the stand-in cloud and a world of one mirror, as the engine's tests have them."""

from __future__ import annotations

from tests.engine.conftest import emulator, world

__all__ = ["emulator", "world"]
