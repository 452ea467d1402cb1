"""When the service may be called, on a clock that a test can move."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tcbsync.core.errors import (
    Busy,
    CloudError,
    FileChanged,
    LinkRejected,
    Misconfigured,
    NoAnswer,
    RateLimited,
    Refused,
    StateError,
    StorageFull,
    TokenRejected,
    Transient,
)
from tcbsync.engine.brake import Closed
from tcbsync.engine.host import Host
from tcbsync.engine.pace import LATER_SECONDS, OUTAGE_FAILURES, Pace, excuses, later

A, B = "env-a", "env-b"


class VirtualHost(Host):
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
async def pace() -> Pace:
    """Make a pace that has had a success, so that one failure is no outage yet."""
    pace = Pace(VirtualHost(), uploads=8)
    meet(pace, None)
    return pace


def meet(pace: Pace, error: BaseException | None, env: str = A, *, uploads: bool = True) -> None:
    """Make one call that goes well, or meets an error."""
    with contextlib.suppress(CloudError, FileChanged, asyncio.CancelledError), pace.passage(env, uploads=uploads):
        if error is not None:
            raise error


def move(pace: Pace, seconds: float) -> None:
    """Let time pass."""
    assert isinstance(pace.host, VirtualHost)
    pace.host.time += seconds
    pace._wake()


def env_wrong() -> Misconfigured:
    """Make the error of an environment that does not exist."""
    error = Misconfigured("no such env", code="-501005")
    error.env_only = True
    return error


def rate_limited(seconds: float = 60.0) -> RateLimited:
    """Make the error of a quota that is used up."""
    error = RateLimited("minute quota", code="45011")
    error.pause_seconds = seconds
    return error


CLOSES = {
    "rate": (rate_limited(), "paused", {A, B}, True),
    "storage full": (StorageFull("full"), "full", {A}, False),
    "wrong env": (env_wrong(), "blocked", {A}, True),
    "wrong app": (Misconfigured("ip not allowed", code="40164"), "blocked", {A, B}, True),
    "no token": (TokenRejected("token"), "blocked", {A, B}, True),
    "no connection": (NoAnswer("refused", code="ConnectError"), "offline", {A, B}, True),
}


@pytest.mark.parametrize(("error", "state", "envs", "stops_deletes"), CLOSES.values(), ids=CLOSES)
def test_an_error_closes_what_it_speaks_of(
    pace: Pace, error: CloudError, state: str, envs: set[str], stops_deletes: bool
) -> None:
    """One environment's trouble is not another's, and a full store takes deletes."""
    meet(pace, error)

    closed = {env: pace.closed(env) for env in (A, B)}
    assert {env for env, gate in closed.items() if gate} == envs
    assert {gate.state for gate in closed.values() if gate} == {state}
    assert (pace.closed(A, uploads=False) is not None) == stops_deletes
    assert pace.last_error == str(error)


PASSES = {
    "one failure": NoAnswer("cut off", code="ReadError"),
    "refused": Refused("bad name", code="40097"),
    "old link": LinkRejected("expired", code="AccessDenied"),
    "changed file": FileChanged("a changed"),
    "cancelled": asyncio.CancelledError(),
}


@pytest.mark.parametrize("error", PASSES.values(), ids=PASSES)
def test_a_files_own_trouble_closes_nothing(pace: Pace, error: BaseException) -> None:
    """What one file meets does not stop the others."""
    meet(pace, error)

    assert pace.closed(A) is None


def test_failures_in_a_row_are_an_outage(pace: Pace) -> None:
    """Each may be a file's; all together, without a success in between, are the service's."""
    for _ in range(OUTAGE_FAILURES - 1):
        meet(pace, Transient("busy", code="HTTP 503"))
    meet(pace, None)
    for _ in range(OUTAGE_FAILURES - 1):
        meet(pace, Transient("busy", code="HTTP 503"))

    assert pace.closed(A) is None

    meet(pace, Transient("busy", code="HTTP 503"))

    assert pace.service.state == "offline"


async def test_until_the_service_has_answered_the_first_failure_is_an_outage() -> None:
    """At the start, nothing says that the service is there at all."""
    pace = Pace(VirtualHost())

    meet(pace, Transient("busy", code="HTTP 503"))

    assert pace.service.state == "offline"


def test_nobody_calls_through_a_closed_gate(pace: Pace) -> None:
    """Whoever comes is told so at once, and nothing is asked; he does not wait with a slot in his hand."""
    meet(pace, rate_limited())

    with pytest.raises(Closed), pace.passage(B):
        pytest.fail("called through a closed gate")


def test_a_success_of_before_does_not_open_a_gate(pace: Pace) -> None:
    """An upload that was under way when the quota ran out says nothing of the quota."""
    with pace.passage(A):
        meet(pace, rate_limited())

    assert pace.service.state == "paused"
    assert pace.wait_seconds(A) == 60


def test_a_late_probe_does_not_open_what_was_closed_since(pace: Pace) -> None:
    """A probe of an hour's length is not asked about the quota that ran out meanwhile."""
    meet(pace, NoAnswer("refused", code="ConnectError"))
    move(pace, 5)
    with pace.passage(A):
        move(pace, 3600)
        meet(pace, None)
        meet(pace, rate_limited())

    assert pace.service.state == "paused"


