"""Which gate an error closes, and which gates a call has to pass."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import Busy, Misconfigured, NoAnswer, RateLimited, Refused, StateError, StorageFull, Transient
from tcbsync.core.events import ServiceChanged
from tcbsync.engine.brake import Brake, Closed
from tcbsync.engine.host import Host
from tcbsync.engine.pace import OUTAGE_FAILURES, Pace, excuses

if TYPE_CHECKING:
    from tcbsync.core.events import Event

ENV, OTHER = "env-a", "env-b"
NOW = 1_700_000_000
"""Some time ago."""


@pytest.fixture
async def pace() -> Pace:
    """Make a pace that has had a success, so that one failure is no outage yet."""
    pace = Pace(Host())
    with pace.passage(ENV):
        pass
    return pace


@pytest.mark.parametrize("code", ["ConnectError", "ConnectTimeout", "ProxyError"])
def test_no_connection_is_an_outage_at_once(pace: Pace, code: str) -> None:
    """It is never one file's."""
    pace.failed(ENV, NoAnswer("no connection", code=code))

    assert pace.service.state == "offline"


@pytest.mark.parametrize("code", ["ReadTimeout", "HTTP 502", ""])
def test_other_silence_is_an_outage_when_there_is_enough_of_it(pace: Pace, code: str) -> None:
    """One failure may be a file's."""
    for _ in range(OUTAGE_FAILURES - 1):
        pace.failed(ENV, Transient("no answer", code=code))
    assert pace.service.state == "ok"

    pace.failed(ENV, Transient("no answer", code=code))

    assert pace.service.state == "offline"


def test_the_services_state_is_told_when_it_is_another() -> None:
    """Once for each state, with what it was before and why; not for each failure, nor for each probe."""
    told: list[Event] = []
    pace = Pace(Host(), tell=told.append)

    for _ in range(5):
        with contextlib.suppress(NoAnswer, Closed), pace.passage(ENV):
            raise NoAnswer("no connection", code="ConnectError")
        pace.service.until = 0.0
    with pace.passage(ENV):
        pass

    assert told == [
        ServiceChanged("offline", "ok", "no connection"),
        ServiceChanged("ok", "offline", ""),
    ]


def test_a_call_that_concerns_no_environment_passes_one_gate(pace: Pace) -> None:
    """That of the service: a token is asked for though an environment is blocked or full."""
    blocked = Misconfigured("wrong environment")
    blocked.env_only = True
    pace.failed(ENV, blocked)
    pace.failed(OTHER, StorageFull("full"))

    assert pace.gates(None, uploads=False) == [pace.service]
    assert pace.wait_seconds(None) == 0
    assert pace.wait_seconds(ENV) > 0

    pace.failed(None, RateLimited("quota"))
    assert pace.wait_seconds(None) > 0


def test_a_full_store_stops_uploads_alone(pace: Pace) -> None:
    """Unless it says otherwise, a call is an upload."""
    pace.failed(ENV, StorageFull("full"))

    assert pace.wait_seconds(ENV) > 0
    assert pace.closed(ENV) is pace.stores[ENV]
    assert pace.wait_seconds(ENV, uploads=False) == 0
    assert pace.closed(ENV, uploads=False) is None
    with pytest.raises(Closed), pace.passage(ENV):
        pytest.fail("called through a closed gate")
    with pace.passage(ENV, uploads=False):
        pass


def test_the_gates_of_an_environment_that_nobody_uses_any_more() -> None:
    """Nobody is left who would probe them: they open, and that is told. Those in use, and the service's, stay shut."""
    told: list[Event] = []
    pace = Pace(Host(), tell=told.append)
    pace.failed(ENV, StorageFull("full"))
    pace.failed(OTHER, StorageFull("full too"))
    with pace.passage(None):
        pass

    pace.open_unused({OTHER})
    still = pace.first_closed()
    pace.open_unused(set())

    assert still is pace.stores[OTHER]
    assert pace.first_closed() is None
    states = [event.state for event in told if isinstance(event, ServiceChanged)]
    assert (states[0], states[-1]) == ("full", "ok")
    assert pace.stores[ENV].closed["full"] == 1

    pace.failed(None, RateLimited("quota"))
    pace.open_unused(set())
    assert pace.service.state == "paused"


