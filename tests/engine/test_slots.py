"""How many at once: fewer on complaint, slowly more again, and none is ever lost."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tcbsync.engine.slots import NARROW_SECONDS, WIDEN_SUCCESSES, Slots


async def free(slots: Slots) -> int:
    """Count the slots that can be taken at this moment, and give them back."""
    taken = 0
    while True:
        taking = asyncio.create_task(slots.acquire())
        await asyncio.wait([taking], timeout=0)
        if not taking.done():
            break
        taken += 1
    taking.cancel()
    await asyncio.wait([taking])
    for _ in range(taken):
        slots.release()
    return taken


async def test_as_many_at_once_as_configured() -> None:
    """The one beyond the limit waits until a slot is given back."""
    slots = Slots(2)
    await slots.acquire()
    await slots.acquire()
    third = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)

    assert not third.done()

    slots.release()
    await asyncio.wait_for(third, 5)


async def test_too_many_at_once_halves_the_limit() -> None:
    """Those in flight go on; their slots are not all given to others."""
    slots = Slots(8)
    for _ in range(8):
        await slots.acquire()

    slots.narrow(now=100.0)
    for _ in range(8):
        slots.release()

    assert slots.limit == 4
    assert await free(slots) == 4


async def test_free_slots_are_withdrawn_too() -> None:
    """A complaint while little is in flight holds for the burst that comes after it."""
    slots = Slots(8)
    await slots.acquire()

    slots.narrow(now=100.0)

    assert await free(slots) == 3


async def test_complaints_of_one_second_count_once() -> None:
    """All that are in flight complain together."""
    slots = Slots(16)

    for moment in range(16):
        slots.narrow(100.0 + moment * NARROW_SECONDS / 100)

    assert slots.limit == 8


async def test_a_complaint_after_the_clock_was_set_back_counts() -> None:
    """The wall clock may jump; what the service says now is said now."""
    slots = Slots(16)
    slots.narrow(100.0)

    slots.narrow(50.0)

    assert slots.limit == 4


async def test_a_complaint_of_the_next_second_counts() -> None:
    """Fewer were not few enough."""
    slots = Slots(8)

    slots.narrow(100.0)
    slots.narrow(100.0 + NARROW_SECONDS)

    assert slots.limit == 2


async def test_successes_are_counted_from_the_last_complaint() -> None:
    """Each of them counts once, and none that came before it, even where the limit stays."""
    slots = Slots(8)
    slots.narrow(100.0)
    for _ in range(WIDEN_SUCCESSES - 1):
        slots.succeed()
    slots.narrow(100.1)
    for _ in range(WIDEN_SUCCESSES - 1):
        slots.succeed()
    assert slots.limit == 4

    slots.succeed()
    assert slots.limit == 5

    for _ in range(WIDEN_SUCCESSES - 1):
        slots.succeed()
    assert slots.limit == 5
    slots.succeed()
    assert slots.limit == 6


async def test_at_least_one_slot_stays() -> None:
    """However often the service complains, work goes on."""
    slots = Slots(4)

    for moment in range(10):
        slots.narrow(100.0 + 10 * moment)

    assert slots.limit == 1


async def test_successes_bring_slots_back_one_by_one() -> None:
    """After a while without complaints there is one more, and never more than configured."""
    slots = Slots(2)
    slots.narrow(100.0)

    for _ in range(WIDEN_SUCCESSES * 5):
        slots.succeed()

    assert slots.limit == 2
    assert await free(slots) == 2


@given(st.lists(st.sampled_from(["take", "give", "narrow", "succeed"]), max_size=300))
def test_no_slot_is_ever_lost_or_made(steps: list[str]) -> None:
    """Whatever happens in between, when all are given back exactly `limit` are free."""

    async def live() -> None:
        slots, taken, now = Slots(5), 0, 0.0
        for step in steps:
            now += NARROW_SECONDS
            match step:
                case "take" if taken < slots.limit:
                    await asyncio.wait_for(slots.acquire(), 5)
                    taken += 1
                case "give" if taken:
                    slots.release()
                    taken -= 1
                case "narrow":
                    slots.narrow(now)
                case "succeed":
                    for _ in range(WIDEN_SUCCESSES):
                        slots.succeed()
        for _ in range(taken):
            slots.release()
        assert await free(slots) == slots.limit

    asyncio.run(live())


async def test_more_are_let_in_at_once() -> None:
    """A larger number wakes those who wait, whatever was too much before."""
    slots = Slots(1)
    await slots.acquire()
    waiting = [asyncio.create_task(slots.acquire()) for _ in range(3)]
    await asyncio.sleep(0)

    slots.resize(3)
    await asyncio.sleep(0)

    assert [task.done() for task in waiting] == [True, True, False]
    slots.release()
    await asyncio.wait_for(waiting[2], 1)
    assert repr(slots) == "<Slots 3 of 3>"


async def test_fewer_wait_for_those_in_flight() -> None:
    """A smaller number takes nothing back; nobody comes in until there are so few."""
    slots = Slots(3)
    for _ in range(3):
        await slots.acquire()

    slots.resize(1)
    waiting = asyncio.create_task(slots.acquire())
    slots.release()
    slots.release()
    await asyncio.sleep(0)
    is_in = waiting.done()
    slots.release()

    assert not is_in
    await asyncio.wait_for(waiting, 1)


async def test_more_again_before_fewer_has_come_about() -> None:
    """Changed there and back while all are in flight, the number is what it was."""
    slots = Slots(3)
    for _ in range(3):
        await slots.acquire()

    slots.resize(1)
    slots.resize(4)
    await asyncio.wait_for(slots.acquire(), 1)
    fifth = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)

    assert not fifth.done()
    fifth.cancel()
