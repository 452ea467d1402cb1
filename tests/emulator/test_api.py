"""The JSON calls: what is checked, what is answered, item by item."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator import names
from tcbsync.emulator.server import Behaviours
from tests.emulator.caller import APPID_NUMBER, ENV, fields, file_id, multipart

if TYPE_CHECKING:
    from tests.emulator.caller import Caller, Clock
    from tests.emulator.conftest import Served

RID = re.compile(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")


async def test_link(caller: Caller) -> None:
    """A link has url, token, authorization and both ids; asking for it creates nothing."""
    link = await caller.link("目录/a b#1?.png")

    assert (link["errcode"], link["errmsg"]) == (0, "ok")
    assert link["file_id"] == f"cloud://{ENV}.7465-{ENV}-{APPID_NUMBER}/目录/a b#1?.png"
    assert link["url"].startswith(f"{caller.emulator.url}/cos/7465-{ENV}-{APPID_NUMBER}/%E7%9B%AE")
    assert link["token"]
    assert link["authorization"].startswith("q-sign-algorithm=sha1&q-ak=")
    assert caller.emulator.objects() == {}


def test_vendors_example() -> None:
    """File ids are built and read as the vendor's examples show them, with and without account number."""
    example = "cloud://test2-4a89da.7465-test2-4a89da-1258717764/testupload"

    assert names.file_id(ENV, "1258717764", "testupload") == example
    assert names.parse_file_id(example) == names.FileId(ENV, "1258717764", "testupload")
    assert names.parse_file_id("cloud://test2-4a89da.7465-test2-4a89da/A.png") == names.FileId(ENV, "", "A.png")


@pytest.mark.parametrize(
    ("method", "query", "body", "errcode"),
    [
        ("POST", "", b"{}", 41001),
        ("POST", "?access_token=wrong", b"{}", 40001),
        ("GET", "?access_token=TOKEN", b"", 43002),
        ("POST", "?access_token=TOKEN", b"", 44002),
        ("POST", "?access_token=TOKEN", b"{", 47001),
        ("POST", "?access_token=TOKEN", b"[]", 47001),
        ("POST", "?access_token=TOKEN", b"\xff\xfe{", 47001),
        ("POST", "?access_token=TOKEN", b'{"env": "e1"}', 40101),
        ("POST", "?access_token=TOKEN", b'{"path": "a"}', 40101),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": 1}', 40097),
        ("POST", "?access_token=TOKEN", b'{"env": "e2", "path": "a"}', -501005),
        ("POST", "?access_token=TOKEN", b'{"env": "../e1", "path": "a"}', -501005),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": ""}', -501007),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": "/a"}', -501007),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": "a//b"}', -501007),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": "a\\u0019"}', -501007),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": "a\\ud800"}', -501007),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": "' + b"a" * 851 + b'"}', -501007),
        ("POST", "?access_token=TOKEN", b'{"env": "e1", "path": "' + b"a" * 850 + b'"}', 0),
        ("POST", "?cloudbase_access_token=TOKEN", b'{"env": "e1", "path": "a"}', 0),
    ],
)
async def test_checks(served: Served, method: str, query: str, body: bytes, errcode: int) -> None:
    """Token, method, body, fields, env and path are checked, each with its errcode in an HTTP 200."""
    async with served(env="e1") as caller:
        token = (await caller.stable())["access_token"]
        answer = await caller.request(method, f"/tcb/uploadfile{query.replace('TOKEN', token)}", data=body)

    assert answer.status == 200
    assert answer.json["errcode"] == errcode
    assert not errcode or RID.search(answer.json["errmsg"])


async def test_unknown_path(caller: Caller) -> None:
    """A path that is no call is errcode 40066."""
    answer = await caller.request("POST", "/tcb/databasequery", data=b"{}")

    assert (answer.status, answer.json["errcode"]) == (200, 40066)


