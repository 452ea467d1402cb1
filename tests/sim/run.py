"""Runs a schedule: trouble, then calm, then the question whether all is as it should be.

One driver, outside of the loop: it lets the program live until the next thing happens, does that, and goes on. When
the program dies, it is made anew on the same database, disk and cloud.
"""

from __future__ import annotations

import heapq
import logging
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tcbsync.core.ignore import _compiled
from tcbsync.core.safety import Guard
from tcbsync.core.settle import Delays
from tcbsync.engine.mirror import Habits
from tcbsync.store import rows
from tcbsync.store.database import open_database
from tcbsync.store.reader import Reader
from tests.sim.clock import Clock, Stuck
from tests.sim.cloud import ENV, PREFIX, Fault, SimCloud
from tests.sim.disk import Disk
from tests.sim.life import Life
from tests.sim.oracle import HELD, Oracle, twins
from tests.sim.system import SYSTEM
from tests.sim.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sim.schedule import Schedule, Step

DISK_VERBS = frozenset(
    "write begin append close rewrite scribble truncate touch save link make plant rename exchange delete empty".split()
)
SILENT_VERBS = frozenset(("scribble", "truncate", "touch"))
CALM_SECONDS = 20_000.0
"""After trouble, the mirror has so long to come to rest. The longest waits are hours: a quota's, a clock's jump."""
IDLE_SECONDS = 45.0
CALLS_FOR_EACH = 40
"""Attempts are bounded: no more calls than this, for each step and file of a schedule."""


@dataclass
class Outcome:
    """What came of a schedule."""

    failure: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


