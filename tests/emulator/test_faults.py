"""Faults: each kind shown, and how the script deals them out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tcbsync.emulator.faults import FaultScript, from_json
from tcbsync.emulator.server import Fault
from tests.emulator.caller import ENV, fields, file_id, multipart

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.emulator.caller import Answer, Caller
    from tests.emulator.conftest import Served

CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


@pytest.mark.parametrize("kind", ["cut_before", "cut_amid", "cut_after"])
async def test_cut_upload(caller: Caller, kind: Any) -> None:
    """An upload that is cut before, amid or after its body stores nothing; the next one passes."""
    caller.emulator.install(Fault(call="cos", kind=kind, count=1))

    with pytest.raises(CUT):
        await caller.upload("a", b"x" * 200_000)

    assert caller.emulator.objects() == {}
    assert (await caller.upload("a")).status == 204


async def test_stored_reply_lost(caller: Caller) -> None:
    """The object is there, but the sender does not hear of it."""
    caller.emulator.install(Fault(call="cos", kind="stored_reply_lost"))

    with pytest.raises(CUT):
        await caller.upload("a", b"new")

    assert caller.emulator.read(ENV, "a") == b"new"


@pytest.mark.parametrize("kind", ["cut_before", "cut_amid", "cut_after", "stored_reply_lost"])
@pytest.mark.parametrize("call", ["token", "uploadfile", "batchdownloadfile", "batchdeletefile", "download"])
async def test_cut_call(caller: Caller, call: Any, kind: Any) -> None:
    """Every other call can be cut in each way too."""
    await caller.upload("a", b"x" * 100_000)
    caller.emulator.install(Fault(call=call, kind=kind))

    with pytest.raises(CUT):
        await any_call(caller, call)

    is_deleted = call == "batchdeletefile" and kind in ("cut_amid", "stored_reply_lost")
    assert bool(caller.emulator.objects()) is not is_deleted


async def any_call(caller: Caller, call: str) -> object:
    """Make the call of that name about the object `a`."""
    url = f"/files/7465-{ENV}-{file_id('').split('-')[-1]}a"
    calls: dict[str, Any] = {
        "token": caller.stable,
        "uploadfile": lambda: caller.link("a"),
        "batchdownloadfile": lambda: caller.downloads(file_id("a")),
        "batchdeletefile": lambda: caller.delete(file_id("a")),
        "download": lambda: caller.request("GET", url),
    }
    made: Awaitable[object] = calls[call]()
    return await made


async def test_errcode(caller: Caller) -> None:
    """Any errcode with any words."""
    caller.emulator.install(Fault(call="uploadfile", kind="errcode", errcode=40164, errmsg="invalid ip 203.0.113.7"))

    answer = await caller.link("a")

    assert answer["errcode"] == 40164
    assert answer["errmsg"].startswith("invalid ip 203.0.113.7 rid: ")


@pytest.mark.parametrize(
    ("body", "begins"), [("xml", b"<?xml version='1.0' encoding='utf-8' ?>"), ("html", b"<html>"), ("empty", b"")]
)
@pytest.mark.parametrize("call", ["uploadfile", "cos"])
async def test_http(caller: Caller, call: Any, body: Any, begins: bytes) -> None:
    """Any status with an XML, HTML or empty body and headers; nothing is carried out."""
    link = await caller.link("a")
    fault = Fault(call=call, kind="http", status=503, code="SlowDown", body=body, headers={"Retry-After": "7"})
    caller.emulator.install(fault)

    answer: Answer
    if call == "cos":
        answer = await caller.post(link, multipart(fields("a", link), b"x"))
    else:
        body_ = {"env": ENV, "path": "a"}
        answer = await caller.request("POST", f"/tcb/uploadfile?access_token={caller.token}", json=body_)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert answer.body.startswith(begins)
    assert body != "xml" or b"<Code>SlowDown</Code>" in answer.body
    assert caller.emulator.objects() == {}


async def test_cut_json(caller: Caller) -> None:
    """A whole HTTP answer with half of its JSON."""
    caller.emulator.install(Fault(call="uploadfile", kind="cut_json"))

    with pytest.raises(ValueError, match="Unterminated string"):
        await caller.link("a")


async def test_missing_item(caller: Caller) -> None:
    """Items whose key matches are left out of the answer, and not carried out."""
    for key in ("a", "b"):
        await caller.upload(key)
    caller.emulator.install(Fault(call="batchdeletefile", kind="missing_item", key="b"))

    items = await caller.delete(file_id("a"), file_id("b"))

    assert [item["fileid"] for item in items] == [file_id("a")]
    assert list(caller.emulator.objects()) == [(ENV, "b")]


async def test_item_error(caller: Caller) -> None:
    """Items whose key matches are not carried out, and say an error of their own."""
    await caller.upload("a")
    fault = Fault(call="batchdeletefile", kind="item_error", key="a", errcode=-501001, errmsg="resource system error")
    caller.emulator.install(fault)

    items = await caller.delete(file_id("a"), file_id("b"))

    assert [item["status"] for item in items] == [-501001, 1]
    assert list(caller.emulator.objects()) == [(ENV, "a")]


@pytest.mark.parametrize("kind", ["trickle", "stall", "slow_read"])
@pytest.mark.parametrize("call", ["uploadfile", "cos", "download"])
async def test_slow(caller: Caller, call: Any, kind: Any) -> None:
    """A slow answer, a late answer and a slow reader take their seconds, and everything is as ever."""
    await caller.upload("a", b"old")
    caller.emulator.install(Fault(call=call, kind=kind, seconds=0.1))

    started = time.monotonic()
    await (caller.upload("a", b"new") if call == "cos" else any_call(caller, call))

    assert time.monotonic() - started >= 0.09
    assert caller.emulator.read(ENV, "a") == (b"new" if call == "cos" else b"old")


async def test_who_hangs_up_is_not_served(caller: Caller) -> None:
    """A caller who has left during a stall does not store anything afterwards."""
    link = await caller.link("a")
    caller.emulator.install(Fault(call="cos", kind="stall", seconds=0.1))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await caller.post(link, multipart(fields("a", link), b"x"))
    await asyncio.sleep(0.15)

    assert caller.emulator.objects() == {}
    assert caller.emulator.log[-1].outcome == "hangup"


@pytest.mark.parametrize(("kind", "etag"), [("wrong_etag", '"d41d8-2"'), ("no_etag", None)])
async def test_etag(caller: Caller, kind: Any, etag: str | None) -> None:
    """The object is stored, but the answer's ETag is another one, or none."""
    caller.emulator.install(Fault(call="cos", kind=kind, etag='"d41d8-2"'))

    answer = await caller.upload("a")

    assert (answer.status, answer.headers.get("ETag")) == (204, etag)
    assert caller.emulator.read(ENV, "a") == b"content"


