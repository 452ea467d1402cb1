"""Decides when deletes wait for a person, and when that is over. Changes rows, and nothing else.

Two causes: more deletes than the guard allows, or another volume at the root, or below it, than the one that the files
were mirrored from. A hold of the first kind ends when nothing is left to hold, or when a person approves; one of the
second kind also when the volume is back. What is still gone then is judged anew. Where the manifest was restored, no
delete goes at all until the cloud has proved what is in doubt.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from tcbsync.cloud.api import BATCH
from tcbsync.core.events import Held, Released
from tcbsync.core.keys import normal
from tcbsync.core.model import covers
from tcbsync.core.safety import WINDOW_SECONDS, away_reason, hold_reason, remounted
from tcbsync.store import rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcbsync.core.safety import Guard
    from tcbsync.engine.parts import Parts

log = logging.getLogger(__name__)


class Holds:
    """The holds of one mirror."""

    def __init__(self, parts: Parts, guard: Guard) -> None:
        self._host = parts.host
        self._tell = parts.tell
        self._root = str(parts.target.root)
        self._manifest = parts.manifest
        self._guard = guard
        self.volumes: Mapping[str, str] | None = None
        """What was mounted at and below the root at the last look at the whole tree."""
        self.has_files = True
        """Whether that look, or any since, has seen a file that should be mirrored."""
        self._may_be_restored = True
        self._has_known = False
        self._away: list[str] = []
        """Where, at the last look at the whole tree, another volume lay than the one that is waited for."""

    async def remember(self, volumes: Mapping[str, str]) -> None:
        """Before a look writes rows: note which `volumes` they are of, unless that is known. It may be cut off."""
        if self._has_known:
            return
        if not (await self._host.offload(self._manifest.mirror)).volumes:
            await self._trust(volumes)
        self._has_known = True

    async def review(self, volumes: Mapping[str, str]) -> None:
        """After a look at the whole tree: hold what other `volumes` than before ask for; end what has no cause."""
        await self._review(volumes)
        self.volumes = volumes  # only now: a delete that is about to go compares them, and must not overtake a hold

    async def _review(self, volumes: Mapping[str, str]) -> None:
        mirror = await self._host.offload(self._manifest.mirror)
        before = json.loads(mirror.volumes) if mirror.volumes else volumes
        self._away = [normal(path) for path in remounted(before, volumes)]
        if await self._hold_away():
            return
        if mirror.hold_away and not self._away:
            await self._manifest.write(rows.end_hold, self._host.now())
            self._tell(Released("deletes are held no longer: the volumes are back; what is still gone is judged anew"))
        elif mirror.hold and not await self._host.offload(self._manifest.has_held):
            await self._manifest.write(rows.end_hold, self._host.now())
            self._tell(Released("deletes are held no longer: nothing is left to hold"))
        elif mirror.hold_away:
            return  # what is written down is what has to come back
        self._away = []
        if before != volumes or not mirror.volumes:
            await self._trust(volumes)

    async def _trust(self, volumes: Mapping[str, str]) -> None:
        await self._manifest.write(rows.trust, json.dumps(volumes, sort_keys=True))

    async def judge(self, unapproved: int) -> None:
        """Hold so many deletes, which are due and which no person has approved, where that must be."""
        if not unapproved or await self._hold_away():
            return
        mirror = await self._host.offload(self._manifest.mirror)
        reason = mirror.restored if mirror.gap else await self._guarded(unapproved)
        if reason is not None:
            await self._manifest.write(rows.hold, reason, self._host.now())
            self._tell(Held(reason))

    async def _guarded(self, unapproved: int) -> str | None:
        """Ask the guard, which does not count what was renamed and counts what went a moment ago."""
        now = self._host.now()
        if unapproved > BATCH and self._guard.has_limits:
            unapproved -= await self._manifest.write(rows.excuse_moved, now)
        recent = await self._host.offload(self._manifest.released, now - WINDOW_SECONDS, now + WINDOW_SECONDS)
        # Rows that want an upload are no files on the disk: the look that saw none may have come too late for them.
        files = await self._host.offload(self._manifest.files) if self.has_files else 0
        return hold_reason(self._guard, deletes=unapproved, recent=recent, files=files)

    async def is_in_doubt(self) -> bool:
        """Whether the rows were restored, and the cloud has not proved yet what the copy did not know.

        To be asked after a look at the whole tree. Where it has, that is written down: they are rows as all others.
        """
        if not self._may_be_restored:
            return False
        mirror = await self._host.offload(self._manifest.mirror)
        has_doubts: bool = await self._host.offload(self._manifest.has_doubts)
        if mirror.restored and has_doubts:
            return True
        # The loops ask side by side: what two of them have found is said by one.
        if mirror.restored and not mirror.gap and await self._manifest.write(rows.settled):
            source, _, _ = mirror.restored.partition(";")
            log.info("root %s: nothing is in doubt any more of what was %s", self._root, source)
        self._may_be_restored = bool(mirror.gap)
        return False

    async def _hold_away(self) -> bool:
        """Hold the deletes where another volume lies than before. Gives whether there are any."""
        if not self._away:
            return False
        directories = await self._host.offload(self._manifest.unapproved_deletes)
        if not any(covers(path, directory) for path in self._away for directory in directories):
            return False
        reason = away_reason(self._root, self._away)
        await self._manifest.write(rows.hold, reason, self._host.now(), away=self._away)
        self._tell(Held(reason))
        return True