def test_one_probe_goes_and_its_success_opens(pace: Pace) -> None:
    """When the time has come, one caller finds out for all."""
    meet(pace, rate_limited())
    move(pace, 61)

    with pace.passage(A), pytest.raises(Closed), pace.passage(B):
        pytest.fail("a second probe")

    assert pace.closed(B) is None
    assert pace.wait_seconds(B) == 0


@pytest.mark.parametrize("error", [*PASSES.values(), StorageFull("full")], ids=[*PASSES, "another gate"])
def test_a_probe_that_says_nothing_locks_nobody_out(pace: Pace, error: BaseException) -> None:
    """Whatever the probe of one gate meets, no gate waits for ever for its probe to come back."""
    meet(pace, env_wrong())
    move(pace, 3600)

    meet(pace, error)

    move(pace, 3600)
    meet(pace, None)
    assert pace.closed(A) is None


def test_a_probe_that_is_cancelled_makes_room_at_once(pace: Pace) -> None:
    """A stop or a file's change amid a probe costs nobody a pause."""
    meet(pace, rate_limited())
    move(pace, 61)

    meet(pace, asyncio.CancelledError())

    assert pace.wait_seconds(A) == 0
    assert pace.service.state == "paused"


@pytest.mark.parametrize(("wish", "pause"), [(31.0, 31), (120.0, 120), (86_400.0, 3600)])
def test_a_wish_for_a_long_wait_is_a_pause(pace: Pace, wish: float, pause: float) -> None:
    """Retry-After: everybody waits, nobody sleeps with a slot in his hand, and no file pays; an hour at most."""
    error = Transient("come back later", code="HTTP 503")
    error.retry_after = wish

    meet(pace, error)

    assert (pace.service.state, pace.wait_seconds(B, uploads=False)) == ("paused", pause)
    assert excuses(error, pace, A)


def test_an_outage_is_probed_no_earlier_than_the_service_wishes(pace: Pace) -> None:
    """The first probe would come after two seconds, but the service has asked for twenty."""
    error = Transient("busy", code="HTTP 503")
    error.retry_after = 20.0

    for _ in range(OUTAGE_FAILURES):
        meet(pace, error)

    assert (pace.service.state, pace.wait_seconds(A)) == ("offline", 20)


def test_a_clock_that_is_set_back_makes_no_pause_longer(pace: Pace) -> None:
    """A machine that starts in the wrong year, and is set right, does not wait for years; the next pause is right."""
    meet(pace, rate_limited())
    move(pace, -5 * 365 * 86_400)

    waits = [pace.wait_seconds(A)]
    meet(pace, rate_limited())
    waits.append(pace.wait_seconds(A))

    assert waits == [0, 60]


async def test_waiting_ends_when_the_pause_does(pace: Pace) -> None:
    """Nobody polls, and nobody sleeps on after the gate has opened."""
    meet(pace, rate_limited())
    waiting = asyncio.create_task(pace.clear(A))
    await asyncio.sleep(0.01)

    assert not waiting.done()

    move(pace, 61)
    await asyncio.wait_for(waiting, 5)


