"""The download host: GET, HEAD, ranges, conditions, and the private mode."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tcbsync.emulator.server import Behaviours
from tests.emulator.caller import ENV, file_id

if TYPE_CHECKING:
    from tests.emulator.caller import Answer, Caller, Clock
    from tests.emulator.conftest import Served


async def fetch(caller: Caller, key: str, method: str = "GET", query: str = "", **headers: str) -> Answer:
    """Ask for the URL that batchdownloadfile gives, its path quoted as a client must."""
    base = f"{caller.emulator.url}/files/7465-{ENV}-{file_id('').split('-')[-1]}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await caller.request(method, base + quote(key) + query, headers=named)


async def test_get(caller: Caller) -> None:
    """A GET gives bytes, type, quoted ETag, date, and the form's own headers."""
    await caller.upload("a.txt", b"123456789", {"Cache-Control": "max-age=60", "x-cos-meta-colour": "red"})

    answer = await fetch(caller, "a.txt")

    assert (answer.status, answer.body) == (200, b"123456789")
    wanted = {
        "ETag": '"25f9e794323b453885f5181f1b624d0b"',
        "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "Content-Type": "text/plain",
        "Content-Length": "9",
        "Accept-Ranges": "bytes",
        "x-cos-hash-crc64ecma": "11051210869376104954",
        "cache-control": "max-age=60",
        "x-cos-meta-colour": "red",
    }
    assert {name: answer.headers.get(name) for name in wanted} == wanted


async def test_type_is_the_forms(caller: Caller) -> None:
    """The form's Content-Type goes before the key's extension."""
    await caller.upload("a.txt", form={"Content-Type": "application/wasm"})

    answer = await fetch(caller, "a.txt")

    assert answer.headers["Content-Type"] == "application/wasm"


async def test_head(caller: Caller) -> None:
    """A HEAD says the same without the bytes."""
    await caller.upload("a", b"x" * 5000)

    answer = await fetch(caller, "a", "HEAD")

    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "5000")
    assert answer.headers["ETag"]


@pytest.mark.parametrize("key", ["目录/图 1.png", "a#b?c%20d&e+f.txt", "a/é", "a'b\"c<d>"])
async def test_quoted_paths(caller: Caller, key: str) -> None:
    """Any key arrives when its path is percent-quoted."""
    await caller.upload(key, key.encode())

    answer = await fetch(caller, key)

    assert (answer.status, answer.body.decode()) == (200, key)


@pytest.mark.parametrize(
    ("asked", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=0-9", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
    ],
)
async def test_ranges(
    caller: Caller, asked: str, status: int, content: bytes | None, content_range: str | None
) -> None:
    """A single range is 206, one beyond the end 416; anything else gives the whole."""
    await caller.upload("a", b"0123456789")

    answer = await fetch(caller, "a", Range=asked)

    assert (answer.status, answer.headers.get("Content-Range")) == (status, content_range)
    assert content is None or answer.body == content


async def test_range_of_a_large_object(caller: Caller) -> None:
    """Large objects are streamed from the right place."""
    content = bytes(range(256)) * 4096
    await caller.upload("a", content)

    whole, part = await fetch(caller, "a"), await fetch(caller, "a", Range="bytes=1000-900000")

    assert (whole.body, part.body) == (content, content[1000:900_001])


async def test_if_none_match(caller: Caller) -> None:
    """A known ETag is 304 without a body, another one the whole."""
    etag = (await caller.upload("a")).headers["ETag"]

    known, other = await fetch(caller, "a", If_None_Match=etag), await fetch(caller, "a", If_None_Match='"0"')

    assert [(known.status, known.body), (other.status, other.body)] == [(304, b""), (200, b"content")]


async def test_missing(caller: Caller) -> None:
    """A key that is not there is 404 in XML."""
    answer = await fetch(caller, "no")

    assert answer.status == 404
    assert b"<Code>NoSuchKey</Code>" in answer.body


async def test_private(served: Served, clock: Clock) -> None:
    """In private mode a URL is signed, holds for max_age, and is 403 without or after it."""
    async with served(behaviours=Behaviours(is_private=True)) as caller:
        await caller.upload("a b", b"secret")
        url = (await caller.downloads(file_id("a b")))[0]["download_url"]
        query = "?" + url.partition("?")[2]

        statuses = [(await fetch(caller, "a b", query=each)).status for each in (query, "", "?sign=0&t=1", query + "0")]
        clock.now += 60
        late = await fetch(caller, "a b", query=query)

    assert statuses == [200, 403, 403, 403]
    assert (late.status, b"Request has expired" in late.body) == (403, True)


async def test_quoted_download_url(served: Served) -> None:
    """By switch, the path in download_url comes quoted."""
    async with served(behaviours=Behaviours(is_download_url_unescaped=False)) as caller:
        await caller.upload("图 1")
        item = (await caller.downloads(file_id("图 1")))[0]

    assert item["download_url"].endswith("/%E5%9B%BE%201")
