"""Patience: what is tried again, how often, and after how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cloud.api import Body
from tcbsync.cloud.retry import Retry, RetryingCloud
from tcbsync.core.errors import (
    Busy,
    CloudError,
    FileChanged,
    LinkRejected,
    Misconfigured,
    NoAnswer,
    RateLimited,
    Refused,
    StorageFull,
    TokenRejected,
    Transient,
)
from tests.cloud.contract import ENV, chunks
from tests.cloud.memory import Call, MemoryCloud

if TYPE_CHECKING:
    from tests.cloud.memory import Moment


class Attempts:
    """An attempt that fails with the given errors in turn, and then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class Sleeps(list[float]):
    """Sleeps no time, and remembers how long."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def longest(_low: float, high: float) -> float:
    """Throw dice that always show the most."""
    return high


def patient(sleeps: Sleeps, **settings: Any) -> Retry:
    """Return a Retry without time and chance."""
    return Retry(**{"sleep": sleeps, "uniform": longest, **settings})


def wishing(seconds: float) -> Transient:
    """Return an error with a Retry-After."""
    error = Busy("slow down")
    error.retry_after = seconds
    return error


@pytest.mark.parametrize("kind", [Transient, Busy, NoAnswer])
async def test_what_may_pass_is_tried_again(kind: type[CloudError]) -> None:
    """Transient errors are tried again until an attempt succeeds; the waits double up to the cap."""
    sleeps = Sleeps()
    attempt = Attempts(*(kind("trouble") for _ in range(5)))

    result = await patient(sleeps, attempts=6, base_seconds=1, cap_seconds=5)(attempt)

    assert result == "done"
    assert sleeps == [1, 2, 4, 5, 5]


async def test_the_jitter_is_full() -> None:
    """Each wait is drawn between nothing and the longest one."""
    drawn: list[tuple[float, float]] = []
    sleeps = Sleeps()

    def least(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    await patient(sleeps, uniform=least, base_seconds=2)(Attempts(NoAnswer(""), NoAnswer("")))

    assert drawn == [(0, 2), (0, 4)]
    assert sleeps == [0, 0]


@pytest.mark.parametrize(("wish", "wait"), [(10, 10), (0.1, 0.5), (30, 30)])
async def test_the_services_wish(wish: float, wait: float) -> None:
    """Retry-After is the least wait; a longer back-off stays longer."""
    sleeps = Sleeps()

    await patient(sleeps)(Attempts(wishing(wish)))

    assert sleeps == [wait]


async def test_a_wish_for_a_long_wait_is_not_slept_through() -> None:
    """Who wants half a minute or more gets it from the caller, who has other things to do meanwhile."""
    sleeps = Sleeps()
    attempt = Attempts(wishing(31))

    with pytest.raises(Busy):
        await patient(sleeps)(attempt)

    assert (attempt.count, sleeps) == (1, [])


async def test_attempts_are_bounded() -> None:
    """After the last attempt the last error comes out, the very object."""
    sleeps = Sleeps()
    errors = [NoAnswer(str(number)) for number in range(9)]
    attempt = Attempts(*errors)

    with pytest.raises(NoAnswer) as caught:
        await patient(sleeps, attempts=3)(attempt)

    assert caught.value is errors[2]
    assert attempt.count == 3
    assert len(sleeps) == 2


async def test_a_rejected_link_is_replaced_once_at_once() -> None:
    """The first rejected link is tried again without a wait, the second one comes out."""
    sleeps = Sleeps()
    attempt = Attempts(LinkRejected("old"), NoAnswer("trouble"), LinkRejected("older"))

    with pytest.raises(LinkRejected, match="older"):
        await patient(sleeps)(attempt)

    assert attempt.count == 3
    assert sleeps[0] == 0


async def test_a_refusal_is_believed_when_it_is_repeated() -> None:
    """A refusal may be of what was damaged on the way: it is asked about once more, after a wait, and no more."""
    sleeps = Sleeps()
    passing, lasting = Attempts(Refused("damaged")), Attempts(Refused("no"), NoAnswer("trouble"), Refused("still no"))

    result = await patient(sleeps)(passing)
    with pytest.raises(Refused, match="still no"):
        await patient(Sleeps())(lasting)

    assert (result, passing.count, sleeps) == ("done", 2, [0.5])
    assert lasting.count == 3


@pytest.mark.parametrize(
    "error",
    [
        *(kind("no") for kind in (RateLimited, Misconfigured, StorageFull, TokenRejected, FileChanged)),
        ValueError("a mistake"),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_passes_at_once(error: BaseException) -> None:
    """Whatever time alone does not mend is not tried again, cancellation least of all."""
    sleeps = Sleeps()
    attempt = Attempts(error)

    with pytest.raises(type(error)) as caught:
        await patient(sleeps)(attempt)

    assert caught.value is error
    assert (attempt.count, sleeps) == (1, [])


async def test_cancelling_a_wait() -> None:
    """A task that waits for its next attempt can be cancelled."""
    attempt = Attempts(*(NoAnswer("") for _ in range(5)))
    task = asyncio.create_task(Retry(base_seconds=60, uniform=longest)(attempt))
    await asyncio.sleep(0.01)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert attempt.count == 1


async def test_who_listens_is_told() -> None:
    """on_retry hears of each error that is repeated, and of the wait; not of the last one."""
    told: list[tuple[str, float]] = []
    sleeps = Sleeps()
    retry = patient(sleeps, attempts=2, on_retry=lambda error, seconds: told.append((str(error), seconds)))

    with pytest.raises(NoAnswer):
        await retry(Attempts(NoAnswer("first"), NoAnswer("second")))

    assert told == [("first", 0.5)]


async def test_one_retry_serves_many_tasks() -> None:
    """Tasks that share one Retry do not count each other's attempts."""
    sleeps = Sleeps()
    retry = patient(sleeps, attempts=4)
    attempts = [Attempts(*(NoAnswer("") for _ in range(3))) for _ in range(50)]

    results = await asyncio.gather(*(retry(attempt) for attempt in attempts))

    assert results == ["done"] * 50
    assert {attempt.count for attempt in attempts} == {4}