async def test_waiting_can_be_cancelled(pace: Pace) -> None:
    """A stop does not wait for the service."""
    meet(pace, rate_limited())
    waiting = asyncio.create_task(pace.clear(A))
    await asyncio.sleep(0.01)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_too_many_at_once_means_fewer(pace: Pace) -> None:
    """The service's complaint lowers the concurrency of its kind, and that alone."""
    meet(pace, Busy("too many", code="-501004"))

    assert pace.upload_slots.limit == 4
    assert pace.delete_slots.limit == 4
    assert pace.closed(A) is None


def test_too_many_at_once_is_no_outage(pace: Pace) -> None:
    """However many complain in a row: fewer at once are the answer, nobody pauses, and no file pays for it."""
    busy = Busy("too many", code="-501004")

    with contextlib.suppress(Busy), contextlib.ExitStack() as calls:
        for _ in range(3 * OUTAGE_FAILURES):
            calls.enter_context(pace.passage(A))
        raise busy

    assert pace.closed(A) is None
    assert pace.upload_slots.limit == 4
    assert pace.last_error == str(busy)
    assert excuses(busy, pace, A)


def test_too_many_with_one_at_a_time_is_an_outage(pace: Pace) -> None:
    """There is nothing left to lower: it is left alone, and probed."""
    for _ in range(3 + OUTAGE_FAILURES):
        meet(pace, Busy("too many", code="-501004"))

    assert pace.upload_slots.limit == 1
    assert pace.service.state == "offline"


def test_too_many_with_a_wish_for_a_long_wait_is_a_pause(pace: Pace) -> None:
    """Retry-After is obeyed, whatever the words beside it; and there are fewer afterwards."""
    error = Busy("slow down", code="SlowDown")
    error.retry_after = 120.0

    meet(pace, error)

    assert (pace.service.state, pace.upload_slots.limit) == ("paused", 4)


def test_a_manifest_that_cannot_be_written_stops_everything(pace: Pace) -> None:
    """No byte may leave before its row is durable; it is tried again in seconds."""
    pace.stalled(StateError("disk full"))

    assert pace.service.state == "blocked"
    assert 0 < pace.wait_seconds(B) <= 10


def test_a_manifest_that_can_be_written_again_ends_that(pace: Pace) -> None:
    """Where nothing waits to be sent, nobody would ever probe: what could be written is proof enough."""
    pace.stalled(StateError("disk full"))

    pace.resumed()

    assert pace.closed(A) is None


def test_a_writable_manifest_says_nothing_of_the_service(pace: Pace) -> None:
    """A pause that the service asked for goes on."""
    meet(pace, rate_limited())

    pace.resumed()

    assert pace.service.state == "paused"


def test_no_file_pays_for_the_service() -> None:
    """What is the service's or the host's is no failed attempt of the file's; the rest is."""
    pace = Pace(VirtualHost())
    own, outage = Transient("busy"), Transient("busy")

    assert all(excuses(error, pace, A) for error, *_ in CLOSES.values() if not isinstance(error, Transient))
    assert not excuses(own, pace, A)
    assert not excuses(Refused("name"), pace, A)

    meet(pace, outage)
    assert excuses(outage, pace, A)


def test_a_full_store_does_not_excuse_a_delete(pace: Pace) -> None:
    """Deletes go on then, and what goes wrong with one is its own."""
    meet(pace, StorageFull("full"))

    assert not excuses(Transient("busy"), pace, A, uploads=False)


@pytest.mark.parametrize("attempts", range(8))
def test_waits_grow_from_minutes_to_hours(attempts: int) -> None:
    """The wait follows the table, with a fifth of jitter, and stays at its end."""
    expected = LATER_SECONDS[min(attempts, len(LATER_SECONDS) - 1)]

    assert 0.8 * expected <= later(LATER_SECONDS, attempts) <= 1.2 * expected
    assert sorted(LATER_SECONDS) == list(LATER_SECONDS)
