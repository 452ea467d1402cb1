"""Starts uploads as there is room for them, and sees them land.

The rule: as many as there are slots are being sent, and twice as many make ready meanwhile, since a link takes as long
as a small file; the mirrors that have something to send share that room. Where the service bears only one at a time
there is nothing but that one, and a probe goes alone.
The refusal: nothing about a flight is remembered here once it has landed; its row says how it went.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tcbsync.engine.gate import PROBE_SECONDS
from tcbsync.engine.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tcbsync.engine.parts import Parts
    from tcbsync.store.manifest import Job

AHEAD = 256
"""At most so many uploads are taken from the manifest at once."""
LANDING_SECONDS = 5.0
"""What is in flight gets so long to finish when the mirror stops."""


class Flights:
    """The uploads of one mirror that are under way, each a task. `on_landed` is called whenever one has ended."""

    def __init__(self, name: str, parts: Parts, on_landed: Callable[[], None]) -> None:
        self.uploads = Uploads(parts)
        self._name = name
        self._heart = parts.host.heart
        self._pace = parts.pace
        self._env = parts.target.env
        self._busy = parts.busy
        self._on_landed = on_landed
        self._paths: dict[asyncio.Task[None], str] = {}
        self._has_landed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[asyncio.Task[None]]:
        return iter(list(self._paths))

    def __repr__(self) -> str:
        return f"<Flights {len(self)} under way>"

    def paths(self) -> set[str]:
        """Give what is under way now."""
        return set(self._paths.values())

    async def send(self, jobs: Iterable[Job]) -> None:
        """Start one flight after the other. Comes back when all have started; they go on."""
        self._pace.senders += 1
        try:
            await self._start_all(deque(jobs))
        finally:
            self._pace.senders -= 1

    async def _start_all(self, waiting: deque[Job]) -> None:
        while waiting:
            with self._heart.rest():  # a closed gate is no fault of ours, and each flight is watched
                await self._pace.clear(self._env)
                room = await self._room()
            if self._pace.closed(self._env):
                await asyncio.wait([self._start(waiting.popleft())], timeout=PROBE_SECONDS)
                continue
            for _ in range(min(room, len(waiting))):  # together: they share their way to disk and manifest
                self._start(waiting.popleft())

    async def land(self) -> None:
        """Give what is in flight a few seconds, then abandon it: its row says that it is not done."""
        if self._paths:
            await asyncio.wait(self._paths, timeout=LANDING_SECONDS)
        for flight in self._paths:
            flight.cancel()
        await asyncio.gather(*self._paths, return_exceptions=True)

    async def _room(self) -> int:
        """Wait until some may start; give how many."""
        while True:
            share = max(1, (3 * self._pace.upload_slots.limit - 2) // self._pace.senders)
            room = share - len(self._paths)
            if room >= max(1, share // 6):
                return room
            self._has_landed.clear()
            await self._has_landed.wait()

    def _start(self, job: Job) -> asyncio.Task[None]:
        flight = asyncio.create_task(self._upload(job), name="upload")
        self._paths[flight] = job.path
        flight.add_done_callback(self._landed)
        return flight

    async def _upload(self, job: Job) -> None:
        if job.path not in self._busy:
            with self._heart.part(f"{self._name}: upload of {job.path}"), self._busy.holding([job.path]):
                await self.uploads.upload(job)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        del self._paths[flight]
        self._has_landed.set()
        self._on_landed()
