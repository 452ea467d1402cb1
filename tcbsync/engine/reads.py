"""Takes up files that are to be sent: the row first, then the file, and of a small one all its bytes.

The rule: a visit to a worker thread costs more than reading a small file, so those who come in the same turn of the
loop go there together. A disk that is slow is visited by several groups at once, by a few threads at most: one that
hangs must leave threads to the other mirrors. The refusal: nothing stays open, and nothing of a large file is read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.errors import FileChanged
from tcbsync.core.model import State
from tcbsync.local.digest import OpenFile, unsettled_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcbsync.core.model import Fingerprint, Found, Record
    from tcbsync.engine.host import Host
    from tcbsync.engine.parts import Target
    from tcbsync.store.manifest import Job, Manifest

SMALL = 256 * 1024
"""Files up to this size are read once: the bytes that are hashed are the bytes that are sent."""
GROUP = 16
"""At most so many files in one visit."""
VISITS = 6
"""At most so many visits at once, of one mirror."""


class Whole(NamedTuple):
    """A small file, read as one state."""

    row: Record
    found: Found
    data: bytes


class Young(NamedTuple):
    """A small file that changed so lately that it cannot be read as one state before these seconds are over."""

    fingerprint: Fingerprint
    seconds: float


class Large(NamedTuple):
    """A file that is read while it is sent."""


Taken = Whole | Young | Large | None
"""None: the row does not want to be sent any more."""


class _Request(NamedTuple):
    job: Job
    waited_for: Fingerprint | None
    future: asyncio.Future[Taken]


class Reads:
    """Reads the files of one mirror."""

    def __init__(self, host: Host, target: Target, manifest: Manifest) -> None:
        self._host = host
        self._target = target
        self._manifest = manifest
        self._waiting: list[_Request] = []
        self._visits: set[asyncio.Task[None]] = set()
        self._name = host.heart.apart(f"reading in {target.root}")

    def take(self, job: Job, waited_for: Fingerprint | None = None) -> asyncio.Future[Taken]:
        """Read the row of `job` and its file. Raises LocalError, StateError.

        A file that still has the fingerprint `waited_for` is not young any more.
        """
        loop = asyncio.get_running_loop()
        request = _Request(job, waited_for, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._set_out)
        self._waiting.append(request)
        return request.future

    def _set_out(self) -> None:
        while self._waiting and len(self._visits) < VISITS:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            visit = asyncio.get_running_loop().create_task(self._visit(group), name="read", context=self._name)
            self._visits.add(visit)
            visit.add_done_callback(self._return)

    def _return(self, visit: asyncio.Task[None]) -> None:
        self._visits.discard(visit)
        self._set_out()

    async def _visit(self, group: Sequence[_Request]) -> None:
        try:
            taken = await self._host.offload(self._read, group)
        except Exception as error:  # noqa: BLE001 - it is theirs who asked
            taken = [error] * len(group)
        for request, result in zip(group, taken, strict=True):
            if request.future.done():
                continue  # cancelled
            if isinstance(result, Exception):
                request.future.set_exception(result)
            else:
                request.future.set_result(result)

    def _read(self, group: Sequence[_Request]) -> list[Taken | Exception]:
        rows = self._manifest.records_at([request.job.path for request in group])
        return [self._read_one(request, rows.get(request.job.path)) for request in group]

    def _read_one(self, request: _Request, row: Record | None) -> Taken | Exception:
        if row is None or row.state != State.UPLOAD:
            return None
        try:
            with OpenFile(self._target.root, request.job.path, request.job.local) as file:
                if file.fingerprint.size > SMALL:
                    return Large()
                seconds = unsettled_seconds(file.fingerprint, int(self._host.now() * 1e9))
                if seconds and file.fingerprint != request.waited_for:
                    return Young(file.fingerprint, seconds)
                data = _read_whole(file)
                return Whole(row, file.finish(), data)
        except Exception as error:  # noqa: BLE001 - the others of the group have nothing to do with it
            return error


def _read_whole(file: OpenFile) -> bytes:
    data = file.read(SMALL + 1)
    while len(data) < file.fingerprint.size and (more := file.read()):
        data += more
    if len(data) != file.fingerprint.size:
        raise FileChanged("the file changed its size while it was read")
    return data
