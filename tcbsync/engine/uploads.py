"""Sends files, one attempt after the other, until the cloud's own answer proves that it holds them.

The order of an attempt is the promise: read the row, read the file as one state, ask for a link, write the row, send,
compare the ETag with the MD5 of what was sent, write the proof. Cut it off anywhere and the row still says what is left
to do. Each attempt reads its row anew: what the cloud was sure to hold before the first one, it may not hold any more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tcbsync.cloud.api import Body
from tcbsync.core.errors import (
    CloudError,
    FileChanged,
    FileVanished,
    LocalError,
    NoAnswer,
    Refused,
    StateError,
    TcbsyncError,
    defect,
)
from tcbsync.core.events import Failed, Uploaded
from tcbsync.core.model import Found, State
from tcbsync.engine.brake import Closed
from tcbsync.engine.pace import LATER_SECONDS, excuses, later
from tcbsync.engine.reads import Large, Reads, Whole, Young
from tcbsync.engine.stream import Stream
from tcbsync.engine.tally import Flight
from tcbsync.local.digest import OpenFile, unsettled_seconds
from tcbsync.store import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tcbsync.cloud.api import Link, Receipt
    from tcbsync.core.model import Record
    from tcbsync.engine.bandwidth import Meter
    from tcbsync.engine.pace import Passage
    from tcbsync.engine.parts import Parts
    from tcbsync.engine.slots import Slots
    from tcbsync.store.manifest import Job

log = logging.getLogger(__name__)

LINK_SECONDS = 300.0
"""API docs: a link is valid for 15 minutes. One that has waited longer than this for its turn is asked for anew."""
WAITED_SECONDS = 1.0
"""A small file that has waited longer than this for its turn is looked at once more: it may be another by now."""
GROWING_SECONDS = (2, 5, 10, 20, 30)
"""When a file that changed or went away while it was read is tried again."""
STILL_SECONDS = 2.0
"""A streamed file that changed while it was sent is not begun again until it was left alone for so long."""
PERSISTENT = 10
"""Each so many attempts it is begun all the same."""


class Uploads:
    """Sends the files of one mirror."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._host = parts.host
        self._target = parts.target
        self._manifest = parts.manifest
        self._pace = parts.pace
        self._reads = Reads(parts.host, parts.target, parts.manifest)
        self._lacks_md5 = False
        """The last ETag was no MD5: it may have been damaged on the way, or the service has ceased to give any."""
        self._is_told = False
        """It has, and there is a line in the log."""

    async def upload(self, job: Job) -> None:
        """Make the cloud hold the file that is at `job.local` now. The manifest says how it went; nothing is raised."""
        try:
            await self._parts.retry(lambda: self._attempt(job))
        except Closed:
            return  # its row waits, with all others, for the service
        except FileVanished as error:
            await self._vanished(job, error)
        except FileChanged as error:
            await self._fail(job, "changing", error, later(GROWING_SECONDS, job.attempts))
        except LocalError as error:
            await self._fail(job, "unreadable", error, later(LATER_SECONDS, job.attempts))
            self._parts.look_again(job.local)  # it may be no file at all any more
        except Refused as error:
            await self._fail(job, error.code, error, None)
        except CloudError as error:
            if not excuses(error, self._pace, self._target.env):
                await self._fail(job, error.code, error, later(LATER_SECONDS, job.attempts))
        except StateError as error:
            self._pace.stalled(error)
        except Exception as error:
            log.exception("%s: a defect of this program", job.path)
            await self._fail(job, "internal", defect(error), later(LATER_SECONDS, job.attempts))

    async def _fail(self, job: Job, code: str, error: TcbsyncError, seconds: float | None) -> None:
        self._parts.tally.failures += 1
        await self._postpone(job, code, error, seconds)
        self._parts.tell(Failed(job.path, "upload", code, _reason(job, error), is_parked=seconds is None))

    async def _vanished(self, job: Job, error: FileVanished) -> None:
        """Let a look decide what is to be done; where that cannot say either, the row must not be due at once."""
        await self._postpone(job, "vanished", error, later(GROWING_SECONDS, job.attempts))
        await self._note(rows.vanished, job.path)
        for spelling in {job.local, job.path}:  # the same name may be there in other bytes now
            self._parts.look_again(spelling)

    async def _postpone(self, job: Job, code: str, error: TcbsyncError, seconds: float | None) -> None:
        due_at = None if seconds is None else self._host.now() + seconds
        await self._note(rows.fail_upload, job.path, code, _reason(job, error), due_at)

    async def _note(self, command: Callable[..., None], *values: object) -> None:
        try:
            await self._manifest.write(command, *values)
        except StateError as stalled:
            self._pace.stalled(stalled)

    async def _attempt(self, job: Job) -> None:
        self._pace.check(self._target.env, self._parts.brake)
        async with self._pace.bandwidth.share(job.size, self._parts.brake) as metered:
            turn = Turn(self._pace.upload_slots, metered, self._parts)
            try:
                await self._take(job, turn)
            finally:
                turn.end()
                self._parts.tally.flights.pop(job.path, None)

    async def _take(self, job: Job, turn: Turn) -> None:
        with self._host.heart.rest():  # the threads that read are watched
            taken = await self._reads.take(job)
            if isinstance(taken, Young):
                await asyncio.sleep(taken.seconds)
                taken = await self._reads.take(job, taken.fingerprint)
        match taken:
            case None:
                return  # somebody else has done it, or it is not wanted any more
            case Young():
                raise FileChanged(f"{job.path} changed before it could be read", hint="it is sent once it is quiet")
            case Whole(row, found, data):
                if found.digest == row.digest:
                    await self._touch(found)
                else:
                    await self._send(found, data, lambda: found, turn)
            case Large():
                await self._take_large(job, turn)

    async def _take_large(self, job: Job, turn: Turn) -> None:
        """Send a file that is read meanwhile. It is looked at only when its turn has come: that may take a while."""
        await turn.come()
        opened = await self._host.offload(self._open, job)
        if opened is not None:
            async with Stream(self._host, opened[1]) as stream:
                await self._stream(job, opened[0], stream, turn)

    def _open(self, job: Job) -> tuple[Record, OpenFile] | None:
        row = self._manifest.record(job.path)
        if row is None or row.state != State.UPLOAD:
            return None
        return row, OpenFile(self._target.root, job.path, job.local)

    async def _stream(self, job: Job, row: Record, stream: Stream, turn: Turn) -> None:
        fingerprint = stream.fingerprint
        if wait := unsettled_seconds(fingerprint, int(self._host.now() * 1e9)):
            await asyncio.sleep(wait)
        age = self._host.now() - fingerprint.mtime_ns / 1e9
        if job.attempts % PERSISTENT and 0 <= age < STILL_SECONDS:
            raise FileChanged(f"{job.path} is being written all the time", hint="it is sent once it is quiet")
        if row.digest is not None and fingerprint.size == row.size:
            found = await stream.read_through()
            if found.digest == row.digest:
                await self._touch(found)
                return
        chunks = self._noted(job.path, stream.chunks())
        await self._send(Found(job.path, fingerprint, job.local), chunks, stream.proof, turn)

    async def _noted(self, path: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for data in chunks:
            yield data
            self._parts.tally.sent(path, len(data), self._host.now())

    async def _touch(self, found: Found) -> None:
        if await self._manifest.write(rows.prove, found, self._host.now()):
            self._parts.tally.touches += 1
        else:
            self._parts.look_again(found.local)

    async def _send(
        self, found: Found, chunks: AsyncIterator[bytes] | bytes, sent: Callable[[], Found], turn: Turn
    ) -> None:
        """Ask for the link ahead, send when it is this file's turn, and prove it."""
        env = self._target.env
        clock = asyncio.get_running_loop().time
        with self._pace.passage(env, self._parts.brake) as way:
            link, asked_at = await self._link(found, way), clock()
            await turn.come()
            way.still_open(is_paid=True)  # what was found out while this one waited holds for it
            has_waited = clock() - asked_at > WAITED_SECONDS
            if has_waited and isinstance(chunks, bytes) and not await self._host.offload(self._is_same, found):
                self._parts.look_again(found.local)
                raise Closed  # those bytes are old by now
            if link is not None and clock() - asked_at > LINK_SECONDS:
                link = await self._link(found, way)
            if link is None:
                self._parts.look_again(found.local)  # decided otherwise just before this attempt took the path
                raise Closed
            self._parts.tally.flights[found.path] = Flight(found.fingerprint.size, self._host.now())
            way.through(self._pace.upload_slots)
            body = Body(found.fingerprint.size, turn.metered(chunks), self._target.form)
            receipt = await self._parts.cloud.send(link, body)
        turn.end()
        await self._prove(sent(), receipt)

    async def _link(self, found: Found, way: Passage) -> Link | None:
        """Ask for a link, and write down that something may come to be there. None: the row does not want that."""
        slots = self._pace.link_slots
        async with self._pace.holding(slots, self._parts.brake):
            way.still_open()
            way.through(slots)
            link = await self._parts.cloud.link(self._target.env, self._target.prefix + found.path)
            slots.succeed(self._host.now())
        return link if await self._manifest.write(rows.sending, found, link.file_id) else None

    def _is_same(self, found: Found) -> bool:
        """Whether the file is still the one that was read."""
        try:
            with OpenFile(self._target.root, found.path, found.local) as file:
                return file.fingerprint == found.fingerprint
        except LocalError:
            return False

    async def _prove(self, proof: Found, receipt: Receipt) -> None:
        assert proof.digest is not None, "a file that was read has a digest"
        lacked_md5, self._lacks_md5 = self._lacks_md5, receipt.md5 is None
        if receipt.md5 is None:
            if not lacked_md5:
                raise NoAnswer(f"the cloud gave no MD5 as ETag of {proof.path}", code="ETag")
            if not self._is_told:
                log.warning("%s: the cloud gave no MD5 as ETag; taken as it is, and so is what follows", proof.path)
        elif receipt.md5 != proof.digest.hex():
            raise NoAnswer(f"the cloud holds other bytes of {proof.path} than were sent", code="ETag")
        self._is_told = receipt.md5 is None
        if not await self._manifest.write(rows.prove, proof, self._host.now()):
            self._parts.look_again(proof.local)
            return
        self._parts.tally.uploaded(proof.path, proof.fingerprint.size, self._host.now())
        self._parts.tell(Uploaded(proof.path, proof.fingerprint.size, proof.digest.hex()))


class Turn:
    """One upload's claim to a slot: it comes once, and ends once. What it sends passes through `metered`."""

    def __init__(self, slots: Slots, metered: Meter, parts: Parts) -> None:
        self.metered = metered
        self._heart = parts.host.heart
        self._brake = parts.brake
        self._slots = slots
        self._has_come = False

    async def come(self) -> None:
        """Wait until there is a slot, unless this one has it already. Raises Closed if a person has stopped it."""
        if not self._has_come:
            with self._heart.rest():  # who has the slots is watched
                await self._slots.acquire(self._brake)
            self._has_come = True

    def end(self) -> None:
        """Give the slot back, if it is here."""
        if self._has_come:
            self._has_come = False
            self._slots.release()


def _reason(job: Job, error: TcbsyncError) -> str:
    """Say why a file failed. Its path stands beside it, wherever that is read."""
    return error.reason.removeprefix(f"{job.path} ")
