"""Looks at what may be dead, in a thread that nobody has to wait for.

A call to a network disk whose server is gone never comes back, and the thread in it cannot be ended. The rule: whoever
glances waits for ANSWER_SECONDS, then the place counts as one that does not answer; nobody asks it again before that
call has come back, so that there is never a second thread for long; and the end of the process waits for none of them.
The refusal: no answer that came too late is used, for it is of another moment.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

ANSWER_SECONDS = 10.0
"""A disk that has to be started, or a server under load, answers within that."""

_silent: dict[str, Future[Any]] = {}
"""By place: the call that was given up. It may come back yet."""


def glance(place: str, work: Callable[[], Result], seconds: float | None = None) -> Result:
    """Carry out `work`, which looks at `place`. Raises TimeoutError (an OSError) where that does not answer."""
    call = _begin(place, work)
    try:
        return call.result(ANSWER_SECONDS if seconds is None else seconds)
    except TimeoutError:
        if not call.done():
            raise _give_up(place, call) from None
        raise


async def glanced(place: str, work: Callable[[], Result], seconds: float | None = None) -> Result:
    """Do the same, and let the event loop go on meanwhile."""
    call = _begin(place, work)
    answer = asyncio.wrap_future(call)
    await asyncio.wait([answer], timeout=ANSWER_SECONDS if seconds is None else seconds)
    if not answer.done():
        answer.cancel()
        raise _give_up(place, call)
    return answer.result()


def _begin(place: str, work: Callable[[], Result]) -> Future[Result]:
    before = _silent.pop(place, None)
    if before is not None and not before.done():
        raise _give_up(place, before)
    call: Future[Result] = Future()
    call.set_running_or_notify_cancel()

    def carry_out() -> None:
        try:
            call.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is theirs who asked
            call.set_exception(error)

    threading.Thread(target=carry_out, name="glance", daemon=True).start()
    return call


def _give_up(place: str, call: Future[Result]) -> TimeoutError:
    _silent[place] = call
    return TimeoutError(errno.ETIMEDOUT, "does not answer", place)