async def test_no_token_needed(served: Served) -> None:
    """By switch, calls need no token, as in WeChat Cloud Run's open API service."""
    async with served(behaviours=Behaviours(is_token_required=False)) as caller:
        answer = await caller.request("POST", "/tcb/uploadfile", json={"env": ENV, "path": "a"})

    assert answer.json["errcode"] == 0


async def test_downloads(caller: Caller) -> None:
    """Each id of a batch has its own status; missing is 1 and NONEXIST with an empty URL."""
    await caller.upload("目录/a b.png", b"x")
    ids = [
        file_id("目录/a b.png"),
        file_id("no"),
        "nonsense",
        file_id("a", "other-env"),
        f"cloud://{ENV}.7465-{ENV}/no",
    ]

    items = await caller.downloads(*ids)

    assert [item["fileid"] for item in items] == ids
    assert [item["status"] for item in items] == [0, 1, 1, 1, 1]
    assert items[0]["download_url"].endswith("/目录/a b.png")
    assert (items[1]["download_url"], items[1]["errmsg"]) == ("", "STORAGE_FILE_NONEXIST")
    assert [item["errmsg"] for item in items[2:4]] == ["INVALID_PARAM", "STORAGE_EXCEED_AUTHORITY"]


async def test_deletes(caller: Caller) -> None:
    """A delete removes the object; one of nothing is status 1 and NONEXIST."""
    await caller.upload("a/b")

    first = await caller.delete(file_id("a/b"), file_id("a/c"))

    assert [(item["status"], item["errmsg"]) for item in first] == [(0, "ok"), (1, "STORAGE_FILE_NONEXIST")]
    assert caller.emulator.objects() == {}


async def test_delete_of_nothing_can_be_ok(served: Served) -> None:
    """By switch, a delete of nothing is status 0."""
    async with served(behaviours=Behaviours(missing_delete_status=0)) as caller:
        items = await caller.delete(file_id("no"))

    assert items == [{"fileid": file_id("no"), "status": 0, "errmsg": "ok"}]


@pytest.mark.parametrize(("number", "errcode"), [(0, 40097), (50, 0), (51, 40097)])
async def test_cap(caller: Caller, number: int, errcode: int) -> None:
    """A batch holds 1 to 50 ids."""
    ids = [file_id(str(position)) for position in range(number)]

    deletion = await caller.call("batchdeletefile", fileid_list=ids)
    download = await caller.call("batchdownloadfile", file_list=[{"fileid": each, "max_age": 9} for each in ids])

    assert [deletion["errcode"], download["errcode"]] == [errcode, errcode]


@pytest.mark.parametrize("max_age", [0, -1, "7200", True, 1e9])
async def test_max_age(caller: Caller, max_age: object) -> None:
    """max_age is a whole number within its range, or 40097."""
    answer = await caller.call("batchdownloadfile", file_list=[{"fileid": file_id("a"), "max_age": max_age}])

    assert answer["errcode"] == 40097


async def test_escaped_path_is_lost(caller: Caller) -> None:
    r"""A Chinese path that came as \uXXXX uploads, but the API does not know it afterwards."""
    caller.token = (await caller.stable())["access_token"]
    body = json.dumps({"env": ENV, "path": "图.png"}).encode()

    link = (await caller.request("POST", f"/tcb/uploadfile?access_token={caller.token}", data=body)).json
    answer = await caller.post(link, multipart(fields("图.png", link), b"x"))

    assert answer.status == 204
    assert (await caller.downloads(link["file_id"]))[0]["status"] == 1


async def test_revoked(caller: Caller, clock: Clock) -> None:
    """Revoked tokens are 40001, and the next stable call gives a new one."""
    await caller.link("a")
    old = caller.token

    caller.emulator.revoke_tokens()
    clock.now += 1

    assert (await caller.link("a"))["errcode"] == 40001
    assert (await caller.stable())["access_token"] != old