class Ended(Exception):
    """Something was not as it should be: the schedule ends here."""


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
        self.connection = _database()
        self.reader = Reader(self.connection)
        self.cloud = SimCloud(self.clock, random.Random(schedule.seed + 2), self._called)
        self.oracle = Oracle(self.disk, self.cloud, self.clock, self.connection, self.fail)
        self.watch = Watch(dice, self._at, self._tell)
        self.life: Life | None = None
        self._dice = dice
        self._late = late
        self._deletes = settings.deletes
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._amid: list[tuple[int, Step]] = []
        self._is_silent = False
        SYSTEM.reset(self.disk)
        SYSTEM.interrupt = self._interrupt
        SYSTEM.shortest_read = settings.shortest_read
        SYSTEM.on_absent = lambda path: self.oracle.saw_nothing(path.removeprefix("/srv/assets/"))
        self.disk.on_event = self.watch.event
        self.disk.on_change = self.oracle.look
        self.watch.blind = settings.blind

    def run(self) -> Outcome:
        """Run it; the outcome says what was wrong, if anything was."""
        try:
            with _defects(self.fail, lambda: self.life is not None and not self.life.is_dead):
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
            self._end_life()
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
            self._at(step.at, lambda step=step: self._take(step))  # type: ignore[misc]
        while self._agenda:
            self._next()

    def _at(self, seconds: float, work: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (self.clock.now + seconds, self._number, work))

    def _next(self) -> None:
        at, _, work = heapq.heappop(self._agenda)
        self._pass(at)
        work()
        self._check()

    def _pass(self, at: float) -> None:
        """Let time pass until `at`, whoever dies meanwhile."""
        while self.clock.now < at or self.life is None:
            if self.life is None:
                self.clock.now = max(self.clock.now, at)
                return
            if not self.life.advance(at):
                self._check()
                self._die(self._dice.choice((0.0, 0.5, 20.0)))

    def _check(self) -> None:
        if self.outcome.failure:
            raise Ended

    # -- lives --------------------------------------------------------------------------------------------------------

    def _begin_life(self) -> None:
        settings = self.schedule.settings
        habits = Habits(
            deletes=self._deletes,
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

    def _end_life(self) -> None:
        if self.life is not None:
            self.life.bury()
            self.life = None
            SYSTEM.crash()
            self.cloud.active.clear()

    def _die(self, down_seconds: float) -> None:
        self.note("is killed")
        self.outcome.counts["crashes"] += 1
        left_at = self.clock.now
        for seconds, flight in self.cloud.crash():
            self._at(seconds, lambda flight=flight: self.cloud.land(flight, left_at, late=self._late))  # type: ignore[misc]
        self._end_life()
        self.oracle.judge_rows()
        self._at(down_seconds, self._start)

    def _start(self) -> None:
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
            getattr(self, f"_do_{step.verb}")(*step.values)
        self.oracle.judge_rows()

    def _change(self, step: Step) -> None:
        self.note(f"{step.verb} {step.values!r:.100}")
        self.outcome.counts[f"disk {step.verb}"] += 1
        self._is_silent |= step.verb in SILENT_VERBS
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

    def _called(self, operation: str, keys: tuple[str, ...]) -> None:
        self.note(f"{operation} {' '.join(keys[:5])}")
        self.oracle.called(operation, keys)

    def _tell(self, hints: list[tuple[str, bool]]) -> None:
        if self.life is not None:
            self.life.do(self.life.mirror.hint, hints)

    def _do_fault(self, kind: str, operation: str, calls: int) -> None:
        self.cloud.faults.append(Fault(kind, operation, calls))

    def _do_trouble(self, path: str, calls: str, number: int, seconds: float) -> None:
        SYSTEM.troubles[path] = (calls, number)
        self.oracle.is_muddled = True
        self._at(seconds, lambda: SYSTEM.troubles.pop(path, None))  # type: ignore[arg-type, return-value]

    def _do_mount(self, kind: str) -> None:
        self.oracle.is_muddled = True
        self.disk.mount(kind)
        self.oracle.root_since = self.clock.wall()
        self.watch.root_changed(is_there=kind != "missing")

    def _do_lose(self, seconds: float) -> None:
        self.oracle.is_muddled = self.watch.is_losing = True
        self._at(seconds, self.watch.end_loss)

    def _do_lag(self, seconds: float) -> None:
        self.watch.lag_seconds = min(seconds, 3.0)
        self._at(seconds, lambda: setattr(self.watch, "lag_seconds", 0.0))

    def _do_outage(self, seconds: float) -> None:
        self.cloud.is_out = True
        self._at(seconds, lambda: setattr(self.cloud, "is_out", False))

    def _do_slowness(self, seconds: float) -> None:
        self.cloud.slow_seconds = 2.0
        self._at(seconds, lambda: setattr(self.cloud, "slow_seconds", 0.0))

    def _do_stall(self, seconds: float) -> None:
        if (life := self.life) is not None:
            life.writer.is_full = True
            self._at(seconds, lambda: setattr(life.writer, "is_full", False))

    def _do_jump(self, seconds: float) -> None:
        self.oracle.is_muddled = True
        self.clock.jump(seconds)

    def _do_approve(self) -> None:
        if self.life is not None:
            self.life.command(rows.approve)

    def _do_retry(self) -> None:
        if self.life is not None:
            self.life.command(rows.retry)

    def _do_crash(self, point: str, count: int, down_seconds: float) -> None:
        if self.life is None:
            return
        if count:
            self.life.trip = (point, count)
        else:
            self.life.kill()
            self._die(down_seconds)

    def _do_stop(self, down_seconds: float, changes_mind: bool) -> None:
        if self.life is None:
            return
        self.life.stop()
        self._check()
        self._end_life()
        self._deletes ^= changes_mind
        self._at(down_seconds, self._start)

    # -- calm ---------------------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """End all trouble; a person approves and retries; wait until the mirror says that it is in sync."""
        for _, step in self._amid:
            self._change(step)
        self._amid.clear()
        self.cloud.faults.clear()
        if self.life is not None:
            self.life.trip = None
        if self.disk.top is not self.disk.home:
            self._do_mount("home")
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
            self._check()
            self._wait(wait)
            wait = min(wait * 1.5, 120.0)
            if wait > 5:
                self._person()
        self._check()

    def _wait(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self._agenda and self._agenda[0][0] <= until:
            self._next()
        self._pass(until)

    def _is_at_rest(self, rest_at: float) -> bool:
        return self.clock.now >= rest_at and not self._agenda and self.life is not None and self.life.is_in_sync()

    def _person(self) -> None:
        states = [(row.state, row.parked) for row in self.oracle.rows().values()]
        if any(state == HELD for state, _ in states):
            self.outcome.counts["holds"] += 1
            self._do_approve()
        elif any(parked for _, parked in states):
            self._do_retry()

    def _judge(self) -> None:
        self.note("is judged")
        self.oracle.judge_end(deletes=self._deletes)
        self.oracle.moves.clear()
        self.oracle.is_muddled = False
        assert self.life is not None
        mirror = self.life.mirror
        pace, busy = mirror.parts.pace, mirror.parts.busy
        if len(mirror.settle) + len(busy) + len(busy._again) + len(mirror._flights):
            self.fail(f"something is left in a queue: {mirror!r}")
        for slots in (pace.upload_slots, pace.delete_slots):
            if slots._free._value - slots._surplus != slots.limit:
                self.fail(f"slots are lost: {slots!r}, {slots._free._value} free")
        calls = sum(self.cloud.counts.get(each, 0) for each in ("link", "send", "delete"))
        if calls > CALLS_FOR_EACH * (self.schedule.size + len(self.cloud.objects) + 10):
            self.fail(f"{calls} calls: attempts are not bounded")
        self._check()

    def _idle(self) -> None:
        """Start again with nothing changed: nothing may be sent."""
        assert self.life is not None
        self.life.stop()
        self._check()
        self._end_life()
        before = dict(self.cloud.counts)
        self._begin_life()
        self._wait(IDLE_SECONDS)
        if self.cloud.counts != before:
            self.fail(f"an idle restart has called the cloud: {self.outcome.trace[-1]}")
        self.oracle.judge_end(deletes=self._deletes)
        self._check()


class _defects(logging.Handler):  # noqa: N801 - used as a block
    """Report what the program itself calls a defect of its own."""

    def __init__(self, fail: Callable[[str], None], is_alive: Callable[[], bool]) -> None:
        super().__init__(logging.ERROR)
        self._fail = fail
        self._is_alive = is_alive
        self._log = logging.getLogger("tcbsync")

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_alive():
            self._fail(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")

    def __enter__(self) -> None:
        self._level, self._log.level = self._log.level, logging.ERROR
        self._log.addHandler(self)

    def __exit__(self, *error: object) -> None:
        self._log.removeHandler(self)
        self._log.setLevel(self._level)


def _database() -> sqlite3.Connection:
    """Open an empty manifest in memory, with one mirror."""
    connection = open_database(":memory:")
    connection.execute("INSERT INTO mirror (id, name, env, prefix) VALUES (1, 'site', ?, ?)", (ENV, PREFIX))
    return connection


def install() -> None:
    """Put the disk in memory under the product's modules, and make large files small. For a process of its own."""
    import functools
    import warnings

    from tcbsync.core import ignore
    from tcbsync.engine import uploads
    from tcbsync.local import digest, scan

    modules: Any = (digest, scan)
    for module in modules:
        module.os = SYSTEM
    scan.volumes = SYSTEM.volumes
    uploads.SMALL, uploads.CHUNK = 64, 32  # type: ignore[attr-defined]
    ignore._compiled = functools.cache(_compiled)
    logging.getLogger("tcbsync").propagate = False
    logging.getLogger("tcbsync").addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")
