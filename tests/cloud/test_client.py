"""How the client asks, and what it makes of answers that are unusual, foreign or incomplete."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cloud.api import Link
from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import NoToken, SecretSource
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.errors import CloudError, LinkRejected, NoAnswer, Refused, Transient
from tests.cloud.contract import ENV, body
from tests.cloud.scripted import Received, answer, answering, json_answer, receive, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tcbsync.cloud.client import HttpCloud
    from tests.cloud.scripted import Handler

TOKEN = json_answer(access_token="A", expires_in=7200)
REJECTED = json_answer(errcode=40001, errmsg="invalid credential rid: 1-2-3")


@asynccontextmanager
async def scripted(handler: Handler, **settings: Any) -> AsyncGenerator[HttpCloud]:
    """Serve a handler as the whole service, without tokens unless `source` says otherwise."""
    source = settings.pop("source", NoToken())
    async with serving(handler) as url:
        cloud = open_cloud(CloudSettings(api_base=url, **settings), source)
        try:
            yield cloud
        finally:
            await cloud.close()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry_After": "120"}, 120),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "1e400"}, None),
        ({}, None),
    ],
)
async def test_ways_to_write_retry_after(headers: dict[str, str], expected: float | None) -> None:
    """Seconds or a date count, a date by the answer's own clock; anything else is no wish."""
    async with scripted(answering(answer(503, b"", **headers))) as cloud:
        with pytest.raises(Transient) as caught:
            await cloud.link(ENV, "a.txt")

    assert caught.value.retry_after == expected


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        ('"D41D8CD98F00B204E9800998ECF8427E"', "d41d8cd98f00b204e9800998ecf8427e"),
        ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
        ('"d41d8cd98f00b204e9800998ecf8427e-2"', None),
        ('"d41d8cd98f00b204e980"', None),
        ('""', None),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 204])
async def test_etags(status: int, etag: str, expected: str | None) -> None:
    """Each kind of success counts; an ETag that is no plain MD5 is none."""
    async with scripted(answering(answer(status, ETag=etag))) as cloud:
        link = Link("a.txt", "cloud://e.b/a.txt", cloud._wire.api("/upload"), "a", "t", "c")
        receipt = await cloud.send(link, body(b"x"))

    assert receipt.md5 == expected


NO_LINKS = {
    "a portal's page": answer(200, b"<html>log in</html>", Content_Type="text/html"),
    "a list": answer(200, b"[]"),
    "nothing": answer(200),
    "compressed, unasked, and broken": answer(200, b"no gzip", Content_Encoding="gzip"),
    "an errcode that is no number": json_answer(errcode="busy"),
    "a field is missing": json_answer(errcode=0, url="http://h/", authorization="a", token="t", file_id="f"),
    "a field is empty": json_answer(url="", authorization="a", token="t", file_id="f", cos_file_id="c"),
    "a field is a number": json_answer(url=1, authorization="a", token="t", file_id="f", cos_file_id="c"),
}


@pytest.mark.parametrize("name", NO_LINKS)
async def test_answers_that_prove_nothing(name: str) -> None:
    """A 200 that is not what was asked for is no answer."""
    async with scripted(answering(NO_LINKS[name])) as cloud:
        with pytest.raises(NoAnswer):
            await cloud.link(ENV, "a.txt")


def link_answer(file_id: str, url: str = "http://h/b-1/a.txt") -> bytes:
    """Write an answer of uploadfile."""
    return json_answer(url=url, authorization="a", token="t", file_id=file_id, cos_file_id="c")


@pytest.mark.parametrize(
    "file_id",
    [
        "f",
        f"cloud://{ENV}.b-1/b.txt",
        f"cloud://{ENV}.b-1/",
        f"cloud://{ENV}.b-2/a.txt",
        f"cloud://{ENV}.b-/a.txt",
        f"cloud://{ENV}./a.txt",
        "cloud://other.b-1/a.txt",
    ],
)
async def test_a_link_to_something_else(file_id: str) -> None:
    """A file id that is not of the path that was asked for is no answer: under it, nothing could be deleted again."""
    async with scripted(answering(link_answer(file_id), link_answer(f"cloud://{ENV}.b-1/a.txt"))) as cloud:
        with pytest.raises(NoAnswer, match="another file"):
            await cloud.link(ENV, "a.txt")

        assert (await cloud.link(ENV, "a.txt")).file_id == f"cloud://{ENV}.b-1/a.txt"


async def test_a_bucket_that_no_address_names() -> None:
    """Where addresses do not name the bucket, the service is believed when it says the same bucket once more."""
    async with scripted(answering(link_answer(f"cloud://{ENV}.b-1/a.txt", "http://h/elsewhere"))) as cloud:
        with pytest.raises(NoAnswer):
            await cloud.link(ENV, "a.txt")

        for _ in range(2):
            assert (await cloud.link(ENV, "a.txt")).file_id == f"cloud://{ENV}.b-1/a.txt"


async def test_a_file_id_may_be_escaped() -> None:
    """An id whose path comes percent-encoded is kept as it came."""
    file_id = f"cloud://{ENV}.b-1/%C3%A9%20b.txt"
    async with scripted(answering(link_answer(file_id))) as cloud:
        assert (await cloud.link(ENV, "é b.txt")).file_id == file_id


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://h/a", "http://", "http://h:99999/", "http://[/"])
async def test_a_link_that_leads_nowhere(url: str) -> None:
    """A link whose address is none is no answer."""
    async with scripted(answering(TOKEN)) as cloud:
        with pytest.raises(NoAnswer):
            await cloud.send(Link("a.txt", "f", url, "a", "t", "c"), body(b"x"))


