"""Decides when the service may be called: slots, pauses after rate answers, outages, and slow probes.

An outage of hours costs one call a minute, and no file pays for it with its own attempts. Who may not call does not
wait here with a slot in its hand: it is `Closed`, its row waits in the manifest, and other environments go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

from tcbsync.cloud.retry import LONGEST_WISH_SECONDS
from tcbsync.core.errors import (
    Busy,
    CloudError,
    Misconfigured,
    RateLimited,
    StateError,
    StorageFull,
    TcbsyncError,
    TokenRejected,
    Transient,
)
from tcbsync.core.events import ServiceChanged, silent
from tcbsync.engine.bandwidth import Bandwidth
from tcbsync.engine.brake import Closed
from tcbsync.engine.gate import Gate
from tcbsync.engine.slots import Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from tcbsync.core.events import Event
    from tcbsync.core.timetable import Timetable
    from tcbsync.engine.brake import Brake
    from tcbsync.engine.host import Host

OUTAGE_FAILURES = 8
"""So many failures in a row, with no success in between, are the service's and not a file's.

Until the service has answered once, the first failure is."""
UNREACHABLE = ("ConnectError", "ConnectTimeout", "ProxyError")
"""Codes of failures that are never one file's: there was no connection."""
LONGEST_PAUSE_SECONDS = 3600.0
"""A service that wishes for a longer pause (Retry-After) is asked again after this."""
STALLED_SECONDS = 10.0
"""When a manifest that could not be written is tried again."""
LATER_SECONDS = (60, 300, 900, 3600, 4 * 3600)
"""When a row that failed by itself is tried again: minutes, then hours."""


class Passage:
    """One caller on his way through the gates, and the slots that his present call counts for."""

    def __init__(self, slots: Slots, gates: Sequence[Gate], brake: Brake | None, *, is_probe: bool) -> None:
        self._gates = gates
        self._brake = brake
        self._is_probe = is_probe
        self.through(slots)

    def still_open(self, *, is_paid: bool = False) -> None:
        """Raise Closed where a gate has closed meanwhile, or a person has stopped the mirror.

        `is_paid`: but for a quota, which the link has paid.
        """
        if self._brake is not None:
            self._brake.check()
        gate = _closed_of(self._gates)
        if gate and not self._is_probe and not (is_paid and isinstance(gate.error, RateLimited)):
            raise Closed

    def through(self, slots: Slots) -> None:
        """Begin a call that counts for `slots`."""
        self.slots, self._began = slots, slots.changes

    def narrow(self, now: float) -> bool:
        """Note that there were too many such calls at once; see `Slots.narrow`."""
        return self.slots.narrow(self._began, now)


