"""`flush`: waits for what was saved before the call, and says when that is proved, or why it will not be.

It ends when all is proved, when only a person can help (deletes are held, files are parked, the mirror is paused, the
root cannot be seen), or when its time is over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tcbsync.engine.flush import Flush

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.answers import Wanting
    from tcbsync.store.report import Report

POLL_SECONDS = 0.05
POLL_SHARE = 20
"""To count takes a while where there is much: no more than one part in so many of the time."""
SHOWN = 50
"""At most so many files are named."""


class Flushing:
    """One mirror's part of a flush, and what is known of it."""

    def __init__(self, mirror: Mirror, report: Report, scope: str) -> None:
        self._mirror = mirror
        self._report = report
        self._scope = scope
        self._flush = Flush(mirror, report, scope)
        self.why = "time"
        """What keeps it from being proved: "" (it is), held, failed, paused, stopped, service, or time (under way)."""
        self.is_over = False
        self._wanting: Wanting | None = None

    async def begin(self) -> None:
        """Ask for the look."""
        await self._flush.begin()

    def close(self) -> None:
        """Wait no longer."""
        self._flush.close()

    @staticmethod
    async def together(works: Sequence[Flushing], seconds: float | None) -> AsyncIterator[dict[str, Any]]:
        """Give `{"progress": …}` when something has changed, and in the end `{"result": …}`.

        `seconds`: how long to wait for proof; None: only until everything was looked at.
        """
        clock = asyncio.get_running_loop().time
        began, said = clock(), None
        await asyncio.gather(*(work.begin() for work in works))
        while True:
            started = clock()
            for work in works:
                await work.step()
            progress = [work.progress() for work in works]
            if progress != said:
                yield {"progress": progress}
                said = progress
            is_seen = all(work.is_over or not work.unseen for work in works)
            if all(work.is_over for work in works) or (is_seen if seconds is None else clock() - began >= seconds):
                break
            pause = max(POLL_SECONDS, POLL_SHARE * (clock() - started))
            await asyncio.sleep(pause if seconds is None else max(0.0, min(pause, began + seconds - clock())))
        yield {"result": [await work.result() for work in works]}

    @property
    def unseen(self) -> int:
        """How many paths have to be looked at before it is known what has to be proved."""
        return self._flush.unseen

    async def step(self) -> None:
        """Look at the rows once more, unless it is over."""
        if self.is_over:
            return
        mirror = self._mirror
        wanting = self._wanting = await self._flush.wanting()
        if mirror.parts.brake.is_stopping:
            self.why, self.is_over = "stopped", True
        elif mirror.looks.root_problem:
            self.why, self.is_over = "held", True
        elif self.unseen:
            self.why = "time"
        else:
            self.why, self.is_over = self._judge(wanting)

    def _judge(self, wanting: Wanting) -> tuple[str, bool]:
        gate = self._mirror.parts.pace.closed(self._mirror.parts.target.env)
        under_way = wanting.uploads + wanting.deletes
        told = (
            (not wanting.total and not self._flush.problems, "", True),
            (under_way > 0 and self._mirror.parts.brake.is_on, "paused", True),
            (under_way > 0 and gate is not None, "service", False),
            (under_way > wanting.later, "time", False),
            (under_way > 0, "failed", False),
            (wanting.held > 0, "held", True),
        )
        return next(((why, is_over) for is_true, why, is_over in told if is_true), ("failed", True))

    def progress(self) -> dict[str, Any]:
        """Say how far it is."""
        counts = self._wanting._asdict() if self._wanting else {}
        counts.pop("latest", None)
        return {"mirror": self._mirror.name, "path": self._scope, "unseen": self.unseen, **counts}

    async def result(self) -> dict[str, Any]:
        """Say what came of it, with the files that are not proved."""
        gate = self._mirror.parts.pace.closed(self._mirror.parts.target.env)
        files = []
        if self.why:
            found = await self._mirror.parts.host.offload(self._report.failures_beneath, self._scope, SHOWN)
            files = [each._asdict() for each in found]
        reason = {
            "held": self._mirror.looks.root_problem or self._report.hold(),
            "service": gate.reason if gate else "",
            "failed": self._flush.problems[0] if self._flush.problems else "",
            "stopped": "the mirror was taken out, or is configured otherwise by now; flush again",
            "paused": f"`tcbsync resume {self._mirror.name}` lets it go on",
        }.get(self.why, "")
        service = gate.state if gate else "ok"
        return {**self.progress(), "why": self.why, "reason": reason, "service": service, "files": files}
