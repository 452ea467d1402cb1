"""One life of the program: a real Mirror on a virtual loop, from its start to the moment when it stops or is killed.

Only threads are replaced: work that blocks is done in the loop after a delay that dice decide, and so is the
manifest's writer. A kill is a kill: from that moment on nobody's `finally` reaches disk, cloud or manifest.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, ParamSpec, TypeVar, cast

from tcbsync.cloud.retry import Retry
from tcbsync.core.errors import StateError
from tcbsync.core.settle import Settle
from tcbsync.engine.busy import Busy
from tcbsync.engine.host import Host
from tcbsync.engine.mirror import Mirror
from tcbsync.engine.pace import Pace
from tcbsync.engine.parts import Habits, Parts, Target
from tcbsync.store.manifest import Manifest
from tcbsync.store.writer import Writer, _answer, _Piece
from tests.sim.clock import Clock, VirtualLoop
from tests.sim.cloud import ENV, PREFIX
from tests.sim.system import ROOT, SimPath

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from random import Random

    from tcbsync.store.reader import Reader
    from tests.sim.cloud import SimCloud

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class SimHost(Host):
    """The wall clock of the simulation, and worker threads that are none."""

    def __init__(self, life: Life, clock: Clock, dice: Random) -> None:
        super().__init__()
        self._life = life
        self._clock = clock
        self._dice = dice

    def now(self) -> float:
        return self._clock.wall()

    async def glance(self, place: str, work: Callable[[], Result]) -> Result:
        return await self.offload(work)

    async def offload(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        await self._pause()
        try:
            return work(*arguments, **named)
        finally:
            await self._pause()

    async def _pause(self) -> None:
        number = self._dice.random()
        if number > 0.6:
            await asyncio.sleep(0.2 * (number - 0.6) ** 4 + (0.1 if number > 0.995 else 0.0))
        await self._life.point("work")


class SimWriter(Writer):
    """The manifest's writer without its thread: its transactions are the real one's, its moments the dice's."""

    def __init__(self, life: Life, connection: sqlite3.Connection, dice: Random) -> None:
        self._life = life
        self._connection = connection
        self._path = Path("manifest.db")
        self._ledger = None
        self._dice = dice
        self._is_closed = False
        self._waiting: list[_Piece] = []
        self._is_working = False
        self.is_full = False

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        if self._is_closed:
            raise StateError("the manifest is closed")
        piece = _Piece(work, self._life.loop.create_future())
        if not self._life.is_dead:
            self._waiting.append(piece)
            self._arm()
        return piece.future

    async def close(self) -> None:
        """Finish what was submitted. The database outlives this life."""
        self._is_closed = True
        while self._waiting or self._is_working:
            await asyncio.sleep(0.01)

    def _arm(self) -> None:
        if not self._is_working:
            self._is_working = True
            self._life.loop.call_later(self._dice.random() ** 6 * 0.2, self._work)

    def _work(self) -> None:
        if not self._life.passes("commit"):
            return
        group, self._waiting = self._waiting, []
        if self.is_full:
            for piece in group:
                piece.error = StateError("the manifest cannot be used: the disk is full")
        else:
            self._commit(group)
        if self._life.passes("committed"):
            self._life.loop.call_later(self._dice.random() ** 6 * 0.1, self._tell, group)

    def _tell(self, group: list[_Piece]) -> None:
        _answer(group)
        self._is_working = False
        if self._waiting:
            self._arm()


