"""Decides when the service may be called: slots, pauses after rate answers, outages, and slow probes.

A gate that is closed lets nobody through until its time has come, then one caller as a probe. What the probe meets
opens the gate again, or closes it for longer. So an outage of hours costs one call a minute, and no file pays for it
with its own attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcbsync.core.errors import (
    CloudError,
    Misconfigured,
    RateLimited,
    StateError,
    StorageFull,
    TcbsyncError,
    TokenRejected,
    Transient,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.engine.host import Host

log = logging.getLogger(__name__)

OUTAGE_FAILURES = 8
"""So many failures in a row, with no success in between, are the service's and not a file's.

Until the service has answered once, the first failure is."""
FIRST_PROBE_SECONDS = {"offline": 2.0, "blocked": 30.0, "full": 60.0}
LAST_PROBE_SECONDS = {"offline": 60.0, "blocked": 900.0, "full": 900.0}
LATER_SECONDS = (60, 300, 900, 3600, 4 * 3600)
"""When a row that failed by itself is tried again: minutes, then hours."""


@dataclass(slots=True)
class Gate:
    """Whether one part of the service may be called. `until` is on the wall clock, in unix seconds."""

    state: str = "ok"
    until: float = 0.0
    error: TcbsyncError | None = None
    since: float = 0.0
    is_probed: bool = False
    _last_pause: float = 0.0

    def wait_seconds(self, now: float) -> float | None:
        """How long to wait before calling: 0 for go (as the probe, maybe), None for until the probe is back."""
        if self.state == "ok":
            return 0.0
        if self.is_probed:
            return None
        return max(0.0, self.until - now)

    def close(self, state: str, error: TcbsyncError, now: float, seconds: float | None = None) -> None:
        """Close for `seconds`, or for twice as long as the last time in this state."""
        if seconds is None:
            first, last = FIRST_PROBE_SECONDS[state], LAST_PROBE_SECONDS[state]
            if self.state != state:
                self._last_pause = first
            elif now >= self.until:
                self._last_pause = min(last, 2 * self._last_pause)
            seconds = self._last_pause
        if self.state != state:
            self.since = now
            log.warning("service %s: %s", state, error)
        self.until = max(self.until, now + seconds) if self.state == state else now + seconds
        self.state, self.error, self.is_probed = state, error, False

    def open(self) -> None:
        """Let everybody through again."""
        if self.state != "ok":
            log.info("service ok again, after %s", self.state)
        self.state, self.error, self.is_probed = "ok", None, False


@dataclass(slots=True)
class Pace:
    """All callers' common sense. `uploads` and `deletes` are how many may be in flight at once."""

    host: Host
    uploads: int = 16
    deletes: int = 4
    last_error: str = ""
    retries: int = 0
    service: Gate = field(default_factory=Gate)
    envs: dict[str, Gate] = field(default_factory=dict)
    stores: dict[str, Gate] = field(default_factory=dict)
    upload_slots: asyncio.Semaphore = field(init=False)
    delete_slots: asyncio.Semaphore = field(init=False)
    _failures: int = OUTAGE_FAILURES - 1
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.upload_slots = asyncio.Semaphore(self.uploads)
        self.delete_slots = asyncio.Semaphore(self.deletes)

    def gates(self, env: str, *, uploads: bool) -> list[Gate]:
        """Give the gates that a call has to pass, the widest first."""
        gates = [self.service, self.envs.setdefault(env, Gate())]
        if uploads:
            gates.append(self.stores.setdefault(env, Gate()))
        return gates

    def closed(self, env: str, *, uploads: bool = True) -> Gate | None:
        """Give the first gate that is closed, or None where the way is free."""
        return next((gate for gate in self.gates(env, uploads=uploads) if gate.state != "ok"), None)

    @contextlib.asynccontextmanager
    async def passage(self, env: str, *, uploads: bool = True) -> AsyncIterator[None]:
        """Wait until the service may be called, and note how it went: a CloudError inside closes what it must."""
        probed = await self._pass(self.gates(env, uploads=uploads))
        try:
            yield
        except CloudError as error:
            self.failed(env, error)
            raise
        except BaseException:
            for gate in probed:
                gate.is_probed = False
            raise
        else:
            self.succeeded(env, uploads=uploads)
        finally:
            self._wake()

    async def clear(self, env: str) -> None:
        """Wait until an upload has a chance to be let through."""
        while (gate := self.closed(env)) and (gate.wait_seconds(self.host.now()) != 0):
            await self._changes(gate.wait_seconds(self.host.now()))

    async def _pass(self, gates: list[Gate]) -> list[Gate]:
        while True:
            waits = [gate.wait_seconds(self.host.now()) for gate in gates]
            if not any(wait is None or wait > 0 for wait in waits):
                probed = [gate for gate in gates if gate.state != "ok"]
                for gate in probed:
                    gate.is_probed = True
                return probed
            await self._changes(None if None in waits else max(wait for wait in waits if wait is not None))

    async def _changes(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def succeeded(self, env: str, *, uploads: bool) -> None:
        """Note an answer that proves that the service works."""
        self._failures = 0
        for gate in self.gates(env, uploads=uploads):
            gate.open()

    def failed(self, env: str, error: CloudError) -> None:
        """Note a failure, and close the gate that it speaks of."""
        now = self.host.now()
        self.last_error = str(error)
        match error:
            case RateLimited():
                self.service.close("paused", error, now, error.pause_seconds)
            case StorageFull():
                self.stores.setdefault(env, Gate()).close("full", error, now)
            case Misconfigured(env_only=True):
                self.envs.setdefault(env, Gate()).close("blocked", error, now)
            case Misconfigured() | TokenRejected():
                self.service.close("blocked", error, now)
            case Transient():
                self._failures += 1
                if self._failures >= OUTAGE_FAILURES or self.service.state == "offline":
                    self.service.close("offline", error, now)
            case _:
                self._failures = 0
                self.service.is_probed = False

    def stalled(self, error: StateError) -> None:
        """Note that the manifest cannot be written: no bytes may leave before their row is durable."""
        self.last_error = str(error)
        self.service.close("blocked", error, self.host.now(), 10.0)
        self._wake()


def excuses(error: TcbsyncError, pace: Pace, env: str) -> bool:
    """Whether a failure is the service's or the host's rather than this one file's."""
    if isinstance(error, RateLimited | StorageFull | Misconfigured | TokenRejected | StateError):
        return True
    return isinstance(error, Transient) and pace.closed(env) is not None


def later(delays: tuple[int, ...], attempts: int) -> float:
    """Give the wait before the next attempt, in seconds, with jitter: what failed together is not retried together."""
    return delays[min(attempts, len(delays) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
