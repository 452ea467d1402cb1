"""Deletes objects whose files are gone, in batches, after a grace, under the guard, and never before the uploads.

Rule: at the moment a delete is sent, the disk has just said once more that the file is not there, and the manifest has
durably noted that the object is not sure any more. The row goes when the cloud has confirmed.
"""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import TYPE_CHECKING

from tcbsync.cloud.api import BATCH
from tcbsync.core.batch import batches, release_at
from tcbsync.core.errors import CloudError, Refused, StateError, defect
from tcbsync.core.events import Deleted, Failed
from tcbsync.core.model import State
from tcbsync.engine.brake import Closed
from tcbsync.engine.pace import LATER_SECONDS, excuses, later
from tcbsync.store import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tcbsync.cloud.api import Deletion
    from tcbsync.engine.holds import Holds
    from tcbsync.engine.parts import Parts
    from tcbsync.local.scan import Disk
    from tcbsync.store.manifest import Job

log = logging.getLogger(__name__)

ROUND = 20_000
"""At most so many deletes are taken up at once. Before each round, all that wait are counted, and so are the files."""
UNSEEN_SECONDS = 0.25
"""Where deletes wait for a look at something else, it is asked so often whether that has happened."""
UNSURE_SECONDS = 60.0
"""A file that cannot be seen to be gone is looked at again after this."""
PARK_ATTEMPTS = 8
"""A delete that was refused so often waits for a person."""


