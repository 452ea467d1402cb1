"""Fixtures: the nursery that all crashes of a module come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash import nursery as nurseries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.crash.nursery import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Have a nursery."""
    with nurseries.nursery() as running:
        yield running
