"""The object store's POST: what it takes, what it refuses, and what is on disk afterwards."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tcbsync.emulator.server import Behaviours
from tests.emulator.caller import BOUNDARY, ENV, begin, fields, file_id, multipart, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.caller import Answer, Caller, Clock
    from tests.emulator.conftest import Served


def code(answer: Answer) -> tuple[int, str]:
    """Name status and XML code of a refusal."""
    error = ET.fromstring(answer.body)
    assert [child.tag for child in error] == ["Code", "Message", "Resource", "RequestId"]
    return answer.status, error.findtext("Code") or ""


async def test_upload(caller: Caller, tmp_path: Path) -> None:
    """An upload is 204 with the quoted MD5, crc64 and a request id, and lies in the folder under its own name."""
    answer = await caller.upload("site/a.png", b"123456789")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["ETag"] == f'"{hashlib.md5(b"123456789").hexdigest()}"'
    assert answer.headers["x-cos-hash-crc64ecma"] == str(0x995DC9BBDF1939FA)
    assert answer.headers["x-cos-request-id"]
    assert (tmp_path / "data" / ENV / "site" / "a.png").read_bytes() == b"123456789"
    assert caller.emulator.objects()[ENV, "site/a.png"].content_type == "image/png"


@pytest.mark.parametrize("size", [0, 1, 5000, 70_000, 3_000_000])
async def test_sizes(caller: Caller, size: int) -> None:
    """Whatever its size, an object comes back byte for byte, also where it holds most of a boundary."""
    content = (b"\r\n--" + BOUNDARY.encode()[:-1] + b"x" * 997)[:size] * (size // 1000 + 1)

    answer = await caller.upload("a.bin", content)

    assert answer.headers["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert caller.emulator.read(ENV, "a.bin") == content


@pytest.mark.parametrize("asked", ["200", "201", "204", "999"])
async def test_success_action_status(caller: Caller, asked: str) -> None:
    """success_action_status chooses between 200, 201 and 204."""
    answer = await caller.upload("a", form={"success_action_status": asked})

    assert answer.status == int(asked.replace("999", "204"))


async def test_overwrite(caller: Caller) -> None:
    """An upload to an existing key replaces it at once."""
    await caller.upload("a", b"old")

    await caller.upload("a", b"new")

    assert caller.emulator.read(ENV, "a") == b"new"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Signature": ""}, (403, "AccessDenied")),
        ({"Signature": "q-sign-algorithm=sha1"}, (403, "AccessDenied")),
        ({"Signature": "x&q-sign-time=1;2&q-signature=0"}, (403, "SignatureDoesNotMatch")),
        ({"x-cos-security-token": "wrong"}, (403, "AccessDenied")),
        ({"x-cos-security-token": ""}, (403, "AccessDenied")),
        ({"key": "other"}, (403, "AccessDenied")),
        ({"key": "a" * 851}, (400, "KeyTooLong")),
        ({"key": "/a"}, (400, "InvalidArgument")),
        ({"key": ""}, (400, "InvalidArgument")),
        ({"Content-MD5": base64.b64encode(bytes(16)).decode()}, (400, "BadDigest")),
        ({"Content-MD5": "nonsense"}, (400, "InvalidDigest")),
    ],
)
async def test_refused_fields(caller: Caller, change: dict[str, str], expected: tuple[int, str]) -> None:
    """A wrong key, signature, token or Content-MD5 is refused in XML, and nothing is stored."""
    answer = await caller.upload("a", form=change)

    assert code(answer) == expected
    assert caller.emulator.objects() == {}


async def test_right_content_md5(caller: Caller) -> None:
    """A right Content-MD5 passes."""
    digest = base64.b64encode(hashlib.md5(b"content").digest()).decode()

    answer = await caller.upload("a", form={"Content-MD5": digest})

    assert answer.status == 204


@pytest.mark.parametrize(("seconds", "status"), [(899, 204), (900, 403)])
async def test_link_expires(caller: Caller, clock: Clock, seconds: int, status: int) -> None:
    """A link holds 900 seconds, then it is AccessDenied: Request has expired."""
    link = await caller.link("a")

    clock.now += seconds
    answer = await caller.post(link, multipart(fields("a", link), b"x"))

    assert answer.status == status
    assert status == 204 or b"<Message>Request has expired</Message>" in answer.body


@pytest.mark.parametrize(("checked", "status"), [("start", 204), ("end", 403)])
async def test_link_expires_on_the_way(served: Served, clock: Clock, checked: Any, status: int) -> None:
    """Whether a link's time counts at the start or at the end of a long upload is a switch."""
    async with served(behaviours=Behaviours(link_checked=checked)) as caller:
        link = await caller.link("a")
        body = multipart(fields("a", link), b"x" * 200_000)
        reader, writer = await begin(caller, link["url"], len(body), body[:100_000])
        await until(lambda: caller.emulator.counters.at_once["cos"] == 1)
        await asyncio.sleep(0.02)
        clock.now += 1000
        writer.write(body[100_000:])
        line = await reader.readline()
        writer.close()

    assert line.split()[1] == str(status).encode()