async def test_a_plain_function_that_returns_an_awaitable() -> None:
    """An attempt may be a lambda around a coroutine function."""
    sleeps = Sleeps()
    attempt = Attempts(NoAnswer(""))

    result = await patient(sleeps)(lambda: attempt())  # noqa: PLW0108 - the lambda is the point

    assert result == "done"


async def test_the_patient_cloud() -> None:
    """Calls that stand alone are repeated; link and send are not, for the engine puts them together."""
    failed: set[str] = set()

    async def once(moment: Moment, call: Call) -> None:
        if moment == "before" and call.operation not in failed:
            failed.add(call.operation)
            raise NoAnswer(f"{call.operation} was cut off")

    cloud = MemoryCloud(hook=once)
    patient_cloud = RetryingCloud(cloud, patient(Sleeps()))

    with pytest.raises(NoAnswer, match="link"):
        await patient_cloud.link(ENV, "a.txt")
    link = await patient_cloud.link(ENV, "a.txt")
    with pytest.raises(NoAnswer, match="send"):
        await patient_cloud.send(link, Body(1, chunks(b"1")))
    await patient_cloud.send(link, Body(1, chunks(b"1")))
    [download] = await patient_cloud.downloads(ENV, [link.file_id])
    head = await patient_cloud.head(download.url)
    [deletion] = await patient_cloud.delete(ENV, [link.file_id])
    await patient_cloud.close()

    assert head is not None
    assert deletion.is_gone
    assert cloud.is_closed
    assert [call.operation for call in cloud.calls[4:]] == ["downloads"] * 2 + ["head"] * 2 + ["delete"] * 2
