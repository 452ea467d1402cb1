"""How many may be in flight at once: fewer when the service says that it is too much, then as many as it takes.

Service, error classes: "too many at once" is answered by lower concurrency. The rule: a complaint about a rise takes
the rise back, any other takes a part; what was too much is remembered as the ceiling. Up to it there is one more after
each window of successes (as many as there are slots), beyond it one more on trial, ever more rarely while the trials
fail. A success says something only while every slot is taken, and a complaint only if the call began since the last
change: all that are in flight complain together.

Whoever waits does so in the name of a mirror, by its brake. The mirrors take turns, and each one's own go in the order
in which they came: a mirror with very much to do keeps no other one waiting for longer than a slot takes to be free.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tcbsync.engine.brake import Closed

if TYPE_CHECKING:
    from tcbsync.engine.brake import Brake

FIRST_TRIAL_SECONDS = 1.0
LAST_TRIAL_SECONDS = 60.0
"""A trial beyond the ceiling comes so long after the last complaint; the time doubles with each that fails."""
TRIAL_WINDOWS = 4
"""A trial has gone well after so many windows."""


class Slots:
    """At most `limit` at once, which is between 1 and `most`. For one event loop."""

    def __init__(self, most: int) -> None:
        self.limit = self.most = most
        self.changes = 0
        """How often the limit was lowered: what a call has to remember from its beginning."""
        self._ceiling = most
        self._is_rise = False
        self._taken = 0
        self._waiting: dict[Brake, deque[asyncio.Future[bool]]] = {}
        """Of each mirror those who wait, the mirror that is next first. While there is a free slot nobody waits."""
        self._successes = 0
        self._trial_seconds = FIRST_TRIAL_SECONDS
        self._complained_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Slots {self.limit} of {self.most}>"

    @property
    def free(self) -> int:
        """How many can be had at once. Less than none: so many are to be given back to nobody."""
        return self.limit - self._taken

    async def acquire(self, brake: Brake) -> None:
        """Wait for a slot, and take it. Raises Closed if the brake is on: whoever waits then leaves the queue."""
        brake.check()
        if self.free > 0:
            self._taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(brake, deque()).append(turn)
        try:
            await brake.wait(turn)
        except (Closed, asyncio.CancelledError):
            if not turn.cancelled() and turn.result():  # it came all the same
                self.release()
            raise

    def release(self) -> None:
        """Give a slot back. It goes to the next who waits, unless there are to be fewer."""
        self._taken -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self.free > 0:
            brake = next(iter(self._waiting))
            turns = self._waiting.pop(brake)
            while turns and turns[0].done():  # whoever waited has left: that costs his mirror no turn
                turns.popleft()
            if turns:
                self._taken += 1
                turns.popleft().set_result(True)
            if turns:
                self._waiting[brake] = turns  # behind the other mirrors

    def narrow(self, began: int, now: float) -> bool:
        """Note that it was too much. Gives whether fewer are an answer: with only one there are no fewer.

        `began`: `changes` when the call began; `now` in seconds.
        """
        if began != self.changes or self.free < 0:
            return True  # it was answered already, and that has not come about yet
        if self.limit == 1:
            return False
        self.changes += 1
        self._complained_at, self._successes = now, 0
        if self._is_rise:
            limit = self.limit - 1
            self._trial_seconds = min(2 * self._trial_seconds, LAST_TRIAL_SECONDS)
        else:
            limit = max(1, self.limit // 2)
            self._trial_seconds = FIRST_TRIAL_SECONDS
        self._ceiling = max(1, self.limit - 1)
        self._is_rise = False
        self.limit = limit
        return True

    def succeed(self, now: float) -> None:
        """Note that something went well, at `now`, in seconds."""
        if self.limit == self.most or self.free:
            return
        self._successes += 1
        is_trial = self.limit > self._ceiling
        if self._successes < self.limit * (TRIAL_WINDOWS if is_trial else 1):
            return
        if is_trial:  # there is more than we knew
            self._ceiling, self._trial_seconds = self.most, FIRST_TRIAL_SECONDS
        elif self.limit == self._ceiling and 0 <= now - self._complained_at < self._trial_seconds:
            return  # before it: the clock was set back
        self._successes = 0
        self._is_rise = True
        self.limit += 1
        self._serve()

    def resize(self, most: int) -> None:
        """Let there be at most `most` from now on, whatever was too much before. What is in flight stays so."""
        self.changes += most < self.limit
        self.limit = self.most = self._ceiling = most
        self._is_rise, self._successes, self._trial_seconds = False, 0, FIRST_TRIAL_SECONDS
        self._serve()
