"""What the engine needs of the process it runs in: the wall clock, threads for work that blocks, and a heart.

They come in as arguments, so that the whole engine also runs on a virtual clock without a single thread.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tcbsync.engine.heart import Heart
from tcbsync.local.glance import glanced

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

THREADS = 64
"""At most so many worker threads: with asyncio's few, the hanging disk of one mirror would stop all others."""


class Host:
    """The real one."""

    def __init__(self, heart: Heart | None = None) -> None:
        self.heart = heart or Heart()

    @staticmethod
    def prepare() -> None:
        """Give the running loop its worker threads, which begin as they are needed."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "work"))

    def now(self) -> float:
        """Give the wall clock, in unix seconds. It may jump."""
        return time.time()

    async def glance(self, place: str, work: Callable[[], Result]) -> Result:
        """Carry out `work`, which looks at a disk that may be dead. Raises TimeoutError where that does not answer.

        No worker thread is lost to it, and nothing that is watched hangs: see `local.glance`.
        """
        with self.heart.rest():
            return await glanced(place, work)

    async def offload(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Carry out blocking `work` in a worker thread."""
        with self.heart.rest():  # the thread is watched meanwhile
            return await asyncio.to_thread(self.heart.carry(work), *arguments, **named)
