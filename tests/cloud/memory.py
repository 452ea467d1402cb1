"""A cloud in memory: keeps the promises of `api.Cloud` with no network, no clock and no dice of its own.

The rule: it answers as the service does (see tests/cloud/contract.py, which both pass); everything that goes wrong
is done by the `hook` that the test brings. The refusal: nothing happens by chance, nothing waits by itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

from tcbsync.cloud.api import BATCH, Body, Deletion, Download, Head, Link, Receipt
from tcbsync.cloud.content_type import content_type
from tcbsync.core.errors import FileChanged, LinkRejected, Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

Operation = Literal["link", "send", "downloads", "head", "delete"]
Moment = Literal["before", "amid", "after"]
"""before: nothing is done yet; amid: between two chunks of a body; after: it is done, and not yet answered."""

LINK_SECONDS = 900.0
_HOST = "https://memory.invalid/"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it arrives: what is asked, in which environment, for which keys."""

    operation: Operation
    env: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the cloud holds under one key."""

    content: bytes = field(repr=False)
    md5: str
    form: Mapping[str, str]


async def pieces_of(body: Body) -> AsyncIterator[bytes]:
    """Give a body's bytes as they come, those in memory at once."""
    if isinstance(body.chunks, bytes):
        yield body.chunks
        return
    async for chunk in body.chunks:
        yield chunk


class MemoryCloud:
    """A cloud whose objects are in `objects`, by (env, key), and whose calls are in `calls`, oldest first.

    `hook(moment, call)` is awaited at each moment of each call; it may wait, or raise what the caller shall get.
    `envs` narrows which environments there are; `clock` makes links expire.
    """

    def __init__(
        self,
        *,
        envs: Collection[str] | None = None,
        hook: Callable[[Moment, Call], Awaitable[None]] | None = None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.objects: dict[tuple[str, str], StoredObject] = {}
        self.calls: list[Call] = []
        self.is_closed = False
        self.hook = hook
        self._envs = envs
        self._clock = clock
        self._links: dict[str, tuple[str, float]] = {}

    async def link(self, env: str, key: str) -> Link:
        """Promise a place. Creates nothing."""
        call = await self._arrive("link", env, [key])
        secret = f"secret-{len(self._links)}"
        self._links[secret] = (env, self._clock() + LINK_SECONDS)
        await self._at("after", call)
        return Link(key, self.file_id(env, key), _HOST, secret, secret, secret)

    async def send(self, link: Link, body: Body) -> Receipt:
        """Take the bytes, all of them or none."""
        env, expires_at = self._links[link.authorization]
        call = await self._arrive("send", env, [link.key])
        if self._clock() > expires_at:
            raise LinkRejected(f"upload {link.key}: the link has expired", code="AccessDenied")
        content = bytearray()
        async for chunk in pieces_of(body):
            content += chunk
            await self._at("amid", call)
        if len(content) != body.size:
            raise FileChanged(f"{link.key}: {len(content)} bytes instead of {body.size}")
        md5 = hashlib.md5(content).hexdigest()
        form = {"Content-Type": content_type(link.key) or "", **body.form}
        stored = StoredObject(bytes(content), md5, {name: value for name, value in form.items() if value})
        self.objects[env, link.key] = stored
        await self._at("after", call)
        return Receipt(md5)

    async def downloads(self, env: str, file_ids: Sequence[str], max_age: int = 7200) -> list[Download]:
        """Say which of them are there, and where."""
        call = await self._arrive("downloads", env, [self.key(env, each) for each in file_ids])
        items = [
            Download(each, _HOST + quote(f"{env}/{key}"))
            if (env, key) in self.objects
            else Download(each, "", is_absent=True)
            for each, key in zip(file_ids, call.keys, strict=True)
        ]
        await self._at("after", call)
        return items

    async def head(self, url: str) -> Head | None:
        """Look at one object."""
        env, _, key = unquote(url.removeprefix(_HOST)).partition("/")
        call = await self._arrive("head", env, [key])
        stored = self.objects.get((env, key))
        await self._at("after", call)
        return None if stored is None else Head(len(stored.content), stored.md5)

    async def delete(self, env: str, file_ids: Sequence[str]) -> list[Deletion]:
        """Let go of them; what is not there is gone too."""
        call = await self._arrive("delete", env, [self.key(env, each) for each in file_ids])
        for key in call.keys:
            self.objects.pop((env, key), None)
        await self._at("after", call)
        return [Deletion(each, is_gone=True) for each in file_ids]

    async def close(self) -> None:
        """Refuse everything from now on."""
        self.is_closed = True

    def file_id(self, env: str, key: str) -> str:
        """Return the file id of a key. API docs: `cloud://<env>.<bucket>/<path>`."""
        return f"cloud://{env}.memory-{env}/{key}"

    def key(self, env: str, file_id: str) -> str:
        """Return the key in a file id."""
        return file_id.removeprefix(self.file_id(env, ""))

    async def _arrive(self, operation: Operation, env: str, keys: Sequence[str]) -> Call:
        assert not self.is_closed, "called after close()"
        if len(keys) > BATCH:
            raise ValueError(f"{len(keys)} files in one call: at most {BATCH}")
        call = Call(operation, env, tuple(keys))
        self.calls.append(call)
        await self._at("before", call)
        if self._envs is not None and env not in self._envs:
            error = Misconfigured(f"no environment {env}", code="-501005")
            error.env_only = True
            raise error
        return call

    async def _at(self, moment: Moment, call: Call) -> None:
        if self.hook is not None:
            await self.hook(moment, call)
