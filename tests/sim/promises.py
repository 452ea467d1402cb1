"""What `flush` promises, held against disk and cloud: all that was there before it was said, and stayed so, is proved.

A promise is kept by the path: whatever changes after the call is taken out of it, at the moment when it changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateError
from tcbsync.engine.flush import Flush
from tcbsync.store.report import Report
from tests.sim.oracle import KEPT, wanted

if TYPE_CHECKING:
    from tests.sim.life import Life
    from tests.sim.run import Simulation

POLL_SECONDS = 0.1


class Promise:
    """One flush of a scope."""

    def __init__(self, simulation: Simulation, life: Life, scope: str) -> None:
        self._simulation = simulation
        self._life = life
        self._scope = unicodedata.normalize("NFC", scope)
        self._flush = Flush(life.mirror, Report(simulation.reader, 1), scope)
        files = wanted(simulation.disk, simulation.disk.top)
        self._bytes = {path: node.content for path, node in files.items() if self._covers(path)}
        self._absent = {path for path in simulation.oracle.rows() if self._covers(path) and path not in files}
        self._is_rooted = simulation.disk.top is not None

    def _covers(self, path: str) -> bool:
        return not self._scope or path == self._scope or path.startswith(f"{self._scope}/")

    def look(self) -> None:
        """Take out what is not as it was when the flush was said."""
        files = wanted(self._simulation.disk, self._simulation.disk.top)
        same = {path: content for path, content in self._bytes.items() if path in files}
        self._bytes = {path: content for path, content in same.items() if files[path].content == content}
        self._absent -= files.keys()
        self._is_rooted &= self._simulation.disk.top is not None

    async def wait(self) -> None:
        """Ask until it is said to be proved, and see whether it is."""
        await self._flush.begin()
        while not self._life.is_dead:
            with contextlib.suppress(StateError):
                found = await self._flush.wanting()
                is_troubled = self._life.mirror.looks.root_problem or self._flush.problems
                if not (self._flush.unseen or found.total or is_troubled):
                    break
            await asyncio.sleep(POLL_SECONDS)
        self._flush.close()
        if self in self._simulation.promises:
            self._simulation.promises.remove(self)
            self._judge()

    def _judge(self) -> None:
        self._simulation.outcome.counts["flushes that were proved"] += 1
        if not self._is_rooted or self._simulation.disk.was_set_back:
            return
        held = self._simulation.cloud.content()
        for path, content in self._bytes.items():
            if held.get(path) != content:
                what = "other bytes" if path in held else "nothing"
                self._simulation.fail(f"{path} was there before the flush of {self._scope!r}: the cloud holds {what}")
        for path in self._absent & held.keys() if self._simulation.deletes else ():
            row = self._simulation.oracle.row(path)
            if row is None or row.state != KEPT:
                self._simulation.fail(f"{path} was gone before the flush of {self._scope!r}: the cloud holds it")
