"""One folder's control loop: something changed, it is quiet, look at it, write down what it wants, do that.

The three loops share nothing but the manifest: looking writes rows, uploading and deleting take them. Throw away
everything in memory at any moment, look at the whole tree, and the cloud ends the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from math import inf
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import StateError
from tcbsync.core.events import Drifted
from tcbsync.core.ignore import IGNORE_FILE
from tcbsync.core.model import State
from tcbsync.engine.deletes import UNSEEN_SECONDS, Deletes
from tcbsync.engine.flights import AHEAD, Flights
from tcbsync.engine.holds import Holds
from tcbsync.engine.looks import Looks
from tcbsync.engine.pace import STALLED_SECONDS
from tcbsync.store import rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence

    from tcbsync.core.settle import Settle
    from tcbsync.engine.parts import Habits, Parts
    from tcbsync.store.manifest import Job

IDLE_SECONDS = 30.0
"""Every loop looks at the manifest at least so often, whatever anybody told it."""
EVENT_SECONDS = 0.2
"""An event that is on its way when a look ends has come by then. No delete goes earlier than that."""
OUTAGE_SECONDS = 20.0
PAUSE_SECONDS = 120.0
"""A single pass waits so long for a service that is out of reach, and for one that asked for a pause."""
GIVE_UP_SECONDS = 0.05
"""So often it is asked whether that is over."""


class Mirror:
    """Keeps the cloud equal to one root."""

    def __init__(self, name: str, parts: Parts, settle: Settle, habits: Habits) -> None:
        self.name = name
        self.parts = parts
        self.settle = settle
        self._holds = Holds(parts, habits.guard)
        self.looks = Looks(parts, settle, self._holds, self.nudge, ignore=habits.ignore, deletes=habits.deletes)
        self.blind: tuple[str, ...] = ()
        """Paths that no events come from: they are rescanned on a short timer."""
        self.drift = 0
        """How many changes rescans found that no event had told of."""
        self._deletes = Deletes(parts, self._holds, lambda: self.looks.disk)
        self._habits = habits
        self._hinted = asyncio.Event()
        self._wanted = asyncio.Event()
        self._gone = asyncio.Event()
        self._rested = asyncio.Event()
        """Nothing is left to send now, and nothing is being sent."""
        self._flights = Flights(name, parts, self._wanted.set)
        self._is_equal = False

    def __repr__(self) -> str:
        return f"<Mirror {self.name}: {self.settle}, {self.parts.busy}>"

    def hint(self, paths: Iterable[tuple[str, bool]], noticed_at: float | None = None) -> None:
        """Note that something happened at these (path as the disk spells it, whether the writer is done).

        `noticed_at`: when, on the loop's clock, where it is not now.
        """
        now = asyncio.get_running_loop().time()
        for path, is_quiet in paths:
            self.settle.hint("" if path == IGNORE_FILE else path, now, is_quiet=is_quiet, noticed_at=noticed_at)
        self._hinted.set()

    def nudge(self) -> None:
        """Say that rows were written which want something."""
        self._rested.clear()
        self._wanted.set()
        self._gone.set()

    async def is_in_sync(self) -> bool:
        """Whether disk and cloud are known to be equal: nothing waits, nothing failed, nothing is held."""
        is_still = not (self.looks.is_looking or len(self.settle) or self._is_working() or self.looks.root_problem)
        return is_still and self.looks.has_scanned and await self.parts.host.offload(self.parts.manifest.is_equal)

    async def run(self) -> None:
        """Live until cancelled; what is in flight then gets a few seconds to land."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._begin(tasks, "look", self._keep_looking())
                self._begin(tasks, "upload", self._keep(self._upload_all, self._wanted))
                self._begin(tasks, "delete", self._keep(self._delete_all, self._gone))
        finally:
            await self._flights.land()

    async def once(self) -> None:
        """Look at the whole tree and do what is due now. What must wait for another attempt is left waiting."""
        changed = [""]
        while changed:
            await self._upload_once(changed)
            while await self._is_due(State.DELETE) and not (len(self.settle) or self._gives_up(uploads=False)):
                wait = await self._delete(self._habits.grace_seconds)
                if wait is None:
                    break
                await asyncio.sleep(min(wait, 0.5))
            changed = self.settle.due(inf)
        await self._note_equal()

    async def _upload_once(self, changed: Sequence[str]) -> None:
        """Look at what has changed, and at what changes meanwhile, and send it."""
        uploading = asyncio.create_task(self._keep(self._upload_all, self._wanted), name=f"{self.name}: upload")
        try:
            while changed:
                await self.looks.look(changed)
                self.nudge()
                while not (self._rested.is_set() or uploading.done() or self._gives_up()):
                    await _wait(self._rested, GIVE_UP_SECONDS)
                changed = self.settle.due(inf)
        finally:
            uploading.cancel()
            await self._flights.land()
            with contextlib.suppress(asyncio.CancelledError):
                await uploading

    def _gives_up(self, *, uploads: bool = True) -> bool:
        """Whether a single pass should end, because the service cannot be used for a while."""
        gate = self.parts.pace.closed(self.parts.target.env, uploads=uploads)
        if gate is None:
            return False
        now = self.parts.host.now()
        if gate.state == "offline":
            return now - gate.since > OUTAGE_SECONDS
        return gate.state != "paused" or gate.until - gate.since > PAUSE_SECONDS

    async def _is_due(self, state: State) -> bool:
        # Whoever works now is asked about before the rows too: he may land, undone, while they are read.
        is_working = self._is_working()
        return bool(await self._due(state, len(self.parts.busy) + 1)) or is_working or self._is_working()

    def _is_working(self) -> bool:
        return len(self._flights) + len(self.parts.busy) > 0

    async def _due(self, state: State, limit: int) -> list[Job]:
        if self.looks.disk is None or self.looks.root_problem or self.parts.brake.is_on:
            return []
        # What is in flight may land while the manifest is read: the answer may be older than the landing.
        flying = self._flights.paths()
        jobs = await self.parts.host.offload(self.parts.manifest.jobs, state, self.parts.host.now(), limit)
        return [job for job in jobs if job.path not in flying and job.path not in self.parts.busy]

    def _begin(self, tasks: asyncio.TaskGroup, what: str, loop: Coroutine[Any, Any, None]) -> None:
        name = f"{self.name}: {what}"
        tasks.create_task(self.parts.host.heart.live(name, loop), name=name)

    # -- the three loops ----------------------------------------------------------------------------------------------

    async def _keep(self, step: Callable[[], Awaitable[float]], event: asyncio.Event) -> None:
        """Take one step after the other, each when the event is set or the seconds that the last one gave are over."""
        while True:
            event.clear()
            try:
                seconds = await step()
            except StateError as error:
                self.parts.pace.stalled(error)
                seconds = STALLED_SECONDS
            self.parts.host.heart.beat(seconds)
            await _wait(event, seconds)

    async def _keep_looking(self) -> None:
        clock = asyncio.get_running_loop().time
        rescan_at = blind_at = clock()
        while True:
            self._hinted.clear()
            now = clock()
            is_told = len(self.settle) > 0
            scopes = self.settle.due(now)
            if is_rescan := now >= rescan_at:
                scopes = [""]
            elif now >= blind_at:
                scopes += [""] if self.looks.root_problem else self.blind
            if now >= blind_at:
                blind_at = now + self._habits.blind_rescan_seconds
            if is_rescan or "" in scopes:
                rescan_at = now + self._habits.rescan_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
            if scopes:
                await self._look(scopes, counts_drift=is_rescan and self.looks.has_scanned and not is_told)
            next_at = min(rescan_at, blind_at, self.settle.next_at() or rescan_at)
            self.parts.host.heart.beat(next_at - clock())
            await _wait(self._hinted, next_at - clock())

    async def _look(self, scopes: Sequence[str], *, counts_drift: bool) -> None:
        try:
            sight = await self.looks.look(scopes, defers=True)
        except StateError as error:
            self.parts.pace.stalled(error)
            self.hint((scope, False) for scope in scopes)  # at once: while they wait, nobody may think that all is seen
            await asyncio.sleep(STALLED_SECONDS if "" in scopes else 1.0)
            return
        self.parts.pace.resumed()
        self.nudge()
        if counts_drift and sight.changes:
            await self._count_drift(sight.changes)

    async def _count_drift(self, changes: int) -> None:
        """Count what a rescan found, unless an event was on its way: then nobody knows which told of what."""
        await asyncio.sleep(EVENT_SECONDS)
        if not len(self.settle):
            self.drift += changes
            self.parts.tell(Drifted(changes))

    async def _upload_all(self) -> float:
        """Send what is due, as there is room. Gives the seconds until something else is."""
        if jobs := await self._due(State.UPLOAD, len(self.parts.busy) + AHEAD):
            await self._flights.send(jobs)
            return 0.0
        if not self._flights:
            self._gone.set()  # deletes wait for uploads
            if not self._wanted.is_set():
                self._rested.set()
        await self._note_equal()
        return await self._next_attempt()

    async def _delete_all(self) -> float:
        """Do one round of deletes. Gives the seconds until the next."""
        wait = await self._delete(max(self._habits.grace_seconds, EVENT_SECONDS))
        if wait is None:
            await self._note_equal()
        return IDLE_SECONDS if wait is None else wait

    async def _delete(self, grace_seconds: float) -> float | None:
        """Do one round of deletes, if the whole root has been seen. See `Deletes.round`."""
        looks = self.looks
        if looks.disk is None or looks.root_problem or looks.is_scanning or not looks.has_scanned:
            return None
        if self.parts.brake.is_on:
            return None
        if await self._holds.is_in_doubt():
            return None  # what was restored is proved first; each upload that lands asks again
        if looks.is_looking:
            return UNSEEN_SECONDS  # nobody knows yet what that finds
        noticed_at = self.settle.waits_since()
        ago = -inf if noticed_at is None else asyncio.get_running_loop().time() - noticed_at
        unseen_since = self.parts.host.now() - ago - EVENT_SECONDS  # the two clocks do not agree to the instant
        return await self._deletes.round(grace_seconds=grace_seconds, unseen_since=unseen_since)

    async def _next_attempt(self) -> float:
        now = self.parts.host.now()
        due_at = await self.parts.host.offload(self.parts.manifest.next_due_at, now)
        return IDLE_SECONDS if due_at is None else min(IDLE_SECONDS, due_at - now + 0.01)

    async def _note_equal(self) -> None:
        """Write down when disk and cloud have become equal."""
        if self.looks.has_scanned:
            with contextlib.suppress(StateError):
                await self._holds.is_in_doubt()
        was_equal, self._is_equal = self._is_equal, await self.is_in_sync()
        if self._is_equal and not was_equal:
            with contextlib.suppress(StateError):  # a full disk is told of where it stops the work
                await self.parts.manifest.write(rows.equal, self.parts.host.now())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or for so long."""
    with contextlib.suppress(TimeoutError):  # not `wait_for`: until Python 3.12, a cancellation may get lost in it
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