async def test_how_a_question_is_asked() -> None:
    """JSON in raw UTF-8, the token under its configured name, escaped; the base's prefix and scheme kept."""
    seen: list[Received] = []
    token = json_answer(access_token="a/b+c=", expires_in=7200)
    file_id = f"cloud://{ENV}.b/图片/é.png"
    link = json_answer(url="http://h/b/", authorization="a", token="t", file_id=file_id, cos_file_id="c")

    async with scripted(
        answering(token, link, seen=seen),
        source=SecretSource("wx-1", "s"),
        token_parameter="cloudbase_access_token",
    ) as cloud:
        await cloud.link(ENV, "图片/é.png")

    asked = seen[1]
    assert asked.line == "POST /tcb/uploadfile?cloudbase_access_token=a%2Fb%2Bc%3D HTTP/1.1"
    assert asked.body == '{"env": "test-env", "path": "图片/é.png"}'.encode()
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"].startswith("tcbsync/")


async def test_no_cookie_is_kept() -> None:
    """A cookie that comes with an answer does not go back with the next question."""
    seen: list[Received] = []

    async with scripted(answering(answer(404, Set_Cookie="a=b; Path=/"), seen=seen)) as cloud:
        url = cloud._wire.api("/a.png").replace("127.0.0.1", "localhost")  # for a number, nobody would keep one anyway
        await cloud.head(url)
        await cloud.head(url)

    assert len(seen) == 2
    assert not [received for received in seen if "cookie" in received.headers]


async def test_no_token_no_parameter() -> None:
    """Without credentials the address has no token parameter at all."""
    seen: list[Received] = []

    async with scripted(answering(json_answer(file_list=[]), seen=seen)) as cloud:
        await cloud.downloads(ENV, ["cloud://e.b/a"])

    assert seen[0].target == "/tcb/batchdownloadfile"


async def test_64_rejected_calls_make_one_token_call() -> None:
    """64 calls that are rejected at once share one new token."""
    seen: list[Received] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received = await receive(reader)
            seen.append(received)
            tokens = sum("stable_token" in each.target for each in seen)
            if "stable_token" in received.target:
                writer.write(json_answer(access_token=f"T{tokens}", expires_in=7200))
            elif received.target.endswith("=T1"):
                writer.write(REJECTED)
            else:
                writer.write(json_answer(delete_list=[{"fileid": "f", "status": 0}]))

    async with scripted(serve, source=SecretSource("wx-1", "s")) as cloud:
        results = await asyncio.gather(*(cloud.delete(ENV, ["f"]) for _ in range(64)))

    assert all(deletion.is_gone for [deletion] in results)
    assert sum("stable_token" in each.target for each in seen) == 2


ITEMS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "there": ({"status": 0, "download_url": "https://h/a%20b"}, "https://h/a%20b", False),
    "no status": ({"download_url": "https://h/a"}, "https://h/a", False),
    "absent": ({"status": 1, "errmsg": "STORAGE_FILE_NONEXIST", "download_url": ""}, "", True),
    "absent for SDKs": ({"status": -503003, "errmsg": ""}, "", True),
    "status as text": ({"status": "0", "download_url": "https://h/a"}, "https://h/a", False),
    "another trouble": ({"status": 1, "errmsg": "STORAGE_EXCEED"}, "", False),
    "an empty URL": ({"status": 0, "download_url": ""}, "", False),
    "no URL": ({"status": 0}, "", False),
    "a status that is none": ({"status": None, "download_url": "https://h/a"}, "", False),
}


@pytest.mark.parametrize("name", ITEMS)
async def test_items_of_downloads(name: str) -> None:
    """An item has a URL, or is absent, or says what is wrong: never two of them, never none."""
    item, url, is_absent = ITEMS[name]
    listed = json_answer(file_list=[{"fileid": "other"}, "nonsense", {"fileid": "f", **item}])

    async with scripted(answering(listed)) as cloud:
        [download] = await cloud.downloads(ENV, ["f"])

    assert (download.url, download.is_absent) == (url, is_absent)
    assert bool(download.error) == (not url and not is_absent)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, LinkRejected), (500, Transient), (503, Transient), (302, NoAnswer), (400, Refused)]
)
async def test_a_head_that_fails(status: int, kind: type[CloudError]) -> None:
    """Only 404 means that there is nothing."""
    async with scripted(answering(answer(status))) as cloud:
        with pytest.raises(kind):
            await cloud.head(cloud._wire.api("/a.png"))


async def test_a_head_without_headers() -> None:
    """A download host that names neither size nor ETag leaves both open."""

    async def bare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")

    async with scripted(bare) as cloud:
        head = await cloud.head(cloud._wire.api("/a.png"))

    assert head is not None
    assert (head.size, head.md5) == (None, None)


@pytest.mark.parametrize("item", [{"fileid": "f"}, {"fileid": "f", "status": None}, {"fileid": "f", "state": 0}])
async def test_a_deletion_without_a_status(item: dict[str, Any]) -> None:
    """An item that does not say how it went proves nothing: its row must stay."""
    async with scripted(answering(json_answer(delete_list=[item]))) as cloud:
        [deletion] = await cloud.delete(ENV, ["f"])

    assert not deletion.is_gone
    assert deletion.error


async def test_a_deletion_that_nobody_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Where the service says that it deleted another file, a person is told: no row knows of that."""
    items = [{"fileid": name, "status": 0} for name in ("f", "g")]
    async with scripted(answering(json_answer(delete_list=items))) as cloud:
        [deletion] = await cloud.delete(ENV, ["f"])

    assert deletion.is_gone
    assert "names 1 file that was not asked for" in caplog.text
    assert "tcbsync verify" in caplog.text
