"""The shrinker, on schedules whose failure is known beforehand."""

from __future__ import annotations

from tests.sim.schedule import Schedule, Settings, Step, generate
from tests.sim.shrink import kind_of, shrink


def steps(schedule: Schedule) -> list[Step]:
    """Give all steps in one list."""
    return [step for phase in schedule.phases for step in phase]


def test_what_the_failure_does_not_need_is_cut_out() -> None:
    """Two steps of many phases, in their order, with plain settings: nothing else is left."""
    needed = [Step(1.0, "write", ("needed", b"")), Step(2.0, "crash", ("needed", 1, 0.0))]
    full = generate(11)
    phases = ((*full.phases[0], needed[0]), *full.phases[1:], (needed[1], *full.phases[0]))
    schedule = Schedule(11, full.settings._replace(rescan=77.0, grace=0.0), phases)

    small = shrink(schedule, lambda some: all(step in steps(some) for step in needed))

    assert steps(small) == needed
    assert small.settings == Settings()


def test_it_gives_up_in_time() -> None:
    """However long a schedule is, it is not tried more often than it may be; what is left fails still."""
    schedule = Schedule(1, Settings(), (tuple(Step(float(number), "touch", ("1",)) for number in range(300)),))
    tries: list[int] = []

    def fails(some: Schedule) -> bool:
        tries.append(some.size)
        return some.size >= 150

    small = shrink(schedule, fails, most=40)

    assert len(tries) < 40
    assert small.size >= 150


def test_failures_of_one_kind() -> None:
    """The same words about other files and other times."""
    one = kind_of("a/1: the cloud holds other bytes at the end")

    assert one == kind_of("caf\u00e9: the cloud holds other bytes at the end")
    assert one != kind_of("a/1: the cloud holds nothing at the end")
