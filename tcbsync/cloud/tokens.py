"""The access token: kept while it is good, renewed once for all who wait.

The rules (API docs, access tokens): a token is renewed when less than min(300, expires_in / 2) seconds are left;
a rejected token that is no longer the cached one is simply replaced by the cached one; else there is one renewal,
in single flight, and one repetition of the call. Tokens that are rejected before their time, one after the other,
are somebody else's doing: that is said, and they are not renewed more often than each 30 seconds. The refusal: it
does not know where tokens come from (see `sources`), and no text or repr of it holds one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tcbsync.core.errors import RateLimited, TokenRejected, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.cloud.wire import Wire

log = logging.getLogger(__name__)

SECOND_THOUGHT = 10.0
"""Seconds between two attempts to renew a token that is still valid."""
CONTESTED = 3
"""So many tokens in a row that were rejected before their time are no chance."""
APART_SECONDS = 30.0
"""API docs, getStableAccessToken: forced renewals are 30 seconds apart. A contested token is renewed no more often."""
ADVICE = (
    "let every service of this appid use stable_token without force_refresh, none the call `token`; or let all take"
    " the token from one server (credentials.token_url)"
)


@dataclass(frozen=True, slots=True)
class Token:
    """One access token. `expires_in` seconds from now; 0: to be fetched again for each use; "" : none is needed."""

    value: str = field(repr=False)
    expires_in: float
    is_forced: bool = False
    """We ourselves ended the one before it, which the service would have given again."""


class TokenSource(Protocol):
    """Where tokens come from."""

    async def fetch(self, wire: Wire, rejected: str | None, /) -> Token:
        """Return a token, and not `rejected` if the source can help it.

        Raises NoAnswer or Transient if asking failed, Misconfigured if a person must change something,
        TokenRejected if there is none but the rejected one.
        """
        ...


class Tokens:
    """The cache of one source's token. `clock` is monotonic, in seconds."""

    def __init__(self, source: TokenSource, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._wire = wire
        self._clock = clock
        self._token: Token | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._fetched_at = float("-inf")
        self._ended_early = 0
        self._lost: str | None = None
        self._flight: asyncio.Task[Token] | None = None

    @property
    def notice(self) -> str:
        """Say that the token is contested, and what to do; empty while it is not."""
        return str(self._contested()) if self._ended_early >= CONTESTED else ""

    async def current(self) -> str:
        """Return the token to use now. Raises CloudError.

        While a token is still valid, a renewal that fails is no reason to stop.
        """
        token = self._token
        if token is not None and self._clock() < self._renew_at:
            return token.value
        try:
            return (await self._fetched(None)).value
        except (Transient, RateLimited):
            if token is None or token is not self._token or self._clock() >= self._expires_at:
                raise
            self._renew_at = self._clock() + SECOND_THOUGHT
            return token.value

    async def instead_of(self, rejected: str) -> str:
        """Return the token to use after `rejected` was rejected. Raises CloudError."""
        self._end(rejected)
        if self._token is not None and self._clock() < self._expires_at:
            return self._token.value
        # Twice: the first may join a renewal that began before anyone knew of the rejection.
        for _ in range(2):
            token = await self._fetched(rejected)
            if token.value != rejected:
                return token.value
        self._token = None
        raise TokenRejected("the access token is rejected, and the source has no other")

    def rejected_again(self, rejected: str, error: TokenRejected) -> TokenRejected:
        """Note that even the token that came instead was rejected. Gives the error that says the most."""
        self._end(rejected)
        return self._contested() if self.notice else error

    def _end(self, rejected: str) -> None:
        """Forget a token that was rejected, and remember it if its time was not over."""
        if self._token is not None and self._token.value == rejected:
            self._token = None
            self._lost = rejected if self._clock() < self._renew_at else None

    def _contested(self) -> TokenRejected:
        words = f"the access token was rejected before its time {self._ended_early} times in a row"
        return TokenRejected(f"another service seems to renew the token of this appid: {words}", hint=ADVICE)

    async def close(self) -> None:
        """Abandon a renewal that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    async def _fetched(self, rejected: str | None) -> Token:
        if self._flight is None:
            if self._token is None and self.notice and self._clock() - self._fetched_at < APART_SECONDS:
                raise self._contested()
            self._flight = asyncio.create_task(self._source.fetch(self._wire, rejected))
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def _landed(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        if flight.cancelled() or flight.exception() is not None:
            return
        token = flight.result()
        if self._token is not None:  # the one before it was good to its end
            self._ended_early = 0
        elif self._lost not in (None, token.value) and not token.is_forced:  # somebody has renewed it, and not we
            self._ended_early += 1
            if self._ended_early == CONTESTED:
                log.warning("%s", self.notice)
        self._lost = None
        self._token = token
        self._fetched_at = self._clock()
        self._expires_at = self._fetched_at + token.expires_in
        self._renew_at = self._expires_at - min(300.0, token.expires_in / 2)
