"""Which parts of the engine move, and which have fallen silent. Measures; what follows is its reader's business.

The rule: a part says beforehand how long it may be silent, and each piece of blocking work that ends for it counts as
heard of. While a worker thread works for it, it is the thread that has to move. The kernel knows whether it does: it
counts for how long a thread ran, and a thread that hangs in a dead file system does not run. (The kernel's own watch
for hung tasks judges in the same way.)

The refusal: it interrupts nothing. Who rests has said so, and is waited for without a limit.
"""

from __future__ import annotations

import contextlib
import threading
import time
from contextvars import Context, ContextVar
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

SILENT_SECONDS = 900.0
"""A part may be silent for so long where nobody knows better: longer than any call of the service takes."""


@dataclass(slots=True, eq=False)
class Part:
    """One part. Times on the monotonic clock."""

    name: str
    due: float
    """It will be heard of by then."""
    waits: int = 0
    """It waits for so many things that are watched by themselves, or that may take for ever."""


@dataclass(slots=True)
class _Work:
    """What a worker thread does, and when the thread was last seen to have moved."""

    name: str
    moved_at: float
    seen: str = ""


class _Rest(contextlib.AbstractContextManager[None]):
    """A class, and no generator: each upload rests some times, and half of the cost is worth it."""

    __slots__ = ("_part", "_silent_seconds")

    def __init__(self, part: Part, silent_seconds: float) -> None:
        self._part = part
        self._silent_seconds = silent_seconds

    def __enter__(self) -> None:
        self._part.waits += 1

    def __exit__(self, *_: object) -> None:
        self._part.waits -= 1
        self._part.due = time.monotonic() + self._silent_seconds


_part: ContextVar[Part | None] = ContextVar("part", default=None)
"""The part in whose name a task runs. Tasks that it starts inherit it."""


class Heart:
    """The parts of one process. Used in its event loop; `carry` is for its worker threads."""

    def __init__(self, silent_seconds: float = SILENT_SECONDS) -> None:
        self.silent_seconds = silent_seconds
        self._parts: set[Part] = set()
        self._works: dict[int, _Work] = {}

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Be the part `name` until the end of the block."""
        part = Part(name, time.monotonic() + self.silent_seconds)
        self._parts.add(part)
        token = _part.set(part)
        try:
            yield
        finally:
            _part.reset(token)
            self._parts.discard(part)

    async def live(self, name: str, life: Awaitable[object]) -> None:
        """Be the part `name` for a whole life."""
        with self.part(name):
            await life

    def beat(self, seconds: float = 0.0) -> None:
        """Say that this part moves, and that what it does next may take `seconds` longer than other things."""
        if part := _part.get():
            part.due = time.monotonic() + seconds + self.silent_seconds

    def rest(self) -> contextlib.AbstractContextManager[None]:
        """Wait inside for what may take for ever: a gate, a slot, a thread."""
        part = _part.get()
        return contextlib.nullcontext() if part is None else _Rest(part, self.silent_seconds)

    def apart(self, name: str) -> Context:
        """Give a context for tasks that work for many: their threads are watched by this name, and not as whose asked.

        They are no part themselves: whoever waits for one of them rests.
        """
        context = Context()
        context.run(_part.set, Part(name, inf))
        return context

    def carry(self, work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Give `work` as it is to be done in a worker thread: in the name of this part, and watched."""
        part = _part.get()
        name = part.name if part else "a question"

        def watched(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            thread = threading.get_native_id()
            self._works[thread] = _Work(name, time.monotonic())
            try:
                return work(*arguments, **named)
            finally:
                del self._works[thread]

        return watched

    def silent(self, hung_seconds: float) -> list[str]:
        """Name the parts that were not heard of in time, and those whose threads did not move for `hung_seconds`."""
        now = time.monotonic()
        silent = {part.name for part in self._parts if not part.waits and part.due < now}
        for thread, work in list(self._works.items()):
            seen = _seen(thread)
            if seen is None or seen != work.seen:
                work.moved_at, work.seen = now, seen or ""
            elif now - work.moved_at > hung_seconds:
                silent.add(f"{work.name} (a thread hangs)")
        return sorted(silent)


def _seen(thread: int) -> str | None:
    """How long a thread ran so far, waited, and how often; None where the kernel does not tell.

    Linux, Documentation/scheduler/sched-stats: /proc/PID/schedstat; all zero where the kernel counts nothing.
    """
    try:
        counts = Path(f"/proc/self/task/{thread}/schedstat").read_text("ascii").strip()
    except OSError:
        return None
    return None if counts == "0 0 0" else counts
