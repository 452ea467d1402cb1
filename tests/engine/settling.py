"""A service that takes only so many requests at once, on virtual time, and workers that share slots to call it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tcbsync.engine.brake import Brake
from tcbsync.engine.slots import Slots
from tests.sim.clock import Clock, VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def virtually(work: Coroutine[object, object, T]) -> T:
    """Carry out asynchronous work on a clock of its own, which costs no time."""
    loop = VirtualLoop(Clock())
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Refused(Exception):
    """Too many at once."""


@dataclass
class Scene:
    """The service (`at_once` places, `latency` seconds), its callers, and what happened so far."""

    at_once: int
    latency: float
    slots: Slots
    seed: int = 0
    files: int = 0
    requests: int = 0
    refusals: int = 0
    _busy: int = 0
    _brake: Brake = field(default_factory=Brake)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    def reset(self) -> None:
        """Count from zero."""
        self.files = self.requests = self.refusals = 0

    async def live(self, seconds: float) -> None:
        """Let all workers upload one file after the other for so long."""
        workers = [asyncio.create_task(self._work()) for _ in range(self.slots.most)]
        await asyncio.sleep(seconds)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self.slots.acquire(self._brake)
            try:
                await self._upload()
            finally:
                self.slots.release()

    async def _upload(self) -> None:
        longest = 0.5
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self.latency * self._dice.uniform(0.0, 0.2))  # what we do ourselves
            began = self.slots.changes
            try:
                await self._request()
                await self._request()
            except Refused:
                self.slots.narrow(began, clock())
                await asyncio.sleep(self._dice.uniform(0.0, longest))
                longest = min(2 * longest, 30.0)
            else:
                self.slots.succeed(clock())
                self.files += 1
                return

    async def _request(self) -> None:
        self.requests += 1
        is_let_in = self._busy < self.at_once
        self._busy += is_let_in
        try:
            await asyncio.sleep(self.latency * self._dice.uniform(0.8, 1.4))
        finally:
            self._busy -= is_let_in
        if not is_let_in:
            self.refusals += 1
            raise Refused


def best_fixed(at_once: int, latency: float, seconds: float) -> float:
    """Give the files a second of the best number of workers that never changes."""
    return max(
        _fixed(most, at_once, latency, seconds) for most in (at_once, at_once + 1, at_once * 5 // 4, at_once * 3 // 2)
    )


class _Fixed(Slots):
    def narrow(self, began: int, now: float) -> bool:
        return True


def _fixed(most: int, at_once: int, latency: float, seconds: float) -> float:
    scene = Scene(at_once, latency, _Fixed(most))
    virtually(scene.live(seconds))
    return scene.files / seconds
