"""The server as a whole: inspection, the record, and serving until a signal."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.server import Settings, serve
from tests.emulator.caller import ENV, fields, multipart

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.caller import Caller


async def test_inspect_objects(caller: Caller) -> None:
    """The objects can be listed by env, and their bytes read under any name."""
    await caller.upload("图 1/a.txt", b"bytes")

    listed = (await caller.request("GET", f"/_emulator/objects?env={ENV}")).json
    others = (await caller.request("GET", "/_emulator/objects?env=other")).json
    found = await caller.request("GET", f"/_emulator/objects/{ENV}/图 1/a.txt")
    missing = await caller.request("GET", f"/_emulator/objects/{ENV}/no")

    assert [(each["key"], each["size"], each["has_fileid"]) for each in listed] == [("图 1/a.txt", 5, True)]
    assert (others, found.body, missing.status) == ([], b"bytes", 404)


async def test_record(caller: Caller) -> None:
    """Log and counters tell what happened, and hold neither token nor signature."""
    await caller.upload("a", b"12345")
    link = await caller.link("b")
    await caller.post(link, multipart(fields("c", link), b"x"))

    log = await caller.request("GET", "/_emulator/log")
    counters = (await caller.request("GET", "/_emulator/counters")).json

    told = [(entry.call, entry.key, entry.outcome) for entry in caller.emulator.log]
    assert told[0] == ("token", "", "ok")
    assert told[1:3] == [("uploadfile", "a", "ok"), ("cos", "a", "ok")]
    assert told[-1] == ("cos", "b", "AccessDenied")
    assert counters["outcomes"]["cos"] == {"ok": 1, "AccessDenied": 1}
    assert counters["calls"]["uploadfile"] == 2
    assert counters["max_at_once"]["all"] == 1
    assert counters["max_at_once_same_key"] == 1
    assert counters["connections"] >= 1
    for secret in (caller.token, link["token"], link["authorization"][-40:]):
        assert secret.encode() not in log.body


async def test_same_key_at_once_is_counted(caller: Caller) -> None:
    """Two uploads of one key at the same time are noticed."""
    await caller.link("a")
    caller.emulator.set_latency(0.05)

    await asyncio.gather(caller.upload("a"), caller.upload("a"))

    assert caller.emulator.counters.max_at_once_same_key == 2


async def test_faults_by_http(caller: Caller) -> None:
    """A script can be installed, read back and cleared while the emulator runs."""
    script = [{"call": "uploadfile", "kind": "errcode", "errcode": -501001, "count": 1}]

    put = await caller.request("POST", "/_emulator/faults", json=script)
    codes = [(await caller.link("a"))["errcode"] for _ in range(2)]
    read = (await caller.request("GET", "/_emulator/faults")).json
    await caller.request("POST", "/_emulator/faults", json=[])

    assert (put.status, codes) == (200, [-501001, 0])
    assert [(each["seen"], each["struck"]) for each in read] == [(2, 1)]
    assert (await caller.request("GET", "/_emulator/faults")).body == b"[]"


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("faults", b'[{"call": "cos"}]', 400),
        ("faults", b"nonsense", 400),
        ("latency", b'{"seconds": -1}', 400),
        ("latency", b'{"seconds": 0.5}', 200),
        ("nonsense", b"{}", 404),
    ],
)
async def test_commands(caller: Caller, name: str, body: bytes, status: int) -> None:
    """A command that is wrong says so, and changes nothing."""
    answer = await caller.request("POST", f"/_emulator/{name}", data=body)

    assert answer.status == status


async def test_revoke_and_reset(caller: Caller) -> None:
    """revoke-token makes tokens invalid; reset forgets objects and record as well."""
    await caller.upload("a")

    await caller.request("POST", "/_emulator/revoke-token")
    refused = await caller.link("a")
    await caller.request("POST", "/_emulator/reset")

    assert refused["errcode"] == 40001
    assert caller.emulator.objects() == {}
    assert caller.emulator.log == ()


async def test_expect_continue(caller: Caller) -> None:
    """A client that asks first whether its body is welcome (curl) is told to continue."""
    link = await caller.link("a")
    body = multipart(fields("a", link), b"x")

    answer = await caller.request(
        "POST",
        link["url"],
        data=body,
        expect100=True,
        headers={"Content-Type": "multipart/form-data; boundary=emulator-test-boundary"},
    )

    assert answer.status == 204


async def test_raw_request_line(caller: Caller) -> None:
    """A path that arrives unquoted is no HTTP: 400, so a client that forgets to quote download_url is noticed."""
    host = caller.emulator.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(host.partition(":")[0], int(host.partition(":")[2]))

    writer.write(f"GET /files/b/图.txt HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()

    assert line.split()[1] == b"400"


async def test_serve(tmp_path: Path) -> None:
    """`serve` tells its URL, and ends on SIGTERM."""
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        os.kill(os.getpid(), signal.SIGTERM)

    await asyncio.wait_for(serve(Settings(data=tmp_path), ready), 5)

    assert urls[0].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("listen", ["localhost", "localhost:http", ""])
def test_listen(tmp_path: Path, listen: str) -> None:
    """An address that is not HOST:PORT is refused, naming it."""
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        Settings(data=tmp_path, listen=listen).address()
