"""What can happen to a simulation but changes of files: each method is a verb of a schedule.

The refusal: what makes no sense now, such as to kill a program that is not running, does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.store import rows
from tests.sim.cloud import Fault
from tests.sim.promises import Promise
from tests.sim.system import SYSTEM

if TYPE_CHECKING:
    from tests.sim.run import Simulation


class Troubles:
    """The trouble that one simulation is in."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def fault(self, kind: str, operation: str, calls: int) -> None:
        """Let the next calls of a kind fail so."""
        self._simulation.cloud.faults.append(Fault(kind, operation, calls))

    def trouble(self, path: str, calls: str, number: int, seconds: float) -> None:
        """Let a path, or what is beneath it, answer with an error for a while."""
        SYSTEM.troubles[path] = (calls, number)
        self._simulation.oracle.is_muddled = True
        self._simulation.at(seconds, lambda: SYSTEM.troubles.pop(path, None))  # type: ignore[arg-type]

    def mount(self, kind: str) -> None:
        """Put something at the root."""
        self._simulation.oracle.is_muddled = True
        self._simulation.disk.mount(kind)
        self._simulation.oracle.root_since = self._simulation.clock.wall()
        self._simulation.watch.root_changed(is_there=kind != "missing")

    def lose(self, seconds: float) -> None:
        """Lose events for a while."""
        self._simulation.oracle.is_muddled = self._simulation.watch.is_losing = True
        self._simulation.at(seconds, self._simulation.watch.end_loss)

    def lag(self, seconds: float) -> None:
        """Let events be late for a while, by less than the grace: what comes later than that nobody can wait for."""
        self._simulation.watch.lag_seconds = min(seconds, 2.5)
        self._simulation.at(seconds, lambda: setattr(self._simulation.watch, "lag_seconds", 0.0))

    def outage(self, seconds: float) -> None:
        """Let nobody reach the service for a while."""
        self._simulation.cloud.is_out = True
        self._simulation.at(seconds, lambda: setattr(self._simulation.cloud, "is_out", False))

    def slowness(self, seconds: float) -> None:
        """Let bodies be slow for a while."""
        self._simulation.cloud.slow_seconds = 2.0
        self._simulation.at(seconds, lambda: setattr(self._simulation.cloud, "slow_seconds", 0.0))

    def stall(self, seconds: float) -> None:
        """Let the manifest's disk be full for a while."""
        if (life := self._simulation.life) is not None:
            life.writer.is_full = True
            self._simulation.at(seconds, lambda: setattr(life.writer, "is_full", False))

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self._simulation.oracle.is_muddled = True
        self._simulation.clock.jump(seconds)
        self._simulation.disk.was_set_back |= seconds < 0

    def approve(self) -> None:
        """Let held deletes go."""
        if self._simulation.life is not None:
            self._simulation.life.command(rows.approve)

    def retry(self) -> None:
        """Try again what is parked."""
        if self._simulation.life is not None:
            self._simulation.life.command(rows.retry)

    def pause(self, seconds: float) -> None:
        """Let a person stop uploads and deletes for a while."""
        if (life := self._simulation.life) is not None:
            life.mirror.parts.brake.is_on = True
            self._simulation.at(seconds, lambda: None if life.is_dead else life.resume())

    def flush(self, scope: str) -> None:
        """Have what is there now proved; see `promises`."""
        simulation = self._simulation
        if (life := simulation.life) is None:
            return

        if scope and simulation.watch.lag_seconds:
            simulation.oracle.is_muddled = True  # one half of a rename may be looked at before anybody knows of it

        def begin() -> None:
            promise = Promise(simulation, life, scope)
            simulation.promises.append(promise)
            life.waiting.append(life.loop.create_task(promise.wait()))

        life.do(begin)

    def crash(self, point: str, count: int, down_seconds: float) -> None:
        """Kill the program: at once, or a few points of a kind later."""
        if self._simulation.life is None:
            return
        if count:
            self._simulation.life.trip = (point, count)
        else:
            self._simulation.life.kill()
            self._simulation.die(down_seconds)

    def stop(self, down_seconds: float, changes_mind: bool) -> None:
        """Stop it as SIGTERM does, perhaps to start it with the other word for `delete`."""
        if self._simulation.life is None:
            return
        self._simulation.life.stop()
        self._simulation.check()
        self._simulation.end_life()
        self._simulation.deletes ^= changes_mind
        self._simulation.at(down_seconds, self._simulation.start)
