"""One part of the service, and whether it may be called now. Pure: the time is an argument (unix seconds).

A gate that is closed lets nobody through until its time has come, then one caller as a probe. What the probe meets
opens the gate again, or closes it for longer. Nobody else's success opens it: what was under way when a quota ran out
says nothing of the quota.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcbsync.core.errors import TcbsyncError

FIRST_PROBE_SECONDS = {"offline": 2.0, "blocked": 30.0, "full": 60.0}
LAST_PROBE_SECONDS = {"offline": 60.0, "blocked": 900.0, "full": 900.0}
PROBE_SECONDS = 30.0
"""A probe that takes longer, such as a large file, does not keep the next one waiting."""


@dataclass(slots=True)
class Gate:
    """Whether one part of the service may be called. `until` is on the wall clock, in unix seconds."""

    state: str = "ok"
    until: float = 0.0
    error: TcbsyncError | None = None
    since: float = 0.0
    closed: Counter[str] = field(default_factory=Counter)
    """How often it was closed, by the state that it went into."""
    told: tuple[str, str] = ("ok", "")
    """The face that was last told."""
    _closed_at: float = 0.0
    _pause: float = 0.0
    _probed_until: float = 0.0

    @property
    def reason(self) -> str:
        """Why it is closed. It concerns all callers: no file is named."""
        return self.error.reason if self.error else ""

    def wait_seconds(self, now: float) -> float:
        """How long to wait before calling. 0 is for go, as the probe where the gate is closed.

        A clock that was set back makes no pause longer: it ends at once.
        """
        if self.state == "ok":
            return 0.0
        until = 0.0 if now < self._closed_at else self.until
        return max(0.0, until - now, self._probed_until - now)

    def probe(self, now: float) -> None:
        """Let one caller through; the next one has to wait for what this one meets."""
        self._probed_until = now + PROBE_SECONDS

    def end_probe(self) -> None:
        """Let the next caller through: this one has met nothing that says anything of this gate."""
        self._probed_until = 0.0

    def close(
        self, state: str, error: TcbsyncError, now: float, seconds: float | None = None, *, at_least: float = 0.0
    ) -> None:
        """Close for `seconds`, or for twice as long as the last time in this state. A longer pause is never cut."""
        pause = max(at_least, self._next_pause(state, now) if seconds is None else seconds)
        if now < self._closed_at:  # the clock was set back: what it said before means nothing now
            self.until, self.since = 0.0, now
        if self.state not in ("ok", state) and self.until > now + pause:
            return
        if self.state != state:
            self.since = now
            self.closed[state] += 1
        self.until = max(self.until, now + pause)
        self.state, self.error, self._pause, self._closed_at = state, error, pause, now
        self.end_probe()

    def open(self) -> None:
        """Let everybody through again."""
        self.state, self.error, self.until = "ok", None, 0.0
        self.end_probe()

    @property
    def face(self) -> tuple[str, str]:
        """What is worth telling: the state, and where a person has to act also what for, by the error's code."""
        if self.error is None or self.state not in ("blocked", "full"):
            return self.state, ""
        return self.state, getattr(self.error, "code", "") or type(self.error).__name__

    def _next_pause(self, state: str, now: float) -> float:
        if self.state != state:
            return FIRST_PROBE_SECONDS[state]
        return min(LAST_PROBE_SECONDS[state], 2 * self._pause) if now >= self.until else self._pause
