"""The mirrors that run: each one a task with its watcher, to be started, stopped and exchanged while others go on.

Rule: a mirror that ends by itself, or cannot be armed, ends the daemon. One that is stopped begins nothing more, and
what is in flight lands; before another takes its place, all that it wrote is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tcbsync.core.errors import StateError
from tcbsync.daemon.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from tcbsync.daemon.assemble import Assembly
    from tcbsync.engine.mirror import Mirror

T = TypeVar("T")

DRAIN_SECONDS = 60.0
"""What is in flight gets so long where a mirror is exchanged; then it is stopped as by SIGTERM."""


@dataclass(slots=True)
class _Sailing:
    watching: Watching
    task: asyncio.Task[None] | None = None
    is_armed: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        async with self.watching.open():
            self.is_armed.set()
            await self.watching.mirror.run()


class Fleet:
    """Every mirror of the assembly, as it runs within `tasks`."""

    def __init__(self, assembly: Assembly, tasks: asyncio.TaskGroup, stir: Callable[[], None] = lambda: None) -> None:
        """`stir` is called when a watcher has seen something."""
        self._assembly = assembly
        self._stir = stir
        self._tasks = tasks
        self._sailing: dict[str, _Sailing] = {}
        self._spawned: set[asyncio.Task[Any]] = set()
        self._is_ending = False

    @property
    def watchings(self) -> list[Watching]:
        """The eyes of each mirror."""
        return [each.watching for each in self._sailing.values()]

    def watched(self) -> list[Watching]:
        """Give the eyes that should be open: not those of a mirror that is being armed, or stopped."""
        return [
            each.watching
            for each in self._sailing.values()
            if each.is_armed.is_set() and not each.watching.mirror.parts.brake.is_stopping
        ]

    async def start(self, mirrors: Iterable[Mirror]) -> None:
        """Let mirrors run; their watches are armed when this is done."""
        begun = []
        for mirror in mirrors if not self._is_ending else ():
            sailing = self._sailing[mirror.name] = _Sailing(Watching(mirror, self._stir))
            sailing.task = self._tasks.create_task(sailing.live(), name=mirror.name)
            begun.append(sailing)
        for sailing in begun:
            armed = asyncio.ensure_future(sailing.is_armed.wait())
            assert sailing.task is not None
            await asyncio.wait([armed, sailing.task], return_when=asyncio.FIRST_COMPLETED)
            armed.cancel()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Carry out work on the mirrors to its end, whoever hangs up; where it fails, the daemon ends."""
        task = self._tasks.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return task

    async def add(self, mirror: Mirror) -> None:
        """Let one more mirror run."""
        self._assembly.add(mirror)
        await self.start([mirror])

    async def stop(self, name: str) -> None:
        """Let a mirror end, and what it has in flight land. Never fails."""
        sailing = self._sailing[name]
        mirror = sailing.watching.mirror
        mirror.parts.brake.is_on = mirror.parts.brake.is_stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while len(mirror.parts.busy):  # noqa: ASYNC110 - once a reload is not worth an event for each file
                    await asyncio.sleep(0.02)
        if sailing.task is not None:
            sailing.task.cancel()
            await asyncio.wait([sailing.task])
        # After it, all that was written before is durable; or has failed, so that its rows want it done again.
        with contextlib.suppress(StateError):
            await self._assembly.store.touch()
        del self._sailing[name]
        self._assembly.mirrors.remove(mirror)

    async def end(self) -> None:
        """Let every mirror end as by SIGTERM, and no other begin."""
        self._is_ending = True
        tasks = [sailing.task for sailing in self._sailing.values() if sailing.task is not None]
        tasks += self._spawned
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
