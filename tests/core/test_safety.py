"""When deletes are held: the disasters that look like honest deletes, and the boundaries of the limits."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.safety import Guard, hold_reason

NO_LIMITS = Guard(max_deletes=None, max_delete_percent=None)
ONLY_COUNT = Guard(max_deletes=1000, max_delete_percent=None)
ONLY_PERCENT = Guard(max_deletes=None, max_delete_percent=50.0)


@dataclass
class Case:
    """How many deletes at once, how many within the window, and how many files are left; why they are held."""

    description: str
    guard: Guard
    deletes: int
    recent: int
    files: int
    reason: str | None


CASES = [
    Case("nothing to delete", Guard(), 0, 0, 100, None),
    Case("nothing to delete, and nothing there", Guard(), 0, 0, 0, None),
    Case("nothing to delete, after many that went", Guard(), 0, 5000, 1, None),
    Case("a few of many", Guard(), 3, 0, 100, None),
    Case("the root is empty", Guard(), 1, 0, 0, "the root holds no files any more; 1 object would be deleted"),
    Case(
        "the root is empty, and there are no limits",
        NO_LIMITS,
        7,
        0,
        0,
        "the root holds no files any more; 7 objects would be deleted",
    ),
    Case("one file is left, and there are no limits", NO_LIMITS, 1_000_000, 0, 1, None),
    Case("exactly the limit", ONLY_COUNT, 1000, 0, 1, None),
    Case(
        "one more than the limit",
        ONLY_COUNT,
        1001,
        0,
        1_000_000,
        "1001 objects would be deleted; the limit is 1000 (guard.max_deletes)",
    ),
    Case("exactly the limit, within the window", ONLY_COUNT, 1, 999, 1, None),
    Case(
        "one more than the limit, within the window",
        ONLY_COUNT,
        1,
        1000,
        1_000_000,
        "1 object would be deleted after 1000 within ten minutes, together 1001; the limit is 1000 (guard.max_deletes)",
    ),
    Case(
        "a limit of none",
        Guard(max_deletes=0),
        1,
        0,
        9,
        "1 object would be deleted; the limit is 0 (guard.max_deletes)",
    ),
    Case("exactly half", ONLY_PERCENT, 10, 0, 10, None),
    Case(
        "more than half",
        ONLY_PERCENT,
        11,
        0,
        10,
        "11 objects of 21 (52 %) would be deleted; the limit is 50 % (guard.max_delete_percent)",
    ),
    Case(
        "more than half, within the window",
        ONLY_PERCENT,
        1,
        10,
        10,
        "1 object would be deleted after 10 within ten minutes, together 11 of 21 (52 %); "
        "the limit is 50 % (guard.max_delete_percent)",
    ),
    Case(
        "a fraction of a percent",
        Guard(max_delete_percent=0.5),
        6,
        0,
        994,
        "6 objects of 1000 (1 %) would be deleted; the limit is 0.5 % (guard.max_delete_percent)",
    ),
    Case("a whole hundred percent", Guard(max_delete_percent=100.0), 900, 0, 1, None),
    Case(
        "both limits: the number is named first",
        Guard(),
        1001,
        0,
        1,
        "1001 objects would be deleted; the limit is 1000 (guard.max_deletes)",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_when_deletes_are_held(case: Case) -> None:
    """The reason says how many, of how many, and which limit stands against it."""
    reason = hold_reason(case.guard, deletes=case.deletes, recent=case.recent, files=case.files)

    assert reason == case.reason


def test_the_limits_where_nobody_sets_any() -> None:
    """A thousand deletes, or half of the files."""
    assert Guard() == Guard(max_deletes=1000, max_delete_percent=50.0)


COUNT = st.integers(0, 3000)
GUARDS = st.builds(
    Guard,
    max_deletes=st.none() | st.integers(0, 2000),
    max_delete_percent=st.none() | st.floats(0, 100),
)


@given(GUARDS, st.tuples(st.integers(1, 3000), COUNT, COUNT), st.tuples(COUNT, COUNT, COUNT))
def test_a_worse_case_is_never_let_through(
    guard: Guard, case: tuple[int, int, int], worse: tuple[int, int, int]
) -> None:
    """Where deletes are held, more deletes, more of them lately, or fewer files left, are held too."""
    deletes, recent, files = case
    more, before, fewer = worse
    if hold_reason(guard, deletes=deletes, recent=recent, files=files) is None:
        return

    reason = hold_reason(guard, deletes=deletes + more, recent=recent + before, files=max(0, files - fewer))

    assert reason is not None


@given(GUARDS, st.integers(1, 3000), COUNT)
def test_an_empty_root_lets_nothing_go(guard: Guard, deletes: int, recent: int) -> None:
    """Whatever the limits are: a volume that is not mounted is an empty directory."""
    assert hold_reason(guard, deletes=deletes, recent=recent, files=0) is not None


@given(st.integers(1, 200), COUNT, st.integers(1, 3000))
def test_many_small_portions_are_held_like_a_large_one(limit: int, deletes: int, files: int) -> None:
    """What goes one by one within the window stops where it would stop at once."""
    guard = Guard(max_deletes=limit, max_delete_percent=None)
    gone = 0

    while gone < deletes and hold_reason(guard, deletes=1, recent=gone, files=files) is None:
        gone += 1

    assert gone == min(deletes, limit)


@given(st.integers(1, 400), st.integers(0, 100), st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_portions_take_no_more_than_the_limit_of_what_there_was(files: int, percent: int, portions: list[int]) -> None:
    """Within one window never more of the files go than the limit, counted from the first; and never the last one."""
    guard = Guard(max_deletes=None, max_delete_percent=float(percent))
    left, gone = files, 0

    for wanted in portions:
        portion = min(wanted, left)
        if portion and hold_reason(guard, deletes=portion, recent=gone, files=left - portion) is None:
            left, gone = left - portion, gone + portion

    assert 100 * gone <= percent * files
    assert left > 0


@given(GUARDS, st.integers(1, 3000), COUNT, st.integers(1, 3000))
def test_what_may_go_at_once_may_go_in_portions(guard: Guard, deletes: int, recent: int, files: int) -> None:
    """The guard is about what is lost, not about how it comes."""
    if hold_reason(guard, deletes=deletes, recent=recent, files=files) is not None:
        return

    first = deletes // 2

    assert hold_reason(guard, deletes=first, recent=recent, files=files + deletes - first) is None
    assert hold_reason(guard, deletes=deletes - first, recent=recent + first, files=files) is None
