"""A clock that a test can move, and a caller that speaks the protocol by hand."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yarl import URL

if TYPE_CHECKING:
    import aiohttp
    from multidict import CIMultiDictProxy

    from tcbsync.emulator.server import Emulator

ENV = "test2-4a89da"
APPID_NUMBER = "1265716355"
BOUNDARY = "emulator-test-boundary"

Form = list[tuple[str, str]]


@dataclass(slots=True)
class Clock:
    """Unix seconds that move when a test says so."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Answer:
    """What came back: status, headers, and the body as bytes."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Caller:
    """Speaks to one emulator."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.token = ""

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        """Send any request; `url` may be a path."""
        target = url if url.startswith("http") else self.emulator.url + url
        # As it stands: a key may hold what URLs would take for a way up.
        address = URL(target, encoded=target.isascii())
        async with self.session.request(method, address, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def stable(self, **fields: Any) -> dict[str, Any]:
        """Call cgi-bin/stable_token."""
        body = {"grant_type": "client_credential", "appid": "wx1", "secret": "s", **fields}
        answer: dict[str, Any] = (await self.request("POST", "/cgi-bin/stable_token", json=body)).json
        return answer

    async def plain(self, **fields: str) -> dict[str, Any]:
        """Call cgi-bin/token."""
        query = {"grant_type": "client_credential", "appid": "wx1", "secret": "s", **fields}
        answer: dict[str, Any] = (await self.request("GET", "/cgi-bin/token", params=query)).json
        return answer

    async def call(self, name: str, **fields: Any) -> dict[str, Any]:
        """Call tcb/NAME with a token, in raw UTF-8."""
        if not self.token:
            self.token = (await self.stable())["access_token"]
        body = json.dumps({"env": ENV, **fields}, ensure_ascii=False).encode()
        path = f"/tcb/{name}?access_token={self.token}"
        answer: dict[str, Any] = (await self.request("POST", path, data=body)).json
        return answer

    async def link(self, key: str) -> dict[str, Any]:
        """Call uploadfile."""
        return await self.call("uploadfile", path=key)

    async def post(self, link: dict[str, Any], body: bytes) -> Answer:
        """Send a whole multipart body to a link."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return await self.request("POST", link["url"], data=io.BytesIO(body), headers=headers)

    async def upload(self, key: str, content: bytes = b"content", form: dict[str, str] | None = None) -> Answer:
        """Take a link and send an object as the documents say."""
        link = await self.link(key)
        return await self.post(link, multipart(fields(key, link, form), content))

    async def downloads(self, *file_ids: str, **more: Any) -> list[dict[str, Any]]:
        """Call batchdownloadfile; returns its items."""
        files = [{"fileid": each, "max_age": 60, **more} for each in file_ids]
        items: list[dict[str, Any]] = (await self.call("batchdownloadfile", file_list=files))["file_list"]
        return items

    async def delete(self, *file_ids: str) -> list[dict[str, Any]]:
        """Call batchdeletefile; returns its items."""
        items: list[dict[str, Any]] = (await self.call("batchdeletefile", fileid_list=list(file_ids)))["delete_list"]
        return items


def fields(key: str, link: dict[str, Any], change: dict[str, str] | None = None) -> Form:
    """List the form fields of an upload; a `change` to "" leaves a field out."""
    form = {
        "key": key,
        "Signature": link["authorization"],
        "x-cos-security-token": link["token"],
        "x-cos-meta-fileid": link["cos_file_id"],
        **(change or {}),
    }
    return [(name, value) for name, value in form.items() if value]


def multipart(form: Form, content: bytes, filename: str = "file", after: str = "") -> bytes:
    """Write a body by hand, `file` last unless something comes `after` it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    return "".join([*parts, head]).encode() + content + f"\r\n{after}--{BOUNDARY}--\r\n".encode()


def file_id(key: str, env: str = ENV) -> str:
    """Write the id of an object of appid wx1, as the emulator numbers it."""
    return f"cloud://{env}.{env[:2].encode().hex()}-{env}-{APPID_NUMBER}/{key}"


async def begin(
    caller: Caller, url: str, length: int, start: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of an upload and the start of its body over a bare socket."""
    host, _, path = url.removeprefix("http://").partition("/")
    address, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    head = (
        f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    writer.write(head.encode() + start)
    await writer.drain()
    return reader, writer


async def until(holds: Any) -> None:
    """Wait until something holds, at most two seconds."""
    async with asyncio.timeout(2):
        while not holds():
            await asyncio.sleep(0.005)
