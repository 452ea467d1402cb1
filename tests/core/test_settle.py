"""When a changed path is quiet enough to look at. Time is an argument: seconds on a clock that starts at 1000."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.model import covers
from tcbsync.core.settle import Delays, Settle

NOW = 1000.0
DELAYS = Delays(blink_seconds=0.01, calm_seconds=0.25, quiet_seconds=2.0, patience_seconds=60.0)


@pytest.fixture
def settle() -> Settle:
    """Return one in which nothing waits."""
    return Settle(DELAYS)


def test_a_file_that_was_closed_is_looked_at_almost_at_once(settle: Settle) -> None:
    """A blink later: so that a file that is written and then renamed is seen once."""
    settle.hint("a", NOW, is_quiet=True)

    assert settle.due(NOW) == []
    assert settle.next_at() == NOW + 0.01
    assert settle.due(NOW + 0.01) == ["a"]
    assert settle.due(NOW + 99) == []


def test_a_file_that_is_still_written_waits(settle: Settle) -> None:
    """Each new sign of writing makes it wait anew."""
    for second in range(5):
        settle.hint("a", NOW + second, is_quiet=False)

    assert settle.due(NOW + 5.9) == []
    assert settle.due(NOW + 6) == ["a"]


def test_patience_ends(settle: Settle) -> None:
    """What never becomes quiet is looked at a minute after the first sign."""
    for second in range(61):
        settle.hint("a", NOW + second, is_quiet=False)

    assert settle.due(NOW + 59.9) == []
    assert settle.due(NOW + 60) == ["a"]


def test_patience_begins_anew_after_a_look(settle: Settle) -> None:
    """A path that was looked at is new when it changes again."""
    settle.hint("a", NOW, is_quiet=False)
    settle.due(NOW + 2)

    settle.hint("a", NOW + 59, is_quiet=False)

    assert settle.next_at() == NOW + 61


def test_closing_ends_the_wait(settle: Settle) -> None:
    """A file that was being written and is closed now need not be waited for."""
    settle.hint("a", NOW, is_quiet=False)

    settle.hint("a", NOW + 0.5, is_quiet=True)

    assert settle.next_at() == NOW + 0.51


def test_writing_again_takes_the_close_back(settle: Settle) -> None:
    """A file that was closed and opened again within the blink is still being written."""
    settle.hint("a", NOW, is_quiet=True)

    settle.hint("a", NOW + 0.005, is_quiet=False)

    assert settle.next_at() == NOW + 2.005


def test_a_file_that_is_saved_often_is_looked_at_calmly(settle: Settle) -> None:
    """Four times a second, however often it is closed; a file beside it does not wait for that."""
    settle.hint("a", NOW, is_quiet=True)
    settle.due(NOW + 0.01)

    settle.hint("a", NOW + 0.02, is_quiet=True)
    settle.hint("b", NOW + 0.02, is_quiet=True)

    assert settle.due(NOW + 0.1) == ["b"]
    assert settle.due(NOW + 0.25) == []
    assert settle.due(NOW + 0.26) == ["a"]


def test_a_file_that_is_closed_all_the_time_is_looked_at_all_the_same(settle: Settle) -> None:
    """A hundred closes a second do not put the look off until patience ends."""
    looks = 0

    for tick in range(201):
        settle.hint("a", NOW + tick / 100, is_quiet=True)
        looks += len(settle.due(NOW + tick / 100))

    assert looks == 8


def test_calm_is_not_disturbed_by_others(settle: Settle) -> None:
    """A look at another path does not make the first one due sooner."""
    settle.hint("a", NOW, is_quiet=True)
    settle.hint("b", NOW + 0.05, is_quiet=True)
    settle.due(NOW + 0.01)
    settle.due(NOW + 0.06)

    settle.hint("a", NOW + 0.07, is_quiet=True)

    assert settle.next_at() == NOW + 0.26


def test_what_was_looked_at_is_not_remembered_for_ever(settle: Settle) -> None:
    """The memory is that of a quarter of a second."""
    for number in range(1000):
        settle.hint(str(number), NOW + number, is_quiet=True)
        settle.due(NOW + number + 0.5)

    assert len(settle._looked_at) == 1


def test_calm_is_forgotten(settle: Settle) -> None:
    """A path that was looked at a while ago is looked at almost at once again."""
    settle.hint("a", NOW, is_quiet=True)
    settle.due(NOW + 0.01)

    settle.hint("a", NOW + 1, is_quiet=True)

    assert settle.next_at() == NOW + 1.01


def test_a_scope_takes_what_lies_beneath_with_it(settle: Settle) -> None:
    """None of the paths that are due together lies beneath another; a name that only begins alike does not."""
    for path in ["d", "d/e/a", "d/b", "dd", "d.png", "c/a"]:
        settle.hint(path, NOW, is_quiet=True)

    assert settle.due(NOW + 1) == ["c/a", "d", "d.png", "dd"]
    assert len(settle) == 0


def test_the_root_takes_everything_with_it(settle: Settle) -> None:
    """The root is the empty path."""
    for path in ["a", "", "d/b"]:
        settle.hint(path, NOW, is_quiet=True)

    assert settle.due(NOW + 1) == [""]


def test_what_is_not_due_goes_on_waiting_beneath_a_scope(settle: Settle) -> None:
    """A file that is still being written is looked at once more when it is quiet."""
    settle.hint("d", NOW, is_quiet=True)
    settle.hint("d/a", NOW, is_quiet=False)

    assert settle.due(NOW + 1) == ["d"]
    assert settle.due(NOW + 2) == ["d/a"]


def test_too_many_paths_become_the_root() -> None:
    """The memory is bounded; nothing is forgotten, since the root covers it."""
    settle = Settle(DELAYS, max_paths=3)
    for path in ["a", "b", "c", "d"]:
        settle.hint(path, NOW, is_quiet=True)

    assert len(settle) == 1
    assert settle.due(NOW + 1) == [""]


def test_a_path_that_waits_already_is_none_too_many() -> None:
    """Only new paths count."""
    settle = Settle(DELAYS, max_paths=3)
    for path in ["a", "b", "c", "a", "b", "c"]:
        settle.hint(path, NOW, is_quiet=True)

    assert settle.due(NOW + 1) == ["a", "b", "c"]


def test_patience_outlives_a_flood() -> None:
    """A flood of new paths that never ends does not put the look at the root off for ever."""
    settle = Settle(DELAYS, max_paths=10)
    looked_at = []

    for tick in range(700):
        now = NOW + tick / 10
        settle.hint(f"file-{tick}", now, is_quiet=False)
        looked_at += [now for _ in settle.due(now)]

    assert looked_at
    assert looked_at[0] <= NOW + 60.0


def test_a_flood_does_not_disturb_the_calm() -> None:
    """The root that takes the place of too many paths is looked at no more often than any other path."""
    settle = Settle(DELAYS, max_paths=3)
    settle.hint("", NOW, is_quiet=True)
    settle.due(NOW + 0.01)

    for path in ["a", "b", "c", "d"]:
        settle.hint(path, NOW + 0.02, is_quiet=True)

    assert settle.next_at() == NOW + 0.26


def test_a_deferred_path_is_given_time(settle: Settle) -> None:
    """What was found to be young is looked at once it had time to become quiet."""
    settle.defer("a", NOW)

    assert settle.next_at() == NOW + 2


def test_a_path_that_waits_is_not_deferred(settle: Settle) -> None:
    """What is known about it is newer than what was found."""
    settle.hint("a", NOW, is_quiet=True)

    settle.defer("a", NOW)

    assert settle.next_at() == NOW + 0.01


def test_nothing_waits(settle: Settle) -> None:
    """Then there is no next time."""
    assert (settle.next_at(), settle.due(NOW), len(settle)) == (None, [], 0)


def test_all_that_waits_can_be_taken_at_once(settle: Settle) -> None:
    """A single pass does not wait for anybody."""
    settle.hint("a", NOW, is_quiet=False)

    assert settle.due(float("inf")) == ["a"]


def test_it_reads_like_a_sentence(settle: Settle) -> None:
    """For the log."""
    settle.hint("a", NOW, is_quiet=True)

    assert repr(settle) == "<Settle 1 waiting>"


def test_the_delays_where_nobody_sets_any() -> None:
    """Milliseconds for a writer that is done, two seconds for one that may not be, and a minute at the most."""
    settle = Settle()

    assert settle.delays == Delays(blink_seconds=0.015, calm_seconds=0.25, quiet_seconds=2.0, patience_seconds=60.0)


HINTS = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "a/b", "a/b/c", "ab", "d", "d/e", "f", "g"]),
        st.floats(0, 5),
        st.booleans(),
    ),
    max_size=40,
)


@given(HINTS, st.integers(1, 6))
def test_every_hint_is_answered_in_time(hints: list[tuple[str, float, bool]], max_paths: int) -> None:
    """Each path is covered by a scope that comes after the hint, and no later than patience allows."""
    delays = Delays(blink_seconds=0.01, calm_seconds=0.25, quiet_seconds=2.0, patience_seconds=7.0)
    settle = Settle(delays, max_paths=max_paths)
    unanswered: list[tuple[str, float]] = []

    def look_until(end: float) -> None:
        while (now := settle.next_at()) is not None and now <= end:
            scopes = settle.due(now)
            assert not [(above, path) for above in scopes for path in scopes if above != path and covers(above, path)]
            unanswered[:] = [(path, at) for path, at in unanswered if not any(covers(each, path) for each in scopes)]
            assert all(now < at + delays.patience_seconds for _, at in unanswered)

    now = NOW
    for path, pause, is_quiet in hints:
        now += pause
        look_until(now)
        settle.hint(path, now, is_quiet=is_quiet)
        unanswered.append((path, now))
    look_until(float("inf"))

    assert not unanswered


def test_since_when_something_waits() -> None:
    """It is the first hint of whatever waits longest that counts, however often that is put off."""
    settle = Settle()
    settle.hint("a", 1.0, is_quiet=False)
    settle.hint("b", 2.0, is_quiet=True)
    settle.hint("a", 3.0, is_quiet=False)
    waits = [settle.waits_since()]

    settle.due(3.5)
    waits.append(settle.waits_since())
    settle.due(9.0)
    waits.append(settle.waits_since())

    assert waits == [1.0, 1.0, None]
