"""Runs a schedule: trouble, then calm, then the question whether all is as it should be.

One driver, outside of the loop: it lets the program live until the next thing happens, does that, and goes on. When
the program dies, it is made anew on the same database, disk and cloud.
"""

from __future__ import annotations

import heapq
import random
from math import inf
from typing import TYPE_CHECKING

from tcbsync.core.safety import Guard
from tcbsync.core.settle import Delays
from tcbsync.engine.parts import Habits
from tcbsync.store.reader import Reader
from tests.sim.clock import Clock, Stuck
from tests.sim.cloud import SimCloud
from tests.sim.disk import Disk
from tests.sim.install import Defects, empty_manifest
from tests.sim.life import Life
from tests.sim.oracle import HELD, Oracle, twins
from tests.sim.outcome import Ended, Outcome, leftovers
from tests.sim.system import SYSTEM
from tests.sim.troubles import Troubles
from tests.sim.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.promises import Promise
    from tests.sim.schedule import Schedule, Step

DISK_VERBS = frozenset(
    {
        *("write", "begin", "append", "close", "rewrite", "scribble", "truncate", "touch", "save", "link", "make"),
        *("plant", "rename", "exchange", "delete", "empty"),
    }
)
SILENT_VERBS = frozenset(("scribble", "truncate", "touch"))
CALM_SECONDS = 20_000.0
"""After trouble, the mirror has so long to come to rest. The longest waits are hours: a quota's, a clock's jump."""
IDLE_SECONDS = 45.0
CALLS_FOR_EACH = 40
"""Attempts are bounded: no more calls than this, for each step and file of a schedule."""