@dataclass(slots=True)
class Pace:
    """All callers' common sense. `uploads` and `deletes` are how many may be in flight at once.

    `timetable` says how many bytes a second all uploads together may send; None: any number, at any time.
    """

    host: Host
    uploads: int = 16
    deletes: int = 4
    timetable: InitVar[Timetable | None] = None
    last_error: str = ""
    service: Gate = field(default_factory=Gate)
    envs: defaultdict[str, Gate] = field(default_factory=lambda: defaultdict(Gate))
    stores: defaultdict[str, Gate] = field(default_factory=lambda: defaultdict(Gate))
    link_slots: Slots = field(init=False)
    """Calls that ask for a link go to another service than the uploads: as many, counted by themselves."""
    upload_slots: Slots = field(init=False)
    delete_slots: Slots = field(init=False)
    bandwidth: Bandwidth = field(init=False)
    senders: int = 0
    """So many mirrors have something to send: they share the room for what is made ready."""
    tell: Callable[[Event], None] = silent
    """Told when the face of a part of the service is another, see `Gate`. Must neither raise nor wait."""
    _told: str = "ok"
    _failures: int = OUTAGE_FAILURES - 1
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self, timetable: Timetable | None) -> None:
        self.link_slots, self.upload_slots = Slots(self.uploads), Slots(self.uploads)
        self.delete_slots = Slots(self.deletes)
        self.bandwidth = Bandwidth(self.host, timetable)

    def gates(self, env: str | None, *, uploads: bool) -> list[Gate]:
        """Give the gates that a call has to pass, the widest first. No env: a call that concerns all of them."""
        if env is None:
            return [self.service]
        gates = [self.service, self.envs[env]]
        if uploads:
            gates.append(self.stores[env])
        return gates

    def closed(self, env: str, *, uploads: bool = True) -> Gate | None:
        """Give the first gate that is closed, or None where the way is free."""
        return _closed_of(self.gates(env, uploads=uploads))

    def all_gates(self) -> list[Gate]:
        """Give every gate there is, the widest first."""
        return [self.service, *self.envs.values(), *self.stores.values()]

    def first_closed(self) -> Gate | None:
        """Give the widest gate that is closed, of all of them: it makes the service's state. None: all are open."""
        return _closed_of(self.all_gates())

    def wait_seconds(self, env: str | None, *, uploads: bool = True) -> float:
        """How long to wait before calling; 0 is for go."""
        now = self.host.now()
        return max(gate.wait_seconds(now) for gate in self.gates(env, uploads=uploads))

    def check(self, env: str | None, brake: Brake | None = None, *, uploads: bool = True) -> None:
        """Raise Closed where the service may not be called now, or a person has stopped the mirror of this brake."""
        if brake is not None:
            brake.check()
        if self.wait_seconds(env, uploads=uploads):
            raise Closed

    async def clear(self, env: str | None, *, uploads: bool = True) -> None:
        """Wait until a call has a chance to be let through."""
        while wait := self.wait_seconds(env, uploads=uploads):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    @contextlib.asynccontextmanager
    async def holding(self, slots: Slots, brake: Brake) -> AsyncIterator[None]:
        """Hold one of `slots` inside. Raises Closed."""
        with self.host.heart.rest():  # who has the slots is watched
            await slots.acquire(brake)
        try:
            yield
        finally:
            slots.release()

    @contextlib.contextmanager
    def passage(self, env: str | None, brake: Brake | None = None, *, uploads: bool = True) -> Iterator[Passage]:
        """Call the service inside, and it is noted how that went: a CloudError closes the gate that it speaks of.

        The call counts for the slots that the passage names. Raises Closed where it may not be called.
        """
        self.check(env, brake, uploads=uploads)
        gates = self.gates(env, uploads=uploads)
        probed = [(gate, gate.error) for gate in gates if gate.state != "ok"]
        for gate, _ in probed:
            gate.probe(self.host.now())
        way = Passage(self.upload_slots if uploads else self.delete_slots, gates, brake, is_probe=bool(probed))
        try:
            yield way
        except CloudError as error:
            if isinstance(error, Busy) and way.narrow(self.host.now()) and not _wishes_for_a_pause(error):
                self.last_error = error.reason  # fewer at once are the answer: it is no outage
            else:
                self.failed(env, error)
            raise
        else:
            self._failures = 0
            way.slots.succeed(self.host.now())
            for gate in _same(probed):
                gate.open()
        finally:
            for gate in _same(probed):
                gate.end_probe()
            self._wake()

    def failed(self, env: str | None, error: CloudError) -> None:
        """Note a failure, and close the gate that it speaks of."""
        now = self.host.now()
        self.last_error = error.reason
        match error:
            case RateLimited():
                self.service.close("paused", error, now, error.pause_seconds)
            case StorageFull() if env is not None:
                self.stores[env].close("full", error, now)
            case Misconfigured(env_only=True) if env is not None:
                self.envs[env].close("blocked", error, now)
            case Misconfigured() | TokenRejected():
                self.service.close("blocked", error, now)
            case Transient() if _wishes_for_a_pause(error):
                self.service.close("paused", error, now, min(error.retry_after or 0.0, LONGEST_PAUSE_SECONDS))
            case Transient():
                self._failures += 1 if error.code not in UNREACHABLE else OUTAGE_FAILURES
                if self._failures >= OUTAGE_FAILURES or self.service.state == "offline":
                    self.service.close("offline", error, now, at_least=error.retry_after or 0.0)
            case _:
                self._failures = 0

    def stalled(self, error: StateError) -> None:
        """Note that the manifest cannot be written: no bytes may leave before their row is durable."""
        self.last_error = error.reason
        self.service.close("blocked", error, self.host.now(), STALLED_SECONDS)
        self._wake()

    def resumed(self) -> None:
        """Note that the manifest can be written again."""
        if isinstance(self.service.error, StateError):
            self.service.open()
            self._wake()

    def open_unused(self, used: set[str]) -> None:
        """Open what is closed of every environment but those in use: nobody is left who would probe it."""
        for gates in (self.envs, self.stores):
            for env in gates.keys() - used:
                gates[env].open()
        self._wake()

    def try_anew(self) -> None:
        """Let everybody call again, now: a person has changed what the service complained of, or so it seems."""
        for gate in self.all_gates():
            gate.open()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        for env, gate in (("", self.service), *self.envs.items(), *self.stores.items()):
            if gate.face != gate.told:
                self._tell(env, gate)

    def _tell(self, env: str, gate: Gate) -> None:
        (part_before, _), gate.told = gate.told, gate.face
        widest = self.first_closed()
        before, self._told = self._told, widest.state if widest else "ok"
        self.tell(ServiceChanged(self._told, before, gate.reason, env, gate.state, part_before))


def _closed_of(gates: Iterable[Gate]) -> Gate | None:
    return next((gate for gate in gates if gate.state != "ok"), None)


def _wishes_for_a_pause(error: Transient) -> bool:
    return (error.retry_after or 0.0) > LONGEST_WISH_SECONDS


def _same(probed: list[tuple[Gate, TcbsyncError | None]]) -> list[Gate]:
    """Give those gates that are closed for the same reason as when they were probed."""
    return [gate for gate, error in probed if gate.state != "ok" and gate.error is error]


def excuses(error: TcbsyncError, pace: Pace, env: str, *, uploads: bool = True) -> bool:
    """Whether a failure is the service's or the host's rather than this one file's. "Too many at once" is ours."""
    if isinstance(error, Busy | RateLimited | StorageFull | Misconfigured | TokenRejected | StateError):
        return True
    return isinstance(error, Transient) and pace.closed(env, uploads=uploads) is not None


def later(delays: tuple[int, ...], attempts: int) -> float:
    """Give the wait before the next attempt, in seconds, with jitter: what failed together is not retried together."""
    return delays[min(attempts, len(delays) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