async def test_without_fileid(caller: Caller) -> None:
    """Without the right x-cos-meta-fileid an object is stored, but the API says that it does not exist."""
    await caller.upload("none", form={"x-cos-meta-fileid": ""})
    await caller.upload("wrong", form={"x-cos-meta-fileid": "AAAA"})

    items = await caller.downloads(file_id("none"), file_id("wrong"))

    assert [item["errmsg"] for item in items] == ["STORAGE_FILE_NONEXIST"] * 2
    assert [stored.has_fileid for stored in caller.emulator.objects().values()] == [False, False]
    await caller.upload("none")
    assert (await caller.downloads(file_id("none")))[0]["status"] == 0


@pytest.mark.parametrize(
    "content_type",
    [f'multipart/form-data; boundary="{BOUNDARY}"', "multipart/form-data", "application/json", f"boundary={BOUNDARY}"],
)
async def test_boundary(caller: Caller, content_type: str) -> None:
    """A quoted boundary, or none, is a malformed request."""
    link = await caller.link("a")
    body = multipart(fields("a", link), b"x")

    answer = await caller.request("POST", link["url"], data=body, headers={"Content-Type": content_type})

    assert code(answer) == (400, "MalformedPOSTRequest")


async def test_file_is_last(caller: Caller) -> None:
    """A field after `file` is a malformed request."""
    link = await caller.link("a")
    late = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="late"\r\n\r\nx\r\n'

    answer = await caller.post(link, multipart(fields("a", link), b"x", after=late))

    assert code(answer) == (400, "MalformedPOSTRequest")
    assert caller.emulator.objects() == {}


@pytest.mark.parametrize("cut", [-4, -20, 100, 3])
async def test_malformed_body(caller: Caller, cut: int) -> None:
    """A body that is whole by its Content-Length, but not by its boundaries, is malformed."""
    link = await caller.link("a")

    answer = await caller.post(link, multipart(fields("a", link), b"x" * 20)[:cut])

    assert code(answer) == (400, "MalformedPOSTRequest")
    assert caller.emulator.objects() == {}


async def test_no_file(caller: Caller) -> None:
    """A form without `file` is refused."""
    link = await caller.link("a")
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n--{BOUNDARY}--\r\n'

    answer = await caller.post(link, body.encode())

    assert code(answer) == (400, "InvalidArgument")


async def test_chunked(caller: Caller) -> None:
    """A body without Content-Length is 411."""
    link = await caller.link("a")

    async def chunks() -> Any:
        yield multipart(fields("a", link), b"x")

    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = await caller.request("POST", link["url"], data=chunks(), headers=headers)

    assert code(answer) == (411, "MissingContentLength")


async def test_method_and_bucket(caller: Caller) -> None:
    """PUT is 405; a bucket that is none is 404."""
    link = await caller.link("a")
    wrong = {**link, "url": link["url"].replace("7465", "0000")}

    put = await caller.request("PUT", link["url"], data=b"x")
    post = await caller.post(wrong, multipart(fields("a", link), b"x"))

    assert [code(put), code(post)] == [(405, "MethodNotAllowed"), (404, "NoSuchBucket")]


async def test_too_large(served: Served) -> None:
    """An object over the limit is EntityTooLarge."""
    async with served(behaviours=Behaviours(max_object_bytes=10)) as caller:
        answer = await caller.upload("a", b"x" * 11)

    assert code(answer) == (400, "EntityTooLarge")


async def test_filename_is_substituted(caller: Caller) -> None:
    """`${filename}` in the key becomes the file's name."""
    link = await caller.link("a/pic.png")
    form = fields("a/${filename}", link)

    wrong = await caller.post(link, multipart(form, b"x", filename="other"))
    right = await caller.post(link, multipart(form, b"x", filename="pic.png"))

    assert [wrong.status, right.status] == [403, 204]
    assert list(caller.emulator.objects()) == [(ENV, "a/pic.png")]


async def test_extra_fields_can_be_refused(served: Served) -> None:
    """By switch, form fields that the link did not ask for are AccessDenied."""
    async with served(behaviours=Behaviours(are_extra_fields_accepted=False)) as caller:
        bare = await caller.upload("a")
        extra = await caller.upload("a", form={"Cache-Control": "no-cache"})

    assert [bare.status, extra.status] == [204, 403]
