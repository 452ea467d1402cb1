"""The limit of what all uploads together send in a second, and who may send while there is one.

The rule: bytes leave in small pieces, in the order in which they were asked for, each when its time has come; a pause
is made up for by a burst of at most a quarter of a second. What is in flight is never more than the limit allows in
half a minute, since links grow old; a larger file goes alone, beside the small ones, and gets about half of the
limit. Among the large, as among the small, the mirrors take turns, and of one mirror who came first goes first.
The refusal: calls of the API and deletes are not counted, nor are the headers of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from tcbsync.cloud.api import in_one
from tcbsync.core.timetable import DAY_MINUTES, clock_time
from tcbsync.engine.slots import Slots

if TYPE_CHECKING:
    from tcbsync.core.timetable import Timetable
    from tcbsync.engine.brake import Brake
    from tcbsync.engine.host import Host

BURST_SECONDS = 0.25
PIECE_SECONDS = 0.05
SMALLEST_PIECE = 512
"""A piece is what the limit allows in PIECE_SECONDS, but not smaller than this."""
ROOM_SECONDS = 30.0
"""So much may be in flight: who shares the limit with so many waits for no piece as long as a request may take."""
FORM_BYTES = 2048
"""What stands around a file in its form: the link's signature and token above all."""
LOOK_SECONDS = 1.0
"""Who waits for his turn looks so often whether the timetable says something else by now."""

Bytes = AsyncIterator[bytes] | bytes
Meter = Callable[[Bytes], Bytes]
"""Gives the same bytes, each not before it may be sent."""


class _Lane:
    """The small files, or the large ones: how many of their bytes are in flight, who is next, and whose piece is."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.left = asyncio.Event()
        self.turn = Slots(1)
        self.piece = asyncio.Lock()


class Bandwidth:
    """All uploads of the process. `timetable` may be replaced at any time; None is for no limit, ever."""

    def __init__(self, host: Host, timetable: Timetable | None = None) -> None:
        self.timetable = timetable
        self._host = host
        self._free_at = -inf
        self._small, self._large = _Lane(), _Lane()

    def __repr__(self) -> str:
        return f"<Bandwidth {self.limit()}, {self._small.in_flight} and {self._large.in_flight} bytes in flight>"

    def limit(self) -> int | None:
        """Give the bytes a second that may be sent now; None: any number."""
        return None if self.timetable is None else self.timetable.limit(self._minute())

    def until(self) -> str | None:
        """Say when another limit begins, by the local clock; None: never."""
        now = self._minute()
        minute = None if self.timetable is None else self.timetable.until(now)
        return None if minute is None else clock_time(minute, now)

    def _minute(self) -> int:
        local = datetime.fromtimestamp(self._host.now())  # noqa: DTZ006 - the operator's own clock is what is meant
        return local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute

    def share(self, size: int, brake: Brake) -> contextlib.AbstractAsyncContextManager[Meter]:
        """Wait until `size` bytes may be in flight beside the others. Ask for the link inside: it grows old.

        Raises Closed where a person stops the mirror of this brake meanwhile.
        """
        if self.timetable is None:
            return contextlib.nullcontext(partial(self._meter, self._small))
        return self._share(size + FORM_BYTES, brake)

    @contextlib.asynccontextmanager
    async def _share(self, size: int, brake: Brake) -> AsyncIterator[Meter]:
        # By the lowest limit there will be: what begins beside the small ones must not lie across their way later.
        least = inf if self.timetable is None else self.timetable.least()
        lane = self._small if size <= ROOM_SECONDS * least else self._large
        with self._host.heart.rest():  # hours may pass behind others, and they are watched
            await self._enter(lane, size, brake)
        try:
            yield partial(self._meter, lane)
        finally:
            lane.in_flight -= size
            lane.left.set()

    async def _enter(self, lane: _Lane, size: int, brake: Brake) -> None:
        await lane.turn.acquire(brake)
        try:
            while lane.in_flight and lane.in_flight + size > self._room():
                lane.left.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await lane.left.wait()
                brake.check()
            lane.in_flight += size
        finally:
            lane.turn.release()

    def _room(self) -> float:
        return ROOM_SECONDS * (self.limit() or inf)

    def _meter(self, lane: _Lane, chunks: Bytes) -> Bytes:
        if isinstance(chunks, bytes):
            return chunks if self.timetable is None else self._metered(lane, in_one(chunks))
        return self._metered(lane, chunks)  # though there be no limit yet: one that comes amid a stream holds for it

    async def _metered(self, lane: _Lane, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        extra = FORM_BYTES
        try:
            async for chunk in chunks:
                start = 0
                while start < len(chunk) or extra:
                    limit = self.limit()
                    stop = len(chunk) if limit is None else start + max(SMALLEST_PIECE, int(limit * PIECE_SECONDS))
                    piece = chunk[start:stop]
                    if limit is not None:
                        with self._host.heart.rest():  # a low limit is no fault of ours
                            async with lane.piece:  # one of each lane at a time: so the lanes take turns
                                await self._pass(len(piece) + extra, limit)
                    yield piece
                    start, extra = start + len(piece), 0
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    async def _pass(self, count: int, limit: int) -> None:
        """Wait until `count` bytes may be sent."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - BURST_SECONDS) + count / limit
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
