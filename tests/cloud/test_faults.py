"""What the client makes of the faults of the emulator: each has its class, and does no lasting harm."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.api import Body
from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import SecretSource
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.errors import (
    Busy,
    CloudError,
    FileChanged,
    LinkRejected,
    Misconfigured,
    NoAnswer,
    RateLimited,
    Refused,
    StorageFull,
    TokenRejected,
    Transient,
)
from tcbsync.emulator.server import Emulator, Fault, Settings
from tests.cloud.contract import ENV, body, put

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.cloud.client import HttpCloud


@pytest.fixture
async def emulator(tmp_path: Path) -> AsyncIterator[Emulator]:
    """Serve the stand-in cloud."""
    async with Emulator(Settings(data=tmp_path)) as emulator:
        yield emulator


@pytest.fixture
async def cloud(emulator: Emulator) -> AsyncIterator[HttpCloud]:
    """Open a client to it."""
    cloud = open_cloud(CloudSettings(api_base=emulator.url), SecretSource("wx-test", "no-secret"))
    yield cloud
    await cloud.close()


API_FAULTS = {
    "cut before the body": (Fault(call="uploadfile", kind="cut_before", count=1), NoAnswer),
    "cut in the answer": (Fault(call="uploadfile", kind="cut_amid", count=1), NoAnswer),
    "cut after the body": (Fault(call="uploadfile", kind="cut_after", count=1), NoAnswer),
    "half the JSON": (Fault(call="uploadfile", kind="cut_json", count=1), NoAnswer),
    "bad gateway": (Fault(call="uploadfile", kind="http", status=502, body="html", count=1), Transient),
    "busy": (Fault(call="uploadfile", kind="errcode", errcode=-501004, count=1), Busy),
    "minute": (Fault(call="uploadfile", kind="errcode", errcode=45011, count=1), RateLimited),
    "full": (Fault(call="uploadfile", kind="errcode", errcode=-501017, count=1), StorageFull),
    "environment": (Fault(call="uploadfile", kind="errcode", errcode=-501005, count=1), Misconfigured),
    "token twice": (Fault(call="uploadfile", kind="errcode", errcode=42001, count=2), TokenRejected),
    "refused": (Fault(call="uploadfile", kind="errcode", errcode=40097, count=1), Refused),
    "no token": (Fault(call="token", kind="cut_before", count=1), NoAnswer),
    "wrong secret": (Fault(call="token", kind="errcode", errcode=40001, count=1), Misconfigured),
}


@pytest.mark.parametrize("name", API_FAULTS)
async def test_faults_of_the_api(emulator: Emulator, cloud: HttpCloud, name: str) -> None:
    """Each way in which a call fails has its class, and the call after it succeeds."""
    fault, kind = API_FAULTS[name]
    emulator.install(fault)

    with pytest.raises(CloudError) as caught:
        await cloud.link(ENV, "a.txt")

    assert type(caught.value) is kind
    assert (await cloud.link(ENV, "a.txt")).key == "a.txt"


STORE_FAULTS = {
    "cut before the body": (Fault(call="cos", kind="cut_before", count=1), NoAnswer),
    "cut in the body": (Fault(call="cos", kind="cut_amid", count=1), NoAnswer),
    "cut after the body": (Fault(call="cos", kind="cut_after", count=1), NoAnswer),
    "stored, not answered": (Fault(call="cos", kind="stored_reply_lost", count=1), NoAnswer),
    "no ETag": (Fault(call="cos", kind="no_etag", count=1), NoAnswer),
    "expired": (Fault(call="cos", kind="http", status=403, code="AccessDenied", count=1), LinkRejected),
    "empty refusal": (Fault(call="cos", kind="http", status=403, body="empty", count=1), LinkRejected),
    "slow down": (Fault(call="cos", kind="http", status=503, code="SlowDown", count=1), Busy),
    "bad gateway": (Fault(call="cos", kind="http", status=502, body="html", count=1), Transient),
    "conflict": (Fault(call="cos", kind="http", status=409, code="PathConflict", count=1), Transient),
    "too large": (Fault(call="cos", kind="http", status=400, code="EntityTooLarge", count=1), Refused),
    "arrears": (Fault(call="cos", kind="http", status=402, code="", count=1), Misconfigured),
}


@pytest.mark.parametrize("size", [10, 1_000_000])
@pytest.mark.parametrize("name", STORE_FAULTS)
async def test_faults_of_the_store(emulator: Emulator, cloud: HttpCloud, name: str, size: int) -> None:
    """Each way in which an upload fails has its class, and the upload after it succeeds."""
    fault, kind = STORE_FAULTS[name]
    emulator.install(fault)
    content = b"x" * size

    with pytest.raises(CloudError) as caught:
        await put(cloud, "a.txt", content)

    assert type(caught.value) is kind
    receipt = await cloud.send(await cloud.link(ENV, "a.txt"), body(content))
    assert receipt.md5 == hashlib.md5(content).hexdigest()


async def test_retry_after_is_kept(emulator: Emulator, cloud: HttpCloud) -> None:
    """What the service wishes as the least wait goes with the error, from the API and from the store."""
    wish = {"Retry-After": "3"}
    emulator.install(
        Fault(call="uploadfile", kind="http", status=503, headers=wish, count=1),
        Fault(call="cos", kind="http", status=503, code="SlowDown", headers=wish, count=1),
    )

    with pytest.raises(Transient) as api:
        await cloud.link(ENV, "a.txt")
    with pytest.raises(Transient) as store:
        await put(cloud, "a.txt", b"x")

    assert (api.value.retry_after, store.value.retry_after) == (3, 3)


async def test_a_rejected_token_is_replaced_once(emulator: Emulator, cloud: HttpCloud) -> None:
    """A token that is revoked in use is renewed and the call repeated, unseen."""
    await cloud.link(ENV, "a.txt")
    emulator.install(Fault(call="uploadfile", kind="stale_token", count=1))

    link = await cloud.link(ENV, "b.txt")

    assert link.key == "b.txt"


async def test_items_that_fail(emulator: Emulator, cloud: HttpCloud) -> None:
    """An item that is left out, or has an error of its own, says so and leaves the others alone."""
    ids = [(await put(cloud, f"{name}.txt", b"x")).file_id for name in ("fine", "lost", "bad")]
    for call in ("batchdownloadfile", "batchdeletefile"):
        emulator.install(
            Fault(call=call, kind="missing_item", key="lost*", count=1),
            Fault(call=call, kind="item_error", key="bad*", errcode=-503002, errmsg="no right"),
        )

    downloads = await cloud.downloads(ENV, ids)
    again = await cloud.downloads(ENV, ids)
    deletions = await cloud.delete(ENV, ids)
    still_there = await cloud.delete(ENV, ids)

    assert [bool(item.url) for item in downloads] == [True, False, True]
    assert "left this file out" in downloads[1].error
    assert "no right" in again[2].error
    assert not again[2].is_absent
    assert [item.is_gone for item in deletions] == [True, False, True]
    assert "left this file out" in deletions[1].error
    assert "no right" in still_there[2].error


async def test_an_expired_link(tmp_path: Path) -> None:
    """A link that is older than its 15 minutes is rejected, and a new one is what helps."""
    now = 1_700_000_000.0
    async with Emulator(Settings(data=tmp_path, clock=lambda: now)) as emulator:
        cloud = open_cloud(CloudSettings(api_base=emulator.url), SecretSource("wx-test", "no-secret"))
        link = await cloud.link(ENV, "a.txt")
        now += 1000

        with pytest.raises(LinkRejected):
            await cloud.send(link, body(b"x"))

        await cloud.close()


async def test_a_large_file_that_changes(emulator: Emulator, cloud: HttpCloud) -> None:
    """A file that changes after many megabytes is a LocalError; nothing of it is stored, and the client goes on."""
    error = FileChanged("it grew")

    async def reader() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1_000_000
        raise error

    link = await cloud.link(ENV, "large.bin")
    with pytest.raises(FileChanged) as caught:
        await cloud.send(link, Body(30_000_000, reader()))

    assert caught.value is error
    assert emulator.objects() == {}
    await put(cloud, "large.bin", b"small")


async def test_the_form_fields_arrive(emulator: Emulator, cloud: HttpCloud) -> None:
    """The media type and further fields of the form become the object's own."""
    link = await cloud.link(ENV, "a.webp")
    await cloud.send(link, Body(1, body(b"x").chunks, {"Cache-Control": "max-age=60"}))

    stored = emulator.objects()[ENV, "a.webp"]

    assert "image/webp" in repr(stored)
    assert "max-age=60" in repr(stored)