async def test_stale_token(caller: Caller) -> None:
    """The token is revoked at this moment; a new one is given at once, and works."""
    caller.emulator.install(Fault(call="uploadfile", kind="stale_token", count=1))

    first = await caller.link("a")
    old, caller.token = caller.token, ""
    second = await caller.link("a")

    assert [first["errcode"], second["errcode"]] == [40001, 0]
    assert caller.token != old


async def test_latency(served: Served) -> None:
    """Every call waits for the latency."""
    async with served(latency_seconds=0.05) as caller:
        started = time.monotonic()
        await caller.upload("a")

    assert time.monotonic() - started >= 0.15


def test_order_skip_count_and_glob() -> None:
    """The first fault whose turn it is strikes; skip, count and key decide whose turn it is."""
    first = Fault(call="cos", kind="cut_before", key="*.png", skip=1, count=1)
    second = Fault(call="cos", kind="no_etag")
    script = FaultScript([first, second], seed=0)

    picked = [script.pick("cos", [key]) for key in ("a.png", "a.txt", "b.png", "c.png")]

    assert picked == [second, second, first, second]
    assert script.pick("download", ["a.png"]) is None


def test_probability_is_reproducible() -> None:
    """The same seed strikes the same requests, about as often as asked."""
    fault = Fault(call="cos", kind="cut_before", probability=0.3)

    runs = [[FaultScript([fault], seed)] * 500 for seed in (1, 1, 2)]
    struck = [[script.pick("cos", ["a"]) is not None for script in run] for run in runs]

    assert struck[0] == struck[1] != struck[2]
    assert 100 < sum(struck[0]) < 200


@pytest.mark.parametrize(
    "document",
    [
        {},
        ["x"],
        [{"call": "cos"}],
        [{"call": "cos", "kind": "nonsense"}],
        [{"call": "list", "kind": "stall"}],
        [{"call": "cos", "kind": "errcode"}],
        [{"call": "cos", "kind": "stall", "probability": 2}],
        [{"call": "cos", "kind": "stall", "second": 2}],
    ],
)
def test_bad_script(document: object) -> None:
    """A script that is wrong is refused as a whole, naming what is wrong."""
    with pytest.raises(ValueError, match=r"fault|script"):
        from_json(document)
