"""How many may be in flight at once: fewer when the service says that it is too much, then slowly more again.

Service, error classes: "too many at once" is answered by lower concurrency. Half as many at once, at most once in a
second because all that are in flight complain together; one more after some successes.
"""

from __future__ import annotations

import asyncio

NARROW_SECONDS = 1.0
WIDEN_SUCCESSES = 50


class Slots:
    """At most `limit` at once, which is between 1 and what it was at the beginning. For one event loop."""

    def __init__(self, most: int) -> None:
        self.limit = most
        self._most = most
        self._free = asyncio.Semaphore(most)
        self._surplus = 0
        self._successes = 0
        self._narrowed_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Slots {self.limit} of {self._most}>"

    async def acquire(self) -> None:
        """Wait for a slot, and take it."""
        await self._free.acquire()
        while self._surplus:
            self._surplus -= 1
            await self._free.acquire()

    def release(self) -> None:
        """Give a slot back. It goes to the next who waits, unless there are to be fewer."""
        if self._surplus:
            self._surplus -= 1
        else:
            self._free.release()

    def narrow(self, now: float) -> None:
        """Note that it was too much. `now` in seconds."""
        self._successes = 0
        if 0 <= now - self._narrowed_at < NARROW_SECONDS:  # before it: the clock was set back
            return
        self._narrowed_at = now
        limit = max(1, self.limit // 2)
        self._surplus += self.limit - limit
        self.limit = limit

    def succeed(self) -> None:
        """Note that something went well."""
        self._successes += 1
        if self.limit < self._most and self._successes >= WIDEN_SUCCESSES:
            self._successes = 0
            self.limit += 1
            self.release()

    def resize(self, most: int) -> None:
        """Let there be at most `most` from now on, whatever was too much before. What is in flight stays so."""
        self._surplus += max(0, self.limit - most)
        for _ in range(most - self.limit):
            if self._surplus:
                self._surplus -= 1
            else:
                self._free.release()
        self.limit = self._most = most
