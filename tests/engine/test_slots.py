"""How many at once: fewer on complaint, slowly more again, and none is ever lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.engine.brake import Brake, Closed
from tcbsync.engine.slots import TRIAL_WINDOWS, Slots

OURS = Brake()


async def free(slots: Slots) -> int:
    """Count the slots that can be taken at this moment, and give them back."""
    taken = 0
    while True:
        taking = asyncio.create_task(slots.acquire(OURS))
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
    await slots.acquire(OURS)
    await slots.acquire(OURS)
    third = asyncio.create_task(slots.acquire(OURS))
    await asyncio.sleep(0)

    assert not third.done()

    slots.release()
    await asyncio.wait_for(third, 5)


async def test_mirrors_take_turns() -> None:
    """One with thousands who wait keeps no other one waiting: its only one gets the slot after the next."""
    slots, theirs, order = Slots(1), Brake(), []
    await slots.acquire(OURS)

    async def work(brake: Brake) -> None:
        await slots.acquire(brake)
        order.append(brake)
        slots.release()

    waiting = [asyncio.create_task(work(OURS)) for _ in range(3000)]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(work(theirs)))
    await asyncio.sleep(0)

    slots.release()
    await asyncio.gather(*waiting)

    assert order.index(theirs) == 1
    assert len(order) == 3001
    assert await free(slots) == 1


@pytest.mark.parametrize("at", ["while it waits", "as its turn comes"])
async def test_who_is_stopped_leaves_the_queue(at: str) -> None:
    """At once, whatever others do with their slots; and no slot is lost by it, though it had just come."""
    slots, brake = Slots(1), Brake()
    await slots.acquire(OURS)
    stopped = asyncio.create_task(slots.acquire(brake))
    other = asyncio.create_task(slots.acquire(OURS))
    await asyncio.sleep(0)

    if at == "as its turn comes":
        slots.release()
    brake.is_on = True
    brake.is_on = at == "as its turn comes"
    with pytest.raises(Closed):
        await asyncio.wait_for(stopped, 1)
    if at == "while it waits":
        slots.release()

    await asyncio.wait_for(other, 1)
    assert repr(brake) == f"<Brake {'on' if brake.is_on else 'off'}, 0 wait>"


async def test_those_who_have_left_cost_their_mirror_no_turn() -> None:
    """A person has paused it, and lets it go on, with forty who waited: its next one gets the slot after the next."""
    slots, paused, order = Slots(1), Brake(), []
    await slots.acquire(OURS)

    async def work(brake: Brake) -> None:
        await slots.acquire(brake)
        order.append(brake)
        slots.release()

    before = [asyncio.create_task(slots.acquire(paused)) for _ in range(40)]
    waiting = [asyncio.create_task(work(OURS)) for _ in range(100)]
    await asyncio.sleep(0)
    paused.is_on = True
    await asyncio.wait(before)
    paused.is_on = False
    waiting += [asyncio.create_task(work(paused)) for _ in range(2)]
    await asyncio.sleep(0)

    slots.release()
    await asyncio.gather(*waiting)

    assert [number for number, brake in enumerate(order) if brake is paused] == [0, 2]
    assert await free(slots) == 1


async def test_nobody_who_is_stopped_takes_a_slot() -> None:
    """However many are free."""
    slots, brake = Slots(1), Brake()
    brake.is_on = True

    with pytest.raises(Closed):
        await slots.acquire(brake)

    assert await free(slots) == 1


def complain(slots: Slots, now: float = 100.0) -> bool:
    """Say "too many at once" to a call that began just now."""
    return slots.narrow(slots.changes, now)


async def fill(slots: Slots) -> None:
    """Take every slot."""
    for _ in range(slots.limit):
        await slots.acquire(OURS)


async def rise(slots: Slots, now: float) -> None:
    """Let so many calls go well that there is one slot more, and take it."""
    limit = slots.limit
    for _ in range(limit * TRIAL_WINDOWS):
        slots.succeed(now)
        if slots.limit > limit:
            break
    assert slots.limit == limit + 1
    await slots.acquire(OURS)


async def test_too_many_at_once_halves_the_limit() -> None:
    """Those in flight go on; their slots are not all given to others."""
    slots = Slots(8)
    await fill(slots)

    complain(slots)
    for _ in range(8):
        slots.release()

    assert slots.limit == 4
    assert await free(slots) == 4


async def test_free_slots_are_withdrawn_too() -> None:
    """A complaint while little is in flight holds for the burst that comes after it."""
    slots = Slots(8)
    await slots.acquire(OURS)

    complain(slots)

    assert await free(slots) == 3


async def test_all_that_complain_together_count_once() -> None:
    """Calls that began before the limit was lowered say nothing of the lower one."""
    slots = Slots(16)

    answers = [slots.narrow(0, 100.0) for _ in range(16)]

    assert slots.limit == 8
    assert all(answers)


async def test_a_complaint_while_more_are_in_flight_than_may_be_says_nothing() -> None:
    """What was begun anew, before those beyond the limit have landed, meets the old crowd."""
    slots = Slots(16)
    await fill(slots)
    complain(slots)

    complain(slots)
    assert slots.limit == 8

    for _ in range(8):
        slots.release()
    complain(slots)
    assert slots.limit == 4


async def test_at_least_one_slot_stays() -> None:
    """However often the service complains, work goes on; and with only one, fewer are no answer."""
    slots = Slots(4)

    answers = [complain(slots) for _ in range(4)]

    assert slots.limit == 1
    assert answers == [True, True, False, False]


async def test_each_window_of_successes_brings_one_more_up_to_the_ceiling() -> None:
    """As many successes as there are slots bring one more, until the next one would be what was too many."""
    slots = Slots(8)
    complain(slots, 100.0)
    await fill(slots)

    limits = []
    for _ in range(4 + 5 + 6 + 50):
        slots.succeed(100.0)
        limits.append(slots.limit)
        if len(limits) > 1 and limits[-1] > limits[-2]:
            await slots.acquire(OURS)

    assert limits == [4] * 3 + [5] * 5 + [6] * 6 + [7] * 51


async def test_a_success_counts_only_while_every_slot_is_taken() -> None:
    """A trickle of files says nothing of how many the service takes at once."""
    slots = Slots(8)
    complain(slots)
    await slots.acquire(OURS)

    for _ in range(100):
        slots.succeed(1000.0)

    assert slots.limit == 4


async def test_a_complaint_about_one_more_takes_the_one_back() -> None:
    """The rise was the mistake: work goes on with what went well, and not with half of it."""
    slots = Slots(16)
    complain(slots)
    await fill(slots)
    await rise(slots, 100.0)
    await rise(slots, 100.0)

    complain(slots, 100.0)

    assert slots.limit == 9


async def test_what_was_too_many_is_tried_ever_more_rarely() -> None:
    """Each trial that fails doubles the time until the next one, up to a minute."""
    slots, now, waits = Slots(16), 100.0, []
    complain(slots, now)
    complain(slots, now)
    await fill(slots)
    while slots.limit < 7:
        await rise(slots, now)

    for _ in range(9):
        complained_at = now
        while slots.limit == 7:
            now += 0.25
            for _ in range(7):
                slots.succeed(now)
        waits.append(now - complained_at)
        await slots.acquire(OURS)
        complain(slots, now)
        slots.release()

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_trial_that_goes_well_opens_the_way() -> None:
    """The service takes more than it did: it is found out at once how many, up to what is configured."""
    slots = Slots(16)
    complain(slots, 100.0)
    complain(slots, 100.0)
    await fill(slots)

    while slots.limit < 16:
        await rise(slots, 200.0)

    assert slots.limit == 16


async def test_a_clock_that_is_set_back_delays_no_trial() -> None:
    """The wall clock may jump; nobody waits for years."""
    slots = Slots(4)
    complain(slots, 1e9)
    await fill(slots)
    await rise(slots, 1e9)

    await rise(slots, 100.0)

    assert slots.limit == 4


@given(st.lists(st.sampled_from(["take", "give", "narrow", "succeed"]), max_size=300))
def test_no_slot_is_ever_lost_or_made(steps: list[str]) -> None:
    """Whatever happens in between, when all are given back exactly `limit` are free."""

    async def live() -> None:
        slots, taken, now = Slots(5), 0, 0.0
        for step in steps:
            now += 1.0
            match step:
                case "take" if taken < slots.limit:
                    await asyncio.wait_for(slots.acquire(OURS), 5)
                    taken += 1
                case "give" if taken:
                    slots.release()
                    taken -= 1
                case "narrow":
                    slots.narrow(slots.changes, now)
                case "succeed":
                    for _ in range(slots.limit):
                        slots.succeed(now)
        for _ in range(taken):
            slots.release()
        assert await free(slots) == slots.limit

    asyncio.run(live())


async def test_more_are_let_in_at_once() -> None:
    """A larger number wakes those who wait, whatever was too much before."""
    slots = Slots(1)
    await slots.acquire(OURS)
    waiting = [asyncio.create_task(slots.acquire(OURS)) for _ in range(3)]
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
        await slots.acquire(OURS)

    slots.resize(1)
    waiting = asyncio.create_task(slots.acquire(OURS))
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
        await slots.acquire(OURS)

    slots.resize(1)
    slots.resize(4)
    await asyncio.wait_for(slots.acquire(OURS), 1)
    fifth = asyncio.create_task(slots.acquire(OURS))
    await asyncio.sleep(0)

    assert not fifth.done()
    fifth.cancel()


async def test_a_new_number_forgets_what_was_too_much() -> None:
    """What the service complained of was said of the old one: the next complaint halves it, and it may rise at once."""
    slots = Slots(8)
    complain(slots)
    await fill(slots)
    await rise(slots, 100.0)
    slots.resize(16)
    for _ in range(11):
        await slots.acquire(OURS)

    complain(slots, 100.0)
    is_halved = slots.limit == 8
    slots.resize(12)
    slots.resize(16)

    assert is_halved
    assert slots.limit == slots._ceiling == slots.most == 16


async def test_a_complaint_about_more_than_there_are_now_is_answered() -> None:
    """A call that began while there were more says nothing of the fewer that a person has asked for since."""
    slots = Slots(8)
    began = slots.changes
    slots.resize(4)

    is_answered = slots.narrow(began, 0.0)

    assert is_answered
    assert slots.limit == 4
