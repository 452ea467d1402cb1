"""Reads a multipart/form-data body as strictly as the object store does, at constant memory.

Rules (COS docs, POST Object; RFC 7578): the boundary stands unquoted in Content-Type; all fields come before
`file`; `file` is last; the body ends with the closing boundary.
Refusal: anything else is 400 MalformedPOSTRequest. No encodings, no nested parts, no preamble.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tcbsync.emulator.replies import CosError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

MAX_FIELDS_BYTES = 64 * 1024

_CONTENT_TYPE = re.compile(r"multipart/form-data\s*;\s*boundary=([^\s\";,]{1,70})\s*(?:;.*)?", re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:\s*form-data\s*;(.*)$", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(rb'(?:^|[;\s])name="?([^";\r]+)"?', re.IGNORECASE)
_FILENAME = re.compile(rb'[;\s]filename="?([^";\r]*)"?', re.IGNORECASE)


def malformed(message: str) -> CosError:
    """Refuse a body that is no form."""
    return CosError(400, "MalformedPOSTRequest", message)


def boundary(content_type: str) -> bytes:
    """Find the boundary in a Content-Type; raises CosError if there is none or it stands in quotes."""
    match = _CONTENT_TYPE.fullmatch(content_type.strip())
    if match is None:
        raise malformed("The body of your POST request is not well-formed multipart/form-data.")
    return match[1].encode()


class Multipart:
    """One body. Call `fields` first, then `content` to its end.

    `pull` returns the next bytes of the body, b"" after the last one.
    """

    def __init__(self, pull: Callable[[], Awaitable[bytes]], boundary: bytes) -> None:
        self.filename = ""
        self._pull = pull
        self._delimiter = b"\r\n--" + boundary
        # The first boundary has no line before it: lend it one, so that all are alike.
        self._buffer = b"\r\n"
        self._taken = 0

    async def fields(self) -> dict[str, str]:
        """Read all fields, up to the first byte of `file`. Raises CosError."""
        fields: dict[str, str] = {}
        if await self._until(self._delimiter) != b"":
            raise malformed("The body does not begin with the boundary.")
        while True:
            line = await self._until(b"\r\n")
            if line.startswith(b"--"):
                raise CosError(400, "InvalidArgument", "POST requires exactly one file upload per request.")
            if line:
                raise malformed("A boundary is followed by something else than a line's end.")
            name, filename = _names(await self._until(b"\r\n\r\n"))
            if name == "file":
                self.filename = filename
                return fields
            if name in fields:
                raise malformed(f"The field {name} is there twice.")
            fields[name] = _text(await self._until(self._delimiter))

    async def content(self) -> AsyncIterator[bytes]:
        """Give the bytes of `file`; raises CosError if they do not end with the closing boundary."""
        window, kept = self._buffer, len(self._delimiter) - 1
        while (end := window.find(self._delimiter)) < 0:
            if len(window) > kept:
                yield window[:-kept]
                window = window[-kept:]
            chunk = await self._pull()
            if not chunk:
                raise malformed("The body ends without the closing boundary.")
            window += chunk
        if end:
            yield window[:end]
        rest = window[end + len(self._delimiter) :]
        while chunk := await self._pull():
            rest += chunk
            if len(rest) > MAX_FIELDS_BYTES:
                break
        if rest not in (b"--", b"--\r\n"):
            raise malformed("The field file is not the last one of the form.")

    async def _until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark)) < 0:
            chunk = await self._pull()
            self._taken += len(chunk)
            if not chunk:
                raise malformed("The body ends within a field.")
            self._buffer += chunk
            if self._taken > MAX_FIELDS_BYTES and self._buffer.find(mark) < 0:
                raise CosError(400, "MaxPostPreDataLengthExceeded", "The fields before the file are too large.")
        taken, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return taken


def _names(head: bytes) -> tuple[str, str]:
    disposition = _DISPOSITION.search(head)
    name = _NAME.search(disposition[1]) if disposition else None
    if disposition is None or name is None:
        raise malformed("A part has no Content-Disposition with a name.")
    filename = _FILENAME.search(disposition[1])
    return _text(name[1]), _text(filename[1]) if filename else ""


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise malformed("A field is not UTF-8.") from None
