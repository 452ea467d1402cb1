"""Fixtures that the tests of the store share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.store.store import Store
from tests.store.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def table() -> Table:
    """Return two mirrors without rows, in memory; commands go to the first."""
    return Table(mirrors=2)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Return a state directory of its own, open for the length of the test."""
    store = Store(tmp_path / "state", "test")
    yield store
    await store.close()
