"""Fixtures that the tests of the store share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.store.store import Store
from tests.store.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def table() -> Iterator[Table]:
    """Return two mirrors without rows, in memory; commands go to the first."""
    with contextlib.closing(Table(mirrors=2)) as table:
        yield table


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Return a state directory of its own, open for the length of the test."""
    store = Store(tmp_path / "state", "test")
    yield store
    await store.close()
