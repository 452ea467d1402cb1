"""What the engine needs from the cloud, as a protocol, and what each call promises.

Rules that hold for every call:

- All calls are safe to repeat: a link creates nothing, an upload overwrites, a delete of nothing succeeds.
- A call returns only what the cloud's own answer proves. Everything else is a `CloudError`, whose class says
  what to do (see `tcbsync.core.errors`); after any of them the request may or may not have been carried out.
- A call makes one attempt, but for one repetition after a refreshed token. Patience lives in `cloud.retry`.
- Cancelling a call abandons it; the connection it used is not used again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence

BATCH = 50
"""API docs: at most 50 files in one batchdownloadfile or batchdeletefile call."""


@dataclass(frozen=True, slots=True)
class Link:
    """The answer of uploadfile: a permission to send one object, once, within 15 minutes.

    Only `file_id` is for other rooms' eyes; the rest are secrets and stay out of `repr`.
    """

    key: str
    file_id: str
    url: str = field(repr=False)
    authorization: str = field(repr=False)
    security_token: str = field(repr=False)
    cos_file_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of one object: exactly `size` of them, or `chunks` raises."""

    size: int
    chunks: AsyncIterable[bytes] | bytes = field(repr=False)
    """All of them at once where they are in memory already."""
    form: Mapping[str, str] = field(default_factory=dict)
    """Further form fields, such as Cache-Control. Content-Type is filled in from the key where absent.

    A field with an empty text is left out, Content-Type too.
    """


async def in_one(data: bytes) -> AsyncIterator[bytes]:
    """Give what is in memory as a stream of one chunk."""
    yield data


@dataclass(frozen=True, slots=True)
class Receipt:
    """What object storage said of the object that it now holds.

    `md5` is the ETag in lower-case hex, or None where the ETag is not a plain MD5 (API docs: a `-n` suffix or
    another length is none).
    """

    md5: str | None


@dataclass(frozen=True, slots=True)
class Download:
    """One item of batchdownloadfile: `url` is empty and `is_absent` true where the cloud holds nothing.

    `url` is percent-encoded, ready for a request. It may hold a signature that lets anyone read the file.
    """

    file_id: str
    url: str
    is_absent: bool = False
    error: str = ""
    """The service's words where it neither gave a URL nor said that the object is absent."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One item of batchdeletefile. `is_gone`: deleted now, or was not there. Else `error` says why."""

    file_id: str
    is_gone: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What a HEAD on a download URL says. A CDN may be stale: this is a hint, not a proof."""

    size: int | None
    md5: str | None


class Cloud(Protocol):
    """The six things that can be asked of the cloud."""

    async def link(self, env: str, key: str) -> Link:
        """Ask where `key` may be sent. Creates nothing. Raises CloudError."""
        ...

    async def send(self, link: Link, body: Body) -> Receipt:
        """Send the bytes. Returns only if object storage answered 200, 201 or 204.

        Raises CloudError, or whatever `body.chunks` raised (a LocalError), unchanged.
        """
        ...

    async def downloads(self, env: str, file_ids: Sequence[str], max_age: int = 7200) -> list[Download]:
        """Ask for download URLs of at most BATCH ids, valid for `max_age` seconds.

        The answer has one item for each id, in the order asked; an id that the service left out of its answer
        comes back with `error`.
        """
        ...

    async def head(self, url: str) -> Head | None:
        """Ask the download host about one object; None where it answers 404."""
        ...

    async def delete(self, env: str, file_ids: Sequence[str]) -> list[Deletion]:
        """Delete at most BATCH objects. One item for each id, in the order asked; see `downloads`."""
        ...

    async def close(self) -> None:
        """Let go of all connections. Nothing may be called afterwards."""
        ...