async def test_waiting_is_for_the_gates_of_that_call(pace: Pace) -> None:
    """A delete does not wait for room; an upload, which a call is unless it says otherwise, does."""
    pace.failed(ENV, StorageFull("full"))

    await asyncio.wait_for(pace.clear(ENV, uploads=False), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pace.clear(ENV), 0.05)


@pytest.mark.parametrize("uploads", [True, False])
async def test_what_a_call_meets_counts_for_its_own_slots(pace: Pace, *, uploads: bool) -> None:
    """Too many at once means fewer of these; what goes well brings them back; and the error passes through."""
    concerned, other = pace.upload_slots, pace.delete_slots
    if not uploads:
        concerned, other = other, concerned
    before = concerned.limit, other.limit

    with pytest.raises(Busy), pace.passage(ENV, uploads=uploads):
        raise Busy("too many")
    assert (concerned.limit, other.limit) == (before[0] // 2, before[1])

    for _ in range(concerned.limit):
        await concerned.acquire(Brake())
    for _ in range(concerned.limit):
        with pace.passage(ENV, uploads=uploads):
            pass
    assert (concerned.limit, other.limit) == (before[0] // 2 + 1, before[1])


def test_a_gate_that_closes_meanwhile_holds_for_who_waits_inside(pace: Pace) -> None:
    """Whoever has passed and waits for a slot asks again; only a quota that his link has paid is none of his."""
    with pace.passage(ENV) as way:
        way.still_open()
        pace.failed(ENV, RateLimited("the day's quota"))
        with pytest.raises(Closed):
            way.still_open()
        way.still_open(is_paid=True)

    pace.service.open()
    with pace.passage(ENV) as way:
        pace.failed(ENV, NoAnswer("no connection", code="ConnectError"))
        with pytest.raises(Closed):
            way.still_open(is_paid=True)


async def test_who_waits_is_woken_when_a_gate_opens(pace: Pace) -> None:
    """By whatever opens it: he does not sleep his whole wait out."""
    pace.stalled(StateError("disk full"))
    assert (pace.last_error, pace.service.since > NOW) == ("disk full", True)
    waiting = asyncio.create_task(pace.clear(ENV))
    await asyncio.sleep(0)

    pace.resumed()

    await asyncio.wait_for(waiting, 1)


def test_a_pause_is_as_long_as_the_service_asks(pace: Pace) -> None:
    """And it is told from when on."""
    error = RateLimited("quota")
    error.pause_seconds = 600

    pace.failed(ENV, error)

    assert 599 < pace.wait_seconds(OTHER) <= 600
    assert (pace.last_error, pace.service.since > NOW) == ("quota", True)


async def test_who_waits_for_a_probe_is_woken_when_it_has_ended(pace: Pace) -> None:
    """Its success is everybody's."""
    error = RateLimited("quota")
    error.pause_seconds = 0
    pace.failed(ENV, error)

    with pace.passage(ENV):
        waiting = asyncio.create_task(pace.clear(ENV))
        await asyncio.sleep(0)
        assert not waiting.done()

    await asyncio.wait_for(waiting, 1)


def test_an_answer_about_one_file_ends_a_row_of_failures(pace: Pace) -> None:
    """The service is there, since it has refused something."""
    for _ in range(OUTAGE_FAILURES - 1):
        pace.failed(ENV, Transient("no answer"))
    pace.failed(ENV, Refused("not this one"))
    for _ in range(OUTAGE_FAILURES - 1):
        pace.failed(ENV, Transient("no answer"))

    assert pace.service.state == "ok"


def test_an_outage_goes_on_with_each_failure(pace: Pace) -> None:
    """Also with the first after a success that had begun before it."""
    newest = Transient("still no answer")
    with pace.passage(ENV):
        pace.failed(ENV, NoAnswer("no connection", code="ConnectError"))

    pace.failed(ENV, newest)

    assert (pace.service.state, pace.service.error) == ("offline", newest)


def test_what_an_outage_excuses(pace: Pace) -> None:
    """Silence while a gate of that call is closed; never an answer about the one file."""
    silence, answer = Transient("no answer"), Refused("not this one")
    assert not excuses(silence, pace, ENV)

    pace.failed(ENV, StorageFull("full"))

    assert excuses(silence, pace, ENV)
    assert not excuses(silence, pace, ENV, uploads=False)
    assert not excuses(answer, pace, ENV)
