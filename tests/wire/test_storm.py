"""Many faults at once do no more harm than one: nothing false is ever called proved, and the calm mends all."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.wire.storm import weather

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
async def test_a_storm(tmp_path: Path, seed: int) -> None:
    """Four passes in which one message in seven is struck, then a healthy one: no promise is broken at any moment."""
    complaints, struck = await weather(random.Random(seed), tmp_path / "line")

    assert struck
    assert complaints == [], struck
