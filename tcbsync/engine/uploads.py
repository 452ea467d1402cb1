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
from tcbsync.engine.pace import LATER_SECONDS, Closed, excuses, later
from tcbsync.local.digest import CHUNK, OpenFile, unsettled_seconds
from tcbsync.store import rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tcbsync.core.model import Record
    from tcbsync.engine.parts import Parts
    from tcbsync.store.manifest import Job

log = logging.getLogger(__name__)

SMALL = CHUNK
"""Files up to this size are read once: the bytes that are hashed are the bytes that are sent."""
GROWING_SECONDS = (2, 5, 10, 20, 30)
"""When a file that changed or went away while it was read is tried again."""
STILL_SECONDS = 2.0
"""A streamed file that changed while it was sent is not begun again until it was left alone for so long."""
PERSISTENT = 10
"""Each so many attempts it is begun all the same; and so many failures of a file are told to the log as warnings."""


class Uploads:
    """Sends the files of one mirror."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._host = parts.host
        self._target = parts.target
        self._manifest = parts.manifest
        self._pace = parts.pace
        self._lacks_md5 = False
        """The last ETag was no MD5: it may have been damaged on the way, or the service has ceased to give any."""

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
        level = logging.WARNING if job.attempts < PERSISTENT else logging.DEBUG  # `tcbsync failed` goes on telling
        log.log(level, "%s: %s", job.path, error, extra={"code": code})
        await self._postpone(job, code, error, seconds)
        self._parts.tell(Failed(job.path, "upload", code, str(error), is_parked=seconds is None))

    async def _vanished(self, job: Job, error: FileVanished) -> None:
        """Let a look decide what is to be done; where that cannot say either, the row must not be due at once."""
        await self._postpone(job, "vanished", error, later(GROWING_SECONDS, job.attempts))
        await self._note(rows.vanished, job.path)
        for spelling in {job.local, job.path}:  # the same name may be there in other bytes now
            self._parts.look_again(spelling)

    async def _postpone(self, job: Job, code: str, error: TcbsyncError, seconds: float | None) -> None:
        due_at = None if seconds is None else self._host.now() + seconds
        await self._note(rows.fail_upload, job.path, code, str(error), due_at)

    async def _note(self, command: Callable[..., None], *values: object) -> None:
        try:
            await self._manifest.write(command, *values)
        except StateError as stalled:
            self._pace.stalled(stalled)

    async def _attempt(self, job: Job) -> None:
        if self._parts.brake.is_on or self._pace.wait_seconds(self._target.env):
            raise Closed
        opened = await self._host.offload(self._open, job)
        if opened is None:
            return  # somebody else has done it, or it is not wanted any more
        row, file = opened
        try:
            if wait := unsettled_seconds(file.fingerprint, int(self._host.now() * 1e9)):
                await asyncio.sleep(wait)
            if file.fingerprint.size <= SMALL:
                await self._attempt_small(row, file)
            else:
                await self._attempt_large(job, row, file)
        finally:
            file.close()

    def _open(self, job: Job) -> tuple[Record, OpenFile] | None:
        row = self._manifest.record(job.path)
        if row is None or row.state != State.UPLOAD:
            return None
        return row, OpenFile(self._target.root, job.path, job.local)

    async def _attempt_small(self, row: Record, file: OpenFile) -> None:
        data, found = await self._host.offload(_read_whole, file)
        if found.digest == row.digest:
            await self._touch(found)
            return

        await self._send(found, data, lambda: found)

    async def _attempt_large(self, job: Job, row: Record, file: OpenFile) -> None:
        age = self._host.now() - file.fingerprint.mtime_ns / 1e9
        if job.attempts % PERSISTENT and 0 <= age < STILL_SECONDS:
            raise FileChanged(f"{job.path} is being written all the time", hint="it is sent once it is quiet")
        if row.digest is not None and file.fingerprint.size == row.size:
            found = await self._host.offload(_read_through, file)
            if found.digest == row.digest:
                await self._touch(found)
                return
            file.rewind()
        sent: list[Found] = []

        async def chunks() -> AsyncIterator[bytes]:
            left = file.fingerprint.size
            while left:
                data = await self._host.offload(file.read, min(CHUNK, left))
                left -= len(data)
                if not data:
                    raise FileChanged(f"{job.path} became shorter while it was sent")
                if not left:  # the last bytes leave only if all of them were one state
                    sent.append(await self._host.offload(file.finish))
                yield data

        await self._send(Found(job.path, file.fingerprint, job.local), chunks(), lambda: sent[0])

    async def _touch(self, found: Found) -> None:
        if await self._manifest.write(rows.prove, found, self._host.now()):
            self._parts.tally.touches += 1
        else:
            self._parts.look_again(found.local)

    async def _send(self, found: Found, chunks: AsyncIterator[bytes] | bytes, sent: Callable[[], Found]) -> None:
        env, key = self._target.env, self._target.prefix + found.path
        with self._pace.passage(env):
            link = await self._parts.cloud.link(env, key)
            if not await self._manifest.write(rows.sending, found, link.file_id):
                self._parts.look_again(found.local)  # decided otherwise just before this attempt took the path
                return
            receipt = await self._parts.cloud.send(link, Body(found.fingerprint.size, chunks, self._target.form))
        proof = sent()
        assert proof.digest is not None, "a file that was read has a digest"
        lacked_md5, self._lacks_md5 = self._lacks_md5, receipt.md5 is None
        if receipt.md5 is None:
            if not lacked_md5:
                raise NoAnswer(f"the cloud gave no MD5 as ETag of {found.path}", code="ETag")
            log.warning("%s: the cloud gave no MD5 as ETag; taken as it is", found.path)
        elif receipt.md5 != proof.digest.hex():
            raise NoAnswer(f"the cloud holds other bytes of {found.path} than were sent", code="ETag")
        await self._manifest.write(rows.prove, proof, self._host.now())
        self._parts.tally.uploads += 1
        self._parts.tally.upload_bytes += found.fingerprint.size
        self._parts.tell(Uploaded(found.path, found.fingerprint.size, proof.digest.hex()))


def _read_whole(file: OpenFile) -> tuple[bytes, Found]:
    data = file.read(SMALL + 1)
    while len(data) < file.fingerprint.size and (more := file.read()):
        data += more
    if len(data) != file.fingerprint.size:
        raise FileChanged("the file changed its size while it was read")
    return data, file.finish()


def _read_through(file: OpenFile) -> Found:
    while file.read():
        pass
    return file.finish()
