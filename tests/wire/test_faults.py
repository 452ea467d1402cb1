"""Whatever a wire does to a request or its answer: nothing is called proved that the cloud does not hold, and it heals.

The whole cross product takes minutes: `python -m tests.wire`. Here is a sample of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.wire import cases
from tests.wire.judge import judge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire.cases import Case


async def held(chosen: list[Case], folder: Path) -> list[str]:
    """Play the cases; give those that did not hold."""
    assert chosen
    return [str(verdict) for verdict in await judge(chosen, folder) if verdict.complaints]


@pytest.mark.parametrize("call", cases.CLASSES)
async def test_each_class_once(tmp_path: Path, call: str) -> None:
    """After a fault no row claims too much, nothing is failed for good, no secret is shown; then all is equal."""
    chosen = [case for case in cases.sample() if case.call == call]

    complaints = await held(chosen, tmp_path)

    assert complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("call", cases.CLASSES)
async def test_each_class_of_each_call(tmp_path: Path, call: str) -> None:
    """The same for every class of every call, names of headers and fields included."""
    chosen = [case for case in cases.rotation() if case.call == call]

    complaints = await held(chosen, tmp_path)

    assert complaints == []
