"""Virtual time: an event loop whose waiting costs nothing, and the wall clock beside it. No thread, no socket.

The rule: time passes only while everybody waits, and then at once up to the next timer. The refusal: a loop that has
nothing to do and nothing to wait for does not hang, and one that never waits does not spin: both are reported.
"""

from __future__ import annotations

import asyncio

EPOCH = 1_700_000_000.0
SPIN_TURNS = 200_000
"""A loop that turned so often without the time going on will never wait."""


class Stuck(Exception):
    """The loop can never go on, or never stops going on without time passing."""


class Clock:
    """Seconds since the beginning, and the wall clock, which jumps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._ahead = EPOCH

    def wall(self) -> float:
        """Give unix seconds."""
        return self._ahead + self.now

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._ahead += seconds


class _Selector:
    """What the loop takes for its selector: nothing ever arrives, so a wait is a step of the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns = 0

    def select(self, timeout: float | None) -> list[object]:
        """Let `timeout` seconds pass."""
        if timeout is None:
            raise Stuck("nothing is ready and nothing is due: a deadlock")
        if timeout > 0:
            self._clock.now += timeout
            self._turns = 0
        else:
            self._turns += 1
            if self._turns > SPIN_TURNS:
                raise Stuck(f"{SPIN_TURNS} turns of the loop without any time passing")
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on `clock`. Several may follow one another on the same clock, one for each life of the program."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._selector = _Selector(clock)

    def time(self) -> float:
        """Give the virtual time."""
        return self._clock.now

    def run_until(self, at: float) -> None:
        """Run until the virtual time `at`, or until somebody stops the loop."""
        timer = self.call_at(max(at, self._clock.now), self.stop)
        self.run_forever()
        timer.cancel()

    def _process_events(self, event_list: list[object]) -> None:
        """Nothing arrives from outside."""

    def _write_to_self(self) -> None:
        """Nobody has to be woken: there is one thread."""
