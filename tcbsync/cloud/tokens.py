"""The access token: kept while it is good, renewed once for all who wait.

The rules (API docs, access tokens): a token is renewed when less than min(300, expires_in / 2) seconds are left;
a rejected token that is no longer the cached one is simply replaced by the cached one; else there is one renewal,
in single flight, and one repetition of the call. The refusal: it does not know where tokens come from (see
`sources`), and no text or repr of it holds one.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tcbsync.core.errors import RateLimited, TokenRejected, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.cloud.wire import Wire

SECOND_THOUGHT = 10.0
"""Seconds between two attempts to renew a token that is still valid."""


@dataclass(frozen=True, slots=True)
class Token:
    """One access token. `expires_in` seconds from now; 0: to be fetched again for each use; "" : none is needed."""

    value: str = field(repr=False)
    expires_in: float


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
        self._flight: asyncio.Task[Token] | None = None

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
        if self._token is not None and self._token.value == rejected:
            self._token = None
        if self._token is not None and self._clock() < self._expires_at:
            return self._token.value
        # Twice: the first may join a renewal that began before anyone knew of the rejection.
        for _ in range(2):
            token = await self._fetched(rejected)
            if token.value != rejected:
                return token.value
        self._token = None
        raise TokenRejected("the access token is rejected, and the source has no other")

    async def close(self) -> None:
        """Abandon a renewal that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    async def _fetched(self, rejected: str | None) -> Token:
        if self._flight is None:
            self._flight = asyncio.create_task(self._source.fetch(self._wire, rejected))
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def _landed(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        if flight.cancelled() or flight.exception() is not None:
            return
        token = flight.result()
        self._token = token
        self._expires_at = self._clock() + token.expires_in
        self._renew_at = self._expires_at - min(300.0, token.expires_in / 2)