class Deletes:
    """Deletes the objects of one mirror."""

    def __init__(self, parts: Parts, holds: Holds, opened: Callable[[], Disk | None]) -> None:
        """Take the pieces; `opened` gives the root under the ignore rules of now, None while it cannot be had."""
        self._parts = parts
        self._opened = opened
        self._host = parts.host
        self._target = parts.target
        self._manifest = parts.manifest
        self._pace = parts.pace
        self._busy = parts.busy
        self._holds = holds

    async def round(self, *, grace_seconds: float, unseen_since: float) -> float | None:
        """Do what may go now. Gives the seconds until it is worth to come again; None: when something has changed.

        `unseen_since`: what was noticed then, or later, was not looked at yet (unix seconds). A delete that was noted
        since may be the half of a rename whose other half is there.
        """
        now = self._host.now()
        window = await self._host.offload(self._manifest.delete_window, now)
        if not window.unapproved + window.approved:
            return None
        if wait := self._pace.wait_seconds(self._target.env, uploads=False):
            return wait
        grace = max(0.0, release_at(window.oldest, window.newest, grace_seconds) - now)
        if not grace:
            await self._holds.judge(window.unapproved)
        if not window.approved and (grace or window.oldest >= unseen_since):
            return min(grace, grace_seconds) or UNSEEN_SECONDS
        # What has been noted since the window was described was not judged, and had no grace.
        judged_until = -inf if grace else window.newest
        due = await self._due(now)
        jobs = [job for job in due if job.is_approved or (job.since <= judged_until and job.since < unseen_since)]
        if not jobs:
            return min(grace, grace_seconds) or (None if unseen_since == inf else UNSEEN_SECONDS)
        # While as many as there are slots are with the service, others are made ready and written down.
        room = asyncio.Semaphore(3 * self._pace.delete_slots.limit)
        results = await asyncio.gather(*(self._delete(batch, room) for batch in batches(jobs, BATCH)))
        return 0.0 if any(results) else 1.0

    async def _due(self, now: float) -> list[Job]:
        """Take the deletes that may go now: no upload that was planned before them may still be under way."""
        is_full = self._pace.stores.get(self._target.env)
        upload_since = await self._host.offload(self._manifest.oldest_upload, now)
        if is_full is not None and is_full.state == "full":
            upload_since = None  # uploads wait for room, and deletes make it
        jobs = await self._host.offload(self._manifest.jobs, State.DELETE, now, ROUND + len(self._busy))
        jobs = [job for job in jobs if upload_since is None or job.since < upload_since]

        sizes = await self._host.offload(self._manifest.upload_sizes, {job.size for job in jobs})
        return [job for job in jobs if job.size not in sizes]

    async def _delete(self, jobs: Sequence[Job], room: asyncio.Semaphore) -> bool:
        """Delete one batch. The manifest says how it went; nothing is raised. Gives whether anything went."""
        async with room:
            # Asked only now: while this batch waited for its turn, files may have come back and gone up.
            free = [job for job in jobs if job.path not in self._busy]
            with self._busy.holding(job.path for job in free):
                try:
                    return await self._delete_free(free)
                except StateError as error:
                    self._pace.stalled(error)
        return False

    async def _delete_free(self, jobs: Sequence[Job]) -> bool:
        try:
            # Each one passes the gates and looks at the disk anew: much may have happened while the last one failed.
            return await self._parts.retry(lambda: self._attempt(jobs))
        except Closed:
            return False  # the rows wait for the service, as all others do
        except CloudError as error:
            if not excuses(error, self._pace, self._target.env, uploads=False):
                await self._fail(jobs, error.code, error.reason, is_final=isinstance(error, Refused))
        except StateError:
            raise
        except Exception as error:
            log.exception("a batch of %d deletes: a defect of this program", len(jobs))
            await self._fail(jobs, "internal", str(defect(error)), is_final=False)
        return False

    async def _attempt(self, jobs: Sequence[Job]) -> bool:
        env, brake = self._target.env, self._parts.brake
        self._pace.check(env, brake, uploads=False)
        # What was decided before the paths were held is in the rows by then.
        decided = {job.path: job.since for job in jobs}  # a file may have come, gone up, and gone again meanwhile
        ready = dict(await self._manifest.write(rows.deleting, list(decided), decided))
        async with self._pace.holding(self._pace.delete_slots, brake):
            gone = await self._surely_gone([job for job in jobs if job.path in ready])
            paths = {ready[job.path]: job.path for job in gone}
            if not paths:
                return len(ready) < len(jobs)
            with self._pace.passage(env, brake, uploads=False):
                deletions = await self._parts.cloud.delete(env, list(paths))
        removed = [paths[deletion.file_id] for deletion in deletions if deletion.is_gone]
        await self._manifest.write(rows.remove, removed, self._host.now())
        self._parts.tally.deleted(removed, self._host.now())
        for path in removed:
            self._parts.tell(Deleted(path))
        await self._note_refused(gone, paths, [deletion for deletion in deletions if not deletion.is_gone])
        return bool(removed)

    async def _surely_gone(self, jobs: Sequence[Job]) -> list[Job]:
        """Look at row and disk once more. A path that is alive again is looked at as if it had just changed."""
        disk = self._opened()

        def check() -> list[tuple[Job, bool]] | None:
            if disk is None or disk.volumes() != self._holds.volumes:
                return None
            rows_now = self._manifest.records_at(job.path for job in jobs)  # they may be held since
            wanted = [job for job in jobs if job.path in rows_now and rows_now[job.path].state == State.DELETE]
            return [(job, disk.surely_absent(job.local)) for job in wanted]

        try:
            checked = await self._host.offload(check)
        except OSError:
            checked = None
        if checked is None:  # the root is not what it was when it was looked at: nothing in it proves anything
            self._parts.look_again("")
            return []
        for job, is_gone in checked:
            if not is_gone:
                reason = "the file is there again, or cannot be looked at"
                due_at = self._host.now() + UNSURE_SECONDS
                await self._manifest.write(rows.fail, job.path, "present", reason, due_at)
                self._parts.look_again(job.local)
        return [job for job, is_gone in checked if is_gone]

    async def _note_refused(self, jobs: Sequence[Job], paths: dict[str, str], refused: list[Deletion]) -> None:
        by_path = {job.path: job for job in jobs}
        for deletion in refused:
            job = by_path[paths[deletion.file_id]]
            await self._fail([job], "delete", deletion.error, is_final=job.attempts >= PARK_ATTEMPTS)

    async def _fail(self, jobs: Sequence[Job], code: str, reason: str, *, is_final: bool) -> None:
        self._parts.tally.failures += len(jobs)
        for job in jobs:
            due_at = None if is_final else self._host.now() + later(LATER_SECONDS, job.attempts)
            await self._manifest.write(rows.fail, job.path, code, reason, due_at)
            self._parts.tell(Failed(job.path, "delete", code, reason, is_parked=is_final))
