"""Patience, in one place: the only module that knows tenacity.

The rules: only what may pass by itself is tried again (`Transient`), with exponential back-off and full jitter,
never earlier than the service wishes; a wish for a long wait is nothing to sit through here; a rejected link is
replaced once, at once; a refusal is believed when it comes a second time, for the first may be of a request that was
damaged on the way, and it is for good; the attempts are bounded, and then the last error goes to the caller, who lets
the row wait in the manifest. Rate limits, wrong configurations and local errors pass at once. The refusal: it opens
nothing and knows no call.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import tenacity

from tcbsync.core.errors import CloudError, LinkRejected, Refused, Transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tcbsync.cloud.api import Body, Cloud, Deletion, Download, Head, Link, Receipt

T = TypeVar("T")

LONGEST_WISH_SECONDS = 30.0


@dataclass(frozen=True)
class Retry:
    """Calls an async function of no arguments, which makes ONE attempt from scratch, until it succeeds.

    Everything that may differ between two attempts belongs into the function: a freshly opened file, a new link.
    """

    attempts: int = 5
    base_seconds: float = 0.5
    cap_seconds: float = 30.0
    longest_wish_seconds: float = LONGEST_WISH_SECONDS
    """A Retry-After up to this is waited for. A longer one ends the attempts: the caller has no time to sleep."""
    on_retry: Callable[[CloudError, float], None] | None = None
    """Told of each attempt that failed and is repeated, with the seconds until then. Must not raise."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform

    async def __call__(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the first result. Raises the last error, unchanged."""
        try:
            return await attempt()  # nearly always the only one: it must not cost what counting many does
        except CloudError as error:
            failures = [error]
        # One object a call: tenacity keeps the state of the attempts in it.
        patience = tenacity.AsyncRetrying(
            sleep=self.sleep,
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=self._seconds,
            retry=_Worth(self.longest_wish_seconds),
            before_sleep=self._tell,
            reraise=True,
        )

        async def once() -> T:  # tenacity awaits only what `async def` made
            if failures:
                raise failures.pop()  # the first attempt's, which counts like any other
            return await attempt()

        return await patience(once)

    def _seconds(self, state: tenacity.RetryCallState) -> float:
        error = _error_of(state)
        if isinstance(error, LinkRejected):
            return 0.0
        longest = min(self.cap_seconds, self.base_seconds * 2.0 ** min(state.attempt_number - 1, 60))
        wish = error.retry_after if isinstance(error, Transient) else None
        return max(self.uniform(0.0, longest), wish or 0.0)

    def _tell(self, state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        if self.on_retry is not None and isinstance(error, CloudError):
            self.on_retry(error, state.upcoming_sleep)


class _Worth:
    """Whether one call's last error is worth another attempt; names what is, never what is not."""

    def __init__(self, longest_wish_seconds: float) -> None:
        self._longest_wish_seconds = longest_wish_seconds
        self._once: set[type[CloudError]] = {LinkRejected, Refused}

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        error = _error_of(state)
        if type(error) in self._once:
            self._once.discard(type(error))
            return True
        return isinstance(error, Transient) and (error.retry_after or 0.0) <= self._longest_wish_seconds


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


class RetryingCloud:
    """A Cloud with patience for the calls that stand alone.

    `link` and `send` pass through: an attempt to upload is a new link, a freshly opened file and a durable row
    before the first byte, which only the engine can put together. It does, inside one `Retry`.
    """

    def __init__(self, cloud: Cloud, retry: Retry) -> None:
        self._cloud = cloud
        self._retry = retry

    async def link(self, env: str, key: str) -> Link:
        """Pass through, once."""
        return await self._cloud.link(env, key)

    async def send(self, link: Link, body: Body) -> Receipt:
        """Pass through, once: a body can be read only once."""
        return await self._cloud.send(link, body)

    async def downloads(self, env: str, file_ids: Sequence[str], max_age: int = 7200) -> list[Download]:
        """Ask patiently."""
        return await self._retry(lambda: self._cloud.downloads(env, file_ids, max_age))

    async def head(self, url: str) -> Head | None:
        """Ask patiently."""
        return await self._retry(lambda: self._cloud.head(url))

    async def delete(self, env: str, file_ids: Sequence[str]) -> list[Deletion]:
        """Ask patiently."""
        return await self._retry(lambda: self._cloud.delete(env, file_ids))

    async def close(self) -> None:
        """Close the cloud underneath."""
        await self._cloud.close()
