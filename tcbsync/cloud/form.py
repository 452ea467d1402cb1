"""The form that object storage takes: multipart/form-data, made by hand, its length known beforehand.

The rules (COS, POST Object): Content-Length is required; `file` comes last, with a constant ASCII file name; the
boundary stands unquoted; the key is raw UTF-8. The refusal: a key that COS would rewrite (`${filename}`), and a
file that has not exactly the bytes that were announced.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import httpx

from tcbsync.cloud.api import in_one
from tcbsync.cloud.content_type import content_type
from tcbsync.cloud.outgoing import PIECE, closed
from tcbsync.core.errors import FileChanged, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.cloud.api import Body, Link

_FILE = 'Content-Disposition: form-data; name="file"; filename="file"'
"""Without a type of its own: COS ignores it, and octet-stream would be a guess."""


class Form(httpx.AsyncByteStream):
    """One link and one body as a request body of `size` bytes, to be read once."""

    def __init__(self, link: Link, body: Body) -> None:
        if "${filename}" in link.key:
            raise Refused(f"{link.key}: COS would put a file name in place of ${{filename}}", hint="rename it")
        boundary = secrets.token_hex(16)
        fields = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields_of(link, body).items()
        )
        self._key = link.key
        self._body = body
        self._head = f"{fields}--{boundary}\r\n{_FILE}\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.media_type = f"multipart/form-data; boundary={boundary}"
        self.size = len(self._head) + body.size + len(self._tail)

    @property
    def whole(self) -> bytes | None:
        """All of it, where the file is in memory already and the form small enough to leave in one piece."""
        data = self._body.chunks
        if isinstance(data, bytes) and len(data) == self._body.size and self.size <= PIECE:
            return self._head + data + self._tail
        return None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the form. A small file that is in memory leaves in one piece; a stream keeps its own measure."""
        held, left = self._head, self._body.size
        chunks = self._body.chunks
        most = 0
        if isinstance(chunks, bytes):
            chunks, most = in_one(chunks), PIECE
        try:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    break
                if len(held) + len(chunk) > most:
                    yield held
                    held = chunk
                else:
                    held += chunk
        finally:
            await closed(chunks)
        # The closing boundary goes out only behind a whole file: a torn one can never become an object.
        if left != 0:
            raise FileChanged(f"{self._key}: the file has not the {self._body.size} bytes that were announced")
        yield held + self._tail


def fields_of(link: Link, body: Body) -> dict[str, str]:
    """Return the form's fields in their order, without `file`. A field of `body.form` that is empty is left out."""
    extra = dict(body.form)
    media_type = extra.pop("Content-Type", None)
    if media_type is None:
        media_type = content_type(link.key) or ""
    fields = {
        "key": link.key,
        "Signature": link.authorization,
        "x-cos-security-token": link.security_token,
        "x-cos-meta-fileid": link.cos_file_id,
    }
    optional = {"Content-Type": media_type, **extra}
    return fields | {name: value for name, value in optional.items() if value}
