"""Waits until the cloud has proved all that was saved before a moment. Asks for a look, and starts nothing else.

Three steps. A look that begins after that moment covers the scope; of what it did not decide (a file that settles, a
path that an operation is under way for) each path is covered by a later look; and then no row at or beneath the scope
is left that wanted something at that time. What is changed meanwhile is another matter: it is not waited for.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from tcbsync.core.keys import normal
from tcbsync.core.model import covers

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.answers import Wanting
    from tcbsync.store.report import Report


EVENT_SECONDS = 0.05
"""Events that are on their way tell which files were closed. What is looked at without them has to settle first."""


class Flush:
    """What was saved at or beneath one scope, as the disk spells it, before this was made."""

    def __init__(self, mirror: Mirror, report: Report, scope: str) -> None:
        self.mirror = mirror
        self._report = report
        self._scope = normal(scope)
        self._unseen = {scope}
        self._uploads_until = self._deletes_until = inf
        self._has_held = False
        self.unseen = 1
        """How many paths had to be looked at still when `wanting` counted last: until then nothing is proved."""
        self.problems: list[str] = []
        """Why paths at, beneath or above the scope could not be judged: nobody knows what has to be proved there."""

    async def begin(self) -> None:
        """Ask for the look: at the whole tree, where the ignore rules may have changed what belongs to the scope."""
        await asyncio.sleep(EVENT_SECONDS)
        if await self.mirror.looks.has_new_rules():
            self._unseen = {""}
        self.mirror.looks.awaited.add(self)  # only now: a look that began before may have gone by older rules
        self.mirror.hint([(path, True) for path in self._unseen])

    def __repr__(self) -> str:
        return f"<Flush of {self.mirror.name}:{self._scope}, {len(self._unseen)} not seen yet>"

    def close(self) -> None:
        """Wait no longer."""
        self.mirror.looks.awaited.discard(self)

    def looked(self, scopes: Sequence[str], again: Collection[str]) -> None:
        """Note a look that began after this was made."""
        seen = {path for path in self._unseen if any(covers(scope, path) for scope in scopes)}
        if seen:
            pairs = ((path, normal(path), normal(above)) for path in again for above in seen)
            left = {path for path, one, other in pairs if covers(other, one) or covers(one, other)}
            self._unseen = (self._unseen - seen) | left

    async def wanting(self) -> Wanting:
        """Count what is not proved yet. Raises StateError."""
        offload = self.mirror.parts.host.offload
        # First: when a look has judged such a path after all, what that wants is in the rows before this is taken away.
        self.problems = await offload(self._report.problems_about, self._scope, blocking=True)
        self.unseen = len(self._unseen)
        if self.unseen or self.problems:
            self._uploads_until = self._deletes_until = inf
            return await offload(self._report.wanting, self._scope, inf, inf)
        if self._uploads_until == inf:
            found = await offload(self._report.wanting, self._scope, inf, inf)
            # Not the clock: it may have been set back since they were noted.
            self._uploads_until = self._deletes_until = found.latest
        else:
            found = await offload(self._report.wanting, self._scope, self._uploads_until, self._deletes_until)
        if self._has_held and not found.held:  # what was released, or approved, is noted anew
            found = await offload(self._report.wanting, self._scope, self._uploads_until, inf)
            self._deletes_until = max(self._deletes_until, found.latest)
        self._has_held = bool(found.held)
        return found