class Life:
    """From a start to a stop or a kill."""

    def __init__(
        self,
        clock: Clock,
        dice: Random,
        database: tuple[sqlite3.Connection, Reader],
        cloud: SimCloud,
        habits: Habits,
        fail: Callable[[str], None],
    ) -> None:
        self.loop = VirtualLoop(clock)
        self.clock = clock
        self.is_dead = False
        self.fail = fail
        self.waiting: list[asyncio.Task[None]] = []
        """Of those who wait for a proof."""
        self.trip: tuple[str, int] | None = None
        """Die when a point of this name is passed for so many more times."""
        connection, reader = database
        self.writer = SimWriter(self, connection, dice)
        self.mirror = self._mirror(SimHost(self, clock, dice), Manifest(reader, 1, self.writer), cloud, habits)
        cloud.life = self
        asyncio.set_event_loop(None)
        self.task = self.loop.create_task(self.mirror.run())

    def _mirror(self, host: Host, manifest: Manifest, cloud: SimCloud, habits: Habits) -> Mirror:
        pace = Pace(host, uploads=3, deletes=2)
        retry = Retry(attempts=4, base_seconds=0.5, cap_seconds=30.0)
        settle = Settle(habits.delays, max_paths=40)

        def look_again(path: str, noticed_at: float | None = None) -> None:
            if not self.is_dead:
                mirror.hint([(path, True)], noticed_at)

        parts = Parts(
            host=host,
            target=Target(root=cast("Path", SimPath(ROOT)), env=ENV, prefix=PREFIX, form={}),
            manifest=manifest,
            cloud=cloud,
            retry=retry,
            pace=pace,
            busy=Busy(look_again),
            look_again=look_again,
        )
        mirror = Mirror("site", parts, settle, habits)
        return mirror

    # -- points at which it may die -----------------------------------------------------------------------------------

    def passes(self, name: str) -> bool:
        """Whether the program lives on after this point."""
        if self.trip is not None and self.trip[0] in (name, "any"):
            self.trip = (self.trip[0], self.trip[1] - 1)
            if self.trip[1] <= 0:
                self.kill()
        return not self.is_dead

    async def point(self, name: str) -> None:
        """Pass a point, or stay there for ever."""
        if not self.passes(name):
            await self._never()

    async def _never(self) -> Never:
        while True:
            await self.loop.create_future()

    def kill(self) -> None:
        """Die here and now."""
        self.is_dead = True
        self.loop.stop()

    # -- from outside -------------------------------------------------------------------------------------------------

    def advance(self, at: float) -> bool:
        """Live until `at`. Gives whether it still lives."""
        self.loop.run_until(at)
        if self.task.done() and not self.is_dead:
            self.fail(f"the mirror has ended by itself: {self.task.exception()!r}")
        return not self.is_dead

    def pause_at(self, at: float) -> None:
        """End an `advance` then that would go on for longer; one that ends earlier is not touched."""
        self.loop.call_at(at, self.loop.stop)

    def do(self, work: Callable[..., object], *values: object) -> None:
        """Call `work` inside the loop."""
        self.loop.call_soon(work, *values)

    def command(self, command: Callable[..., Any]) -> None:
        """Carry out a person's command, as the daemon does: write, look at everything, go on."""

        async def carry_out() -> None:
            with contextlib.suppress(StateError):
                await self.mirror.parts.manifest.write(command)
            self.mirror.hint([("", True)])
            self.mirror.nudge()

        self._kept = self.loop.create_task(carry_out())

    def resume(self) -> None:
        """Let uploads and deletes go on, where a person had stopped them."""
        self.mirror.parts.brake.is_on = False
        self.do(self.mirror.nudge)

    def is_in_sync(self) -> bool:
        """Ask the mirror."""
        asked = self.loop.create_task(self.mirror.is_in_sync())
        while not asked.done() and not self.is_dead:
            self.advance(self.clock.now + 0.05)
        return asked.done() and asked.result()

    def stop(self) -> None:
        """Stop as SIGTERM does: what is in flight gets its seconds, the manifest is closed."""

        async def end() -> None:
            self.task.cancel()
            await asyncio.wait([self.task])
            await self.writer.close()

        ended = self.loop.create_task(end())
        while not ended.done() and not self.is_dead:
            self.loop.run_until(self.clock.now + 1.0)
        self.is_dead = True

    def bury(self) -> None:
        """Drop every task where it is. What their `finally` blocks try reaches nothing any more."""
        self.is_dead = True
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with contextlib.suppress(BaseException):
                task.get_coro().close()
        self.loop.close()
