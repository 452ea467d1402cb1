"""The model cloud under attack: `MemoryCloud` with latency, the errors that the real client raises, and lost replies.

The rule: every fault is one that the schedule asked for, and what it means for the object is known: done, or not done.
A request whose bytes had all left when the program died may still be carried out, at once or a little later.

What is not done unless `late` is on: carrying a request out after a NEWER one on the same key has ended. The service
orders nothing, so in theory an upload that a dead connection left behind can overwrite its successor minutes later. No
client can prevent that (there is no If-Match, no version, no list), and none can notice it without asking again, which
is what `tcbsync verify` does.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.cloud.api import Body, Deletion, Receipt
from tcbsync.cloud.codes import error_for, storage_error
from tcbsync.core.errors import CloudError, FileChanged, NoAnswer
from tests.cloud.memory import MemoryCloud, StoredObject, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tcbsync.cloud.api import Link
    from tests.sim.clock import Clock
    from tests.sim.life import Life

ENV = "test2-4a89da"
PREFIX = "site/"
API_CODES = {
    "busy": -501004,
    "system": -1,
    "token": 40001,
    "minute": 45011,
    "day": 45009,
    "full": -501017,
    "env": -501005,
    "refused": -501007,
    "unknown": -777777,
}
STORAGE_CODES = {
    "busy": (503, "SlowDown"),
    "system": (500, ""),
    "token": (403, "AccessDenied"),
    "env": (404, "NoSuchBucket"),
    "refused": (400, "EntityTooLarge"),
    "unknown": (418, ""),
}


class Fault(NamedTuple):
    """Something that goes wrong with the next `calls` calls of one kind."""

    kind: str
    operation: str
    calls: int


class Flight(NamedTuple):
    """A request whose bytes have all left. No content: a delete."""

    keys: tuple[str, ...]
    content: bytes | None


class SimCloud(MemoryCloud):
    """A cloud for one schedule; it outlives every crash."""

    def __init__(self, clock: Clock, dice: Random, on_call: Callable[[str, tuple[str, ...]], None]) -> None:
        super().__init__(clock=lambda: clock.now)
        self.life: Life
        self.faults: list[Fault] = []
        self.is_out = False
        self.counts: dict[str, int] = {}
        self.active: dict[str, str] = {}
        self.ended: dict[str, float] = {}
        self.flying: list[Flight] = []
        self.slow_seconds = 0.0
        self._time = clock
        self._dice = dice
        self._on_call = on_call

    def content(self) -> dict[str, bytes]:
        """Give what is there, by path."""
        return {key.removeprefix(PREFIX): stored.content for (_, key), stored in self.objects.items()}

    async def link(self, env: str, key: str) -> Link:
        fault = await self._begin("link", (key,))
        link = await super().link(env, key)
        await self._end(fault)
        return link

    async def send(self, link: Link, body: Body) -> Receipt:
        keys = (link.key,)
        self._claim("send", keys)
        try:
            fault = await self._begin("send", keys)
            pieces = []
            async for chunk in pieces_of(body):
                pieces.append(chunk)
                await self.life.point("amid")
                if fault == "cut":
                    raise NoAnswer(f"upload {link.key}: the connection broke", code="WriteError")
                await self._pause(slow=True)
            content = b"".join(pieces)
            if len(content) != body.size:
                raise FileChanged(f"{link.key}: {len(content)} bytes instead of {body.size}")
            return await self._fly(link, body, content, fault)
        finally:
            self._release(keys)

    async def _fly(self, link: Link, body: Body, content: bytes, fault: str) -> Receipt:
        flight = Flight((link.key,), content)
        self.flying.append(flight)
        try:
            await self._pause()
            if fault == "wrong ETag":  # what arrived is not what was sent
                content = bytes(byte ^ 1 for byte in content) or b"?"
            receipt = await super().send(link, Body(len(content), content, body.form))
        finally:
            if not self.life.is_dead:
                self.flying.remove(flight)
        self._note_end(flight.keys)
        await self._end(fault)
        return Receipt(None) if fault == "no MD5" else receipt

    async def delete(self, env: str, file_ids: Sequence[str]) -> list[Deletion]:
        keys = tuple(self.key(env, each) for each in file_ids)
        self._claim("delete", keys)
        try:
            fault = await self._begin("delete", keys)
            flight = Flight(keys, None)
            self.flying.append(flight)
            try:
                await self._pause()
            finally:
                if not self.life.is_dead:
                    self.flying.remove(flight)
            answer = self._partly(env, list(file_ids), fault) if fault in ("partly", "left out") else None
            if answer is None:
                answer = await super().delete(env, file_ids)
            self._note_end(keys)
            await self._end(fault)
            return answer
        finally:
            self._release(keys)

    def _partly(self, env: str, file_ids: list[str], fault: str) -> list[Deletion]:
        """Delete only some; or leave some out of the answer, deleted or not."""
        answer = []
        for number, each in enumerate(file_ids):
            is_bad = number % 2 == 0
            if not is_bad or (fault == "left out" and self._dice.random() < 0.5):
                self.objects.pop((env, self.key(env, each)), None)
            error = "the service left this file out of its answer" if fault == "left out" else "-1 system error"
            answer.append(Deletion(each, not is_bad, error if is_bad else ""))
        return answer

    # -- when the program dies ----------------------------------------------------------------------------------------

    def crash(self) -> list[tuple[float, Flight]]:
        """Forget who was calling. Give what had left already and is still to be carried out: in seconds, and what."""
        later = []
        for flight in self.flying:
            match self._dice.randrange(4):
                case 0 | 1:
                    later.append((0.0, flight))
                case 2:
                    later.append((self._dice.uniform(0.0, 8.0), flight))
        self.flying.clear()
        self.active.clear()
        return later

    def land(self, flight: Flight, left_at: float, *, late: bool) -> None:
        """Carry out what a dead program had sent; not after a newer request on the key, unless `late`."""
        for key in flight.keys:
            if self.ended.get(key, -1.0) > left_at and not late:
                continue
            if flight.content is None:
                self.objects.pop((ENV, key), None)
            else:
                self.put(key, flight.content)

    def put(self, key: str, content: bytes) -> None:
        """Hold these bytes."""
        self.objects[ENV, key] = StoredObject(content, hashlib.md5(content).hexdigest(), {})

    # -- the inside ---------------------------------------------------------------------------------------------------

    def _claim(self, operation: str, keys: tuple[str, ...]) -> None:
        if self.life.is_dead:
            return
        for key in keys:
            if key in self.active:
                self.life.fail(f"{operation} of {key} while its {self.active[key]} is under way")
            self.active[key] = operation

    def _release(self, keys: tuple[str, ...]) -> None:
        if not self.life.is_dead:
            for key in keys:
                self.active.pop(key, None)

    def _note_end(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            self.ended[key] = self._time.now

    async def _begin(self, operation: str, keys: tuple[str, ...]) -> str:
        """Let a call arrive. Raises what it meets; gives the fault that comes later."""
        await self.life.point("call")
        self._count(operation)
        self._on_call(operation, keys)
        await self._pause()
        if self.is_out:
            await asyncio.sleep(self._dice.uniform(0.0, 10.0))
            raise NoAnswer(f"{operation}: no connection", code="ConnectError")
        fault = self._take(operation)
        if fault:
            self._count(f"fault {fault}")
        if error := _error(operation, fault, keys):
            raise error
        if fault == "lost":
            await asyncio.sleep(self._dice.uniform(0.0, 60.0))
            raise NoAnswer(f"{operation} {keys[0]}: no answer", code="ReadTimeout")
        return fault

    async def _end(self, fault: str) -> None:
        await self.life.point("done")
        await self._pause()
        if fault == "reply lost":
            await asyncio.sleep(self._dice.uniform(0.0, 60.0))
            raise NoAnswer("no answer", code="ReadTimeout")
        await self.life.point("answered")

    def _take(self, operation: str) -> str:
        for number, fault in enumerate(self.faults):
            if fault.operation in (operation, "any"):
                if fault.calls > 1:
                    self.faults[number] = fault._replace(calls=fault.calls - 1)
                else:
                    del self.faults[number]
                return fault.kind
        return ""

    async def _pause(self, *, slow: bool = False) -> None:
        await asyncio.sleep(self._dice.random() ** 3 * 0.3 + (self.slow_seconds if slow else 0.0))
        await self.life.point("waited")

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def _error(operation: str, fault: str, keys: tuple[str, ...]) -> CloudError | None:
    if operation == "send":
        if fault in STORAGE_CODES:
            status, code = STORAGE_CODES[fault]
            return storage_error(f"upload {keys[0]}", status, code, "", "")
        return None
    return error_for(operation, API_CODES[fault], "") if fault in API_CODES else None