class Simulation:
    """One schedule, run once."""

    def __init__(self, schedule: Schedule, *, late: bool = False) -> None:
        settings = schedule.settings
        random.seed(schedule.seed)
        dice = random.Random(schedule.seed + 1)
        self.schedule = schedule
        self.outcome = Outcome()
        self.clock = Clock()
        self.disk = Disk(self.clock.wall, settings.tick_ns, renames_stamp=settings.renames_stamp)
        self.connection = empty_manifest()
        self.reader = Reader(self.connection)
        self.cloud = SimCloud(self.clock, random.Random(schedule.seed + 2), self._called)
        self.oracle = Oracle(self.disk, self.cloud, self.clock, self.connection, self.fail)
        self.watch = Watch(dice, self.at, self._tell)
        self.life: Life | None = None
        self._dice = dice
        self._late = late
        self._troubles = Troubles(self)
        self.deletes = settings.deletes
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._amid: list[tuple[int, Step]] = []
        self._is_silent = self._has_links = False
        SYSTEM.reset(self.disk)
        SYSTEM.interrupt = self._interrupt
        SYSTEM.shortest_read = settings.shortest_read
        SYSTEM.on_absent = lambda path: self.oracle.saw_nothing(path.removeprefix("/srv/assets/"))
        self.disk.on_event = self.watch.event
        self.disk.on_change = self._changed
        self.promises: list[Promise] = []
        self.watch.blind = settings.blind

    def run(self) -> Outcome:
        """Run it; the outcome says what was wrong, if anything was."""
        try:
            with Defects(self.fail, lambda: self.life is not None and not self.life.is_dead):
                self._begin_life()
                for phase in self.schedule.phases:
                    self._play(phase)
                    self._calm_down()
                    self._judge()
                self._idle()
        except Ended:
            pass
        except Stuck as stuck:
            self.outcome.failure = self.outcome.failure or str(stuck)
        finally:
            self.end_life()
            self.connection.close()
        counts = self.outcome.counts
        counts.update(self.cloud.counts)
        counts["virtual seconds"] += int(self.clock.now)
        counts["deletes that met a file coming back"] += self.oracle.races
        return self.outcome

    def fail(self, what: str) -> None:
        """Note the first thing that should not be, and end."""
        self.note(f"FAILED: {what}")
        self.outcome.failure = self.outcome.failure or what
        if self.life is not None:
            self.life.kill()

    def note(self, what: str) -> None:
        """Write a line of the trace."""
        self.outcome.trace.append(f"{self.clock.now:12.6f}  {what}")

    # -- the driver ---------------------------------------------------------------------------------------------------

    def _play(self, phase: tuple[Step, ...]) -> None:
        for step in phase:
            self.at(step.at, lambda step=step: self._take(step))  # type: ignore[misc]
        while self._agenda:
            self._next()

    def at(self, seconds: float, work: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (self.clock.now + seconds, self._number, work))
        if self.life is not None:  # what comes about while time passes may come before what time was to pass until
            self.life.pause_at(self.clock.now + seconds)

    def _next(self) -> None:
        self._pass(inf)
        _, _, work = heapq.heappop(self._agenda)
        work()
        self.check()

    def _pass(self, until: float) -> None:
        """Let time pass until then, or until the first thing of the agenda is due, whoever dies meanwhile."""
        while self.clock.now < (at := min(until, self._agenda[0][0] if self._agenda else inf)) or self.life is None:
            if self.life is None:
                self.clock.now = max(self.clock.now, at)
                return
            if not self.life.advance(at):
                self.check()
                self.die(self._dice.choice((0.0, 0.5, 20.0)))

    def check(self) -> None:
        if self.outcome.failure:
            raise Ended

    # -- lives --------------------------------------------------------------------------------------------------------

    def _begin_life(self) -> None:
        settings = self.schedule.settings
        habits = Habits(
            deletes=self.deletes,
            guard=Guard(settings.max_deletes, settings.max_percent),
            grace_seconds=settings.grace,
            rescan_seconds=settings.rescan,
            blind_rescan_seconds=settings.blind_rescan,
            delays=Delays(),
        )
        self.watch.restart(is_there=self.disk.top is not None)
        self.life = Life(self.clock, self._dice, (self.connection, self.reader), self.cloud, habits, self.fail)
        self.life.mirror.blind = settings.blind
        self.note("starts")

    def end_life(self) -> None:
        self.promises.clear()
        if self.life is not None:
            self.life.bury()
            self.life = None
            SYSTEM.crash()
            self.cloud.active.clear()

    def die(self, down_seconds: float) -> None:
        self.note("is killed")
        self.outcome.counts["crashes"] += 1
        left_at = self.clock.now
        for seconds, flight in self.cloud.crash():
            self.at(seconds, lambda flight=flight: self.cloud.land(flight, left_at, late=self._late))  # type: ignore[misc]
        self.end_life()
        self.oracle.judge_rows()
        self.at(down_seconds, self.start)

    def start(self) -> None:
        if self.life is None:
            self._begin_life()

    # -- steps --------------------------------------------------------------------------------------------------------

    def _take(self, step: Step) -> None:
        if step.amid and self.life is not None:
            self._amid.append((step.amid, step))
        elif step.verb in DISK_VERBS:
            self._change(step)
        else:
            self.note(f"{step.verb} {step.values}")
            self.outcome.counts[f"{step.verb}"] += 1
            getattr(self._troubles, step.verb)(*step.values)
        self.oracle.judge_rows()

    def _change(self, step: Step) -> None:
        self.note(f"{step.verb} {step.values!r:.100}")
        self.outcome.counts[f"disk {step.verb}"] += 1
        self._has_links |= step.verb == "link"
        self._is_silent |= (
            step.verb in SILENT_VERBS or self._has_links
        )  # a write by another name says nothing of this one
        done = getattr(self.disk, step.verb)(*step.values)
        is_seen = not any(f"{path}/".startswith(f"{blind}/") for blind in self.watch.blind for path in step.values)
        if done and step.verb == "rename" and is_seen:
            self.oracle.moved(*step.values)

    def _interrupt(self) -> None:
        if self._amid:
            waiting, self._amid = self._amid, []
            for left, step in waiting:
                if left > 1:
                    self._amid.append((left - 1, step))
                else:
                    self._change(step)

    def _changed(self) -> None:
        self.oracle.look()
        for promise in self.promises:
            promise.look()

    def _called(self, operation: str, keys: tuple[str, ...]) -> None:
        self.note(f"{operation} {' '.join(keys[:5])}")
        self.oracle.called(operation, keys)

    def _tell(self, hints: list[tuple[str, bool]]) -> None:
        if self.life is not None:
            self.life.do(self.life.mirror.hint, hints)

    # -- calm ---------------------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """End all trouble; a person approves and retries; wait until the mirror says that it is in sync."""
        for _, step in self._amid:
            self._change(step)
        self._amid.clear()
        self.cloud.faults.clear()
        if self.life is not None:
            self.life.trip = None
            self.life.resume()
        if self.disk.top is not self.disk.home:
            self._troubles.mount("home")
        for path in list(twins(self.disk, self.disk.home)):
            self.disk.delete(path)
        settings = self.schedule.settings
        rest_at = self.clock.now + (settings.rescan * 1.1 + 10.0 if self._is_silent else 0.0)
        if settings.blind:
            rest_at = max(rest_at, self.clock.now + settings.blind_rescan + 10.0)
        self._is_silent = False
        until, wait = self.clock.now + CALM_SECONDS, 2.0
        while not self._is_at_rest(rest_at):
            if self.clock.now > until:
                self.fail(f"it does not come to rest: {self.life and self.life.mirror!r}")
            self.check()
            self._wait(wait)
            wait = min(wait * 1.5, 120.0)
            if wait > 5:
                self._person()
        self.check()

    def _wait(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.clock.now < until:
            self._pass(until)
            while self._agenda and self._agenda[0][0] <= self.clock.now:
                self._next()

    def _is_at_rest(self, rest_at: float) -> bool:
        return self.clock.now >= rest_at and not self._agenda and self.life is not None and self.life.is_in_sync()

    def _person(self) -> None:
        states = [(row.state, row.parked) for row in self.oracle.rows().values()]
        if any(state == HELD for state, _ in states):
            self.outcome.counts["holds"] += 1
            self._troubles.approve()
        elif any(parked for _, parked in states):
            self._troubles.retry()

    def _judge(self) -> None:
        if self.life is not None and leftovers(self.life.mirror):
            self._wait(5.0)  # a person's command ends with a look
        self.note("is judged")
        self.oracle.judge_end(deletes=self.deletes)
        self.oracle.moves.clear()
        self.oracle.is_muddled = False
        assert self.life is not None
        if left := leftovers(self.life.mirror):
            self.fail(left)
        calls = sum(self.cloud.counts.get(each, 0) for each in ("link", "send", "delete"))
        if calls > CALLS_FOR_EACH * (self.schedule.size + len(self.cloud.objects) + 10):
            self.fail(f"{calls} calls: attempts are not bounded")
        self.check()

    def _idle(self) -> None:
        """Start again with nothing changed: nothing may be sent."""
        assert self.life is not None
        self.life.stop()
        self.check()
        self.end_life()
        before = dict(self.cloud.counts)
        self._begin_life()
        self._wait(IDLE_SECONDS)
        if self.cloud.counts != before:
            self.fail(f"an idle restart has called the cloud: {self.outcome.trace[-1]}")
        self.oracle.judge_end(deletes=self.deletes)
        self.check()
