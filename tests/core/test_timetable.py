"""Which limit holds at a minute of the week: against a week that is written out minute by minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.timetable import DAY_MINUTES, WEEK_MINUTES, Timetable, clashes, clock_time, minutes_of, timetable

STEPS = st.dictionaries(
    st.integers(0, WEEK_MINUTES - 1), st.one_of(st.none(), st.integers(1, 3)), min_size=1, max_size=12
).map(lambda steps: Timetable(tuple(sorted(steps.items(), key=lambda step: step[0]))))


def written_out(table: Timetable) -> list[int | None]:
    """Give the limit of each minute of a week, found by walking through two."""
    steps, week = dict(table.steps), [table.steps[-1][1]]
    for minute in range(2 * WEEK_MINUTES):
        week.append(steps.get(minute % WEEK_MINUTES, week[-1]))
    return week[WEEK_MINUTES + 1 :]


@given(STEPS, st.integers(0, WEEK_MINUTES - 1))
def test_the_last_step_holds_until_another_limit_begins(table: Timetable, minute: int) -> None:
    """At any minute: the limit of the last step, also over the week's end, and the next minute with another one."""
    week = written_out(table)

    others = [ahead for ahead in range(WEEK_MINUTES) if week[(minute + ahead) % WEEK_MINUTES] != week[minute]]

    assert table.limit(minute) == week[minute]
    assert table.until(minute) == ((minute + others[0]) % WEEK_MINUTES if others else None)


TIMES = {
    "08:00": [day * DAY_MINUTES + 480 for day in range(7)],
    "Mon 00:00": [0],
    "Sun 23:59": [WEEK_MINUTES - 1],
    "Mon-Wed 00:01": [1, DAY_MINUTES + 1, 2 * DAY_MINUTES + 1],
    "Sat-Mon 00:00": [5 * DAY_MINUTES, 6 * DAY_MINUTES, 0],
    "Fri-Fri 00:00": [4 * DAY_MINUTES],
}


@pytest.mark.parametrize("time", TIMES)
def test_a_time_names_minutes_of_the_week(time: str) -> None:
    """Every day's, one day's, or that of a span of days, which may go over the week's end."""
    minutes = minutes_of(time)

    assert minutes == TIMES[time]


@pytest.mark.parametrize(
    "time",
    ["", "8:00", "24:00", "08:60", "0800", "08:00:00", "Mo 08:00", "mon 08:00", "Mon08:00", "Mon-08:00", "١٢:00"],
)
def test_what_is_no_time(time: str) -> None:
    """It says what a time looks like."""
    with pytest.raises(ValueError, match="must be a time such as 08:00, Sat 08:00 or Mon-Fri 08:00"):
        minutes_of(time)


@given(STEPS)
def test_the_least_limit(table: Timetable) -> None:
    """No minute has a lower one; where no minute has any, there is none."""
    limits = [limit for limit in written_out(table) if limit is not None]

    assert table.least() == min(limits, default=float("inf"))


def test_one_limit_is_for_ever() -> None:
    """A number alone holds at any time, and no other follows."""
    table = timetable(1000)

    assert {table.limit(minute) for minute in (0, 1, WEEK_MINUTES - 1)} == {1000}
    assert table.until(0) is None


def test_times_that_meet_are_named() -> None:
    """Two limits for one minute: which one would hold, nobody could say."""
    times = {"08:00": 1, "Sat 08:00": 2, "Mon-Fri 08:00": 3, "Sun 08:01": 4}

    found = clashes(times)

    assert found == {"Sat 08:00": "08:00", "Mon-Fri 08:00": "08:00"}


@pytest.mark.parametrize(
    ("minute", "now", "text"),
    [(480, 0, "08:00"), (0, WEEK_MINUTES - 1, "00:00"), (480, 481, "Mon 08:00"), (2 * DAY_MINUTES, 0, "Wed 00:00")],
)
def test_a_minute_is_said_as_a_person_says_it(minute: int, now: int, text: str) -> None:
    """Within a day the time is enough; beyond it, the day comes first."""
    assert clock_time(minute, now) == text
