"""Reads a large file while it is sent: hashed in the thread that reads it, one chunk ahead of the wire.

The rule: the last bytes leave only if all of them were one state of the file. The refusal: it holds two chunks, and
never a third; and it does not close the file while a thread still reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from tcbsync.core.errors import FileChanged
from tcbsync.local.digest import CHUNK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from tcbsync.core.model import Fingerprint, Found
    from tcbsync.engine.host import Host
    from tcbsync.local.digest import OpenFile

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Stream:
    """The bytes of one open file, which is closed at the end of the block."""

    def __init__(self, host: Host, file: OpenFile) -> None:
        self._host = host
        self._file = file
        self._reading: asyncio.Future[Any] | None = None
        self._found: Found | None = None
        self._is_over = False
        self.fingerprint: Fingerprint = file.fingerprint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        if self._reading is not None:
            with contextlib.suppress(Exception):
                await self._reading
        self._file.close()

    async def read_through(self) -> Found:
        """Read all of it, for its digest alone; then start again from the first byte. Raises LocalError."""

        def work() -> Found:
            while self._file.read():
                if self._is_over:
                    raise FileChanged("nobody waits for it any more")
            found = self._file.finish()
            self._file.rewind()
            return found

        return await asyncio.shield(self._begin(work))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes. Raises LocalError, before the last of them where the file changed meanwhile."""
        left = self.fingerprint.size
        reading = self._begin(self._next, left)
        while True:
            data = await asyncio.shield(reading)  # whoever gives up leaves the thread to end by itself
            left -= len(data)
            if not left:
                break
            reading = self._begin(self._next, left)
            yield data
        yield data

    def proof(self) -> Found:
        """Give the file as it was while all of it was read."""
        assert self._found is not None, "asked before the last chunk"
        return self._found

    def _begin(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> asyncio.Future[Result]:
        self._reading = reading = asyncio.ensure_future(self._host.offload(work, *arguments, **named))
        return reading

    def _next(self, left: int) -> bytes:
        data = self._file.read(min(CHUNK, left))
        if left and not data:
            raise FileChanged("the file became shorter while it was sent")
        if len(data) == left:
            self._found = self._file.finish()
        return data
