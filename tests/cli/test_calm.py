"""The log is bounded, whatever happens, and its sums are right."""

from __future__ import annotations

from math import inf

from tcbsync.cli.calm import FIRST_SUM_SECONDS, KINDS, LAST_SUM_SECONDS, LINES, REFILL_SECONDS, Calm, Sum

HOURS = 3600.0


def poured(calm: Calm[int], count: int, seconds: float) -> tuple[list[int], list[Sum[int]]]:
    """Let so many lines of one kind come, evenly in so many seconds. Gives the lines and the sums that were written."""
    lines: list[int] = []
    sums: list[Sum[int]] = []
    for number in range(count):
        now = number * seconds / count
        while calm.due_at() <= now:
            sums += calm.sums(calm.due_at())
        if calm.admit("kind", number, now):
            lines.append(number)
    sums += calm.sums(seconds, is_end=True)
    return lines, sums


def test_a_storm_is_a_few_lines_and_its_sum_is_right() -> None:
    """Of 100,000 failures in eight hours, every one is either a line or in a sum, and there are few of both."""
    lines, sums = poured(Calm(), 100_000, 8 * HOURS)

    assert len(lines) == LINES
    assert len(lines) + sum(each[0] for each in sums) == 100_000
    assert len(sums) <= 15
    assert sums[-1][2] == 99_999


def test_all_at_once_is_no_different() -> None:
    """A hundred thousand in a second: the first ones, and one sum."""
    lines, sums = poured(Calm(), 100_000, 1.0)

    assert lines == list(range(LINES))
    assert [(each[0], each[2]) for each in sums] == [(100_000 - LINES, 99_999)]


def test_sums_come_ever_more_rarely() -> None:
    """After one minute, two, four, and so on up to an hour, for as long as it goes on."""
    _, sums = poured(Calm(), 100_000, 6 * HOURS)

    pauses = [round(each[1] / FIRST_SUM_SECONDS) for each in sums[:-1]]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert max(pauses) * FIRST_SUM_SECONDS == LAST_SUM_SECONDS


def test_what_flaps_all_night_is_not_a_line_each_time() -> None:
    """Every two minutes for eight hours: the first ones, then sums, each with the newest; few lines in all."""
    lines, sums = poured(Calm(), 8 * 30, 8 * HOURS)

    assert len(lines) >= LINES
    assert len(lines) + len(sums) < 8 * 30 * 2 / 3
    assert len(lines) + sum(each[0] for each in sums) == 8 * 30


def test_a_line_now_and_then_is_always_written() -> None:
    """What comes no more often than the room for it grows is never left out."""
    lines, sums = poured(Calm(), 50, 50 * REFILL_SECONDS)

    assert len(lines) == 50
    assert not sums


def test_one_kind_does_not_hide_another() -> None:
    """Trouble of one kind leaves the room of every other."""
    calm: Calm[str] = Calm()
    for _ in range(1000):
        calm.admit("files", "a file", 0.0)

    is_written = calm.admit("root", "the root is missing", 0.0)

    assert is_written
    assert calm.due_at() == FIRST_SUM_SECONDS


def test_after_a_calm_the_first_sum_is_soon_again() -> None:
    """When a storm is over for longer than its last pause, the next one is summed up after a minute."""
    calm: Calm[int] = Calm()
    for start in (0.0, 2 * HOURS):
        for number in range(100):
            calm.admit("kind", number, start)
        due_at = calm.due_at()
        told = calm.sums(due_at)

        assert due_at == start + FIRST_SUM_SECONDS
        assert [each.lines for each in told] == [100 - LINES]


def test_kinds_are_bounded() -> None:
    """Of so many kinds that nobody could keep them apart, the rest are one; what has been quiet is forgotten."""
    calm: Calm[int] = Calm()

    written = sum(calm.admit(number, number, 0.0) for number in range(10 * KINDS))
    told = calm.sums(0.0, is_end=True)
    is_written = calm.admit("new", 0, 2 * LINES * REFILL_SECONDS)

    assert written == KINDS + LINES
    assert written + sum(each.lines for each in told) == 10 * KINDS
    assert is_written
    assert repr(calm) == "<Calm 1 kinds, 0 lines left out>"


def test_where_nothing_was_left_out_nothing_is_due() -> None:
    """There is no sum of nothing."""
    calm: Calm[int] = Calm()
    calm.admit("kind", 1, 0.0)

    told = calm.sums(inf, is_end=True)

    assert told == []
    assert calm.due_at() == inf
