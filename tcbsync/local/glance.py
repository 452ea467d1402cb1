"""Looks at what may be dead, in a thread that nobody has to wait for.

A call to a network disk whose server is gone never comes back, and the thread in it cannot be ended. The rule: whoever
glances waits for ANSWER_SECONDS, then the place counts as one that does not answer; nobody asks it again before that
call has come back, so that there is never a second thread; and the end of the process waits for none of them. A place
that is slow is not dead: when its call has come back, the next one is given twice the time that it took.
The refusal: no answer that came too late is used, for it is of another moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

ANSWER_SECONDS = 10.0
"""A disk that has to be started, or a server under load, answers within that."""

LONGEST_SECONDS = 600.0
"""And what has been slow is waited for so long at most: it may have died meanwhile."""


class _Call(Future[Any]):
    """A call that runs in its thread. Times in seconds, on the monotonic clock."""

    def __init__(self, place: str, seconds: float) -> None:
        super().__init__()
        self.place = place
        self.began_at = time.monotonic()
        self.until = self.began_at + seconds
        """Then it is given up; it may come back yet."""
        self.took = 0.0

    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def given_up(self) -> TimeoutError:
        return TimeoutError(errno.ETIMEDOUT, "does not answer", self.place)


_last: dict[str, _Call] = {}
"""By place: the newest call, which may be under way, and nobody's any more."""


def glance(place: str, work: Callable[[], Result], seconds: float | None = None) -> Result:
    """Carry out `work`, which looks at `place`. Raises TimeoutError (an OSError) where that does not answer."""
    while before := _under_way(place):
        _wait(before)
    call = _begin(place, work, seconds)
    _wait(call)
    answer: Result = call.result()
    return answer


async def glanced(place: str, work: Callable[[], Result], seconds: float | None = None) -> Result:
    """Do the same, and let the event loop go on meanwhile."""
    while before := _under_way(place):
        await _waited(before)
    call = _begin(place, work, seconds)
    await _waited(call)
    answer: Result = call.result()
    return answer


def _under_way(place: str) -> _Call | None:
    before = _last.get(place)
    return None if before is None or before.done() else before


def _wait(call: _Call) -> None:
    """Wait until the call has come back. Raises TimeoutError where it is given up."""
    with contextlib.suppress(Exception):  # of the work, or that the time is over
        call.result(call.left())
    if not call.done():
        raise call.given_up()


async def _waited(call: _Call) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(call.left()):
            await asyncio.wrap_future(call)
    if not call.done():
        raise call.given_up()


def _begin(place: str, work: Callable[[], Any], seconds: float | None) -> _Call:
    before = _last.get(place)
    patience = ANSWER_SECONDS if seconds is None else seconds
    if before is not None:
        patience = max(patience, min(2 * before.took, LONGEST_SECONDS))
    call = _Call(place, patience)
    call.set_running_or_notify_cancel()

    def carry_out() -> None:
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - it is theirs who asked
            call.took = time.monotonic() - call.began_at
            call.set_exception(error)
        else:
            call.took = time.monotonic() - call.began_at
            call.set_result(answer)

    try:
        threading.Thread(target=carry_out, name="glance", daemon=True).start()
    except RuntimeError as error:  # there are too many of them
        raise OSError(errno.EAGAIN, str(error), place) from error
    _last[place] = call
    return call
