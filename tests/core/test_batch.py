"""When waiting deletes go, and in what groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.batch import PATIENCE, batches, release_at


@pytest.mark.parametrize(
    ("oldest", "newest", "expected"),
    [
        pytest.param(100, 100, 103, id="one delete waits for a grace"),
        pytest.param(100, 102, 105, id="a second one makes the first wait with it"),
        pytest.param(100, 112, 115, id="together they wait as long as patience lasts"),
        pytest.param(100, 113, 115, id="a stream that never pauses goes when patience ends"),
        pytest.param(100, 500, 115, id="and so does one that was forgotten"),
    ],
)
def test_when_deletes_go(oldest: float, newest: float, expected: float) -> None:
    """A grace after the newest of them, and at most five graces after the oldest."""
    assert release_at(oldest, newest, 3) == expected


def test_without_a_grace_deletes_go_at_once() -> None:
    """A grace of 0 seconds is none."""
    assert release_at(100, 200, 0) == 100


@given(st.floats(0, 1e9), st.floats(0, 1e4), st.floats(0, 100))
def test_no_delete_goes_before_its_grace_nor_after_patience(oldest: float, span: float, grace: float) -> None:
    """The oldest has always had its grace."""
    at = release_at(oldest, oldest + span, grace)

    assert oldest + grace <= at <= oldest + PATIENCE * grace


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, [1]), (49, [49]), (50, [50]), (51, [50, 1]), (100, [50, 50]), (120, [50, 50, 20])],
)
def test_only_the_last_group_is_smaller(count: int, expected: list[int]) -> None:
    """Full groups first: a call takes at most 50."""
    groups = list(batches(range(count), 50))

    assert [len(group) for group in groups] == expected


@given(st.lists(st.integers()), st.integers(1, 7))
def test_groups_hold_everything_in_order(items: list[int], size: int) -> None:
    """Put together again they are what was cut."""
    groups = list(batches(items, size))

    assert [item for group in groups for item in group] == items


@given(st.lists(st.integers(1, 200), max_size=30), st.integers(1, 60))
def test_every_delete_of_a_stream_goes_in_time(pauses: list[int], grace: int) -> None:
    """However they come: whatever waits goes together, none later than its patience, the first after its grace."""
    waiting: list[int] = []
    now = 0
    for pause in [*pauses, 10**6]:
        while waiting and (at := release_at(waiting[0], waiting[-1], grace)) <= now + pause:
            assert waiting[0] + grace <= at <= waiting[0] + PATIENCE * grace
            assert at >= now, "it would have been due before it was noted"
            waiting = []
        now += pause
        waiting.append(now)
    assert waiting == [now]


@given(st.integers(0, 500), st.integers(1, 60))
def test_groups_are_as_few_as_can_be(count: int, size: int) -> None:
    """None is empty, none is too large, and only the last one is smaller."""
    groups = [len(group) for group in batches(range(count), size)]

    assert len(groups) == -(-count // size)
    assert all(length == size for length in groups[:-1])
    assert all(0 < length <= size for length in groups)
