"""Decides when waiting deletes go, and in what groups. Pure: the time is an argument (seconds).

Deletes wait for a grace: long enough that a file which is replaced by delete and create is never missed by players,
and that a directory which is removed file by file goes in full batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Item = TypeVar("Item")

PATIENCE = 5
"""A stream of deletes that never pauses goes after this many graces."""


def release_at(oldest: float, newest: float, grace_seconds: float) -> float:
    """When deletes that were noted between `oldest` and `newest` may go."""
    return min(newest + grace_seconds, oldest + PATIENCE * grace_seconds)


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Cut `items` into groups of `size`; only the last may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
