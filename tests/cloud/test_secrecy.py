"""No token, secret, signature or URL gets out: not by an error, not by its traceback, not by a log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.api import Link
from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import SecretSource
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.errors import TcbsyncError
from tests.cloud.contract import ENV, body
from tests.cloud.scripted import Received, answer, json_answer, receive, receive_head, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.cloud.api import Cloud

HUSH = "hush-" * 3
"""Each secret holds this; nothing else does."""

BROKEN = {
    "cut": b"",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "no HTTP": b"nonsense\r\n\r\n",
    "bad gateway": answer(502, b"<html>"),
    "bad JSON": answer(200, b"{"),
    "redirect": answer(302, Location=f"http://h/?access_token={HUSH}"),
    "rejected": json_answer(errcode=40001, errmsg="invalid credential"),
    "refused": json_answer(errcode=40097, errmsg="invalid argument"),
    "echo": json_answer(errcode=-1, errmsg=f"token {HUSH}aB3{HUSH}aB3"),
    "XML": answer(403, f"<Error><Code>AccessDenied</Code><Resource>/{HUSH}</Resource></Error>".encode()),
    "compressed": answer(200, b"no gzip", Content_Encoding="gzip"),
    "silence": b"silence",
}


def everything(error: BaseException) -> Iterator[str]:
    """Return all texts in which an error, or what hangs on it, may turn up."""
    yield from (str(error), repr(error), repr(vars(error)))
    yield "".join(traceback.format_exception(error))
    for attached in (error.__cause__, error.__context__):
        if attached is not None:
            yield from everything(attached)


async def failures_of(cloud: Cloud, url: str) -> list[BaseException]:
    """Make each call, and return what they raise."""
    link = Link("a.txt", "cloud://e.b/a.txt", f"{url}/up?q-signature={HUSH}", HUSH, HUSH, HUSH)
    calls = [
        cloud.link(ENV, "a.txt"),
        cloud.send(link, body(b"x")),
        cloud.send(link, body(*[b"x" * 1_000_000] * 16)),
        cloud.downloads(ENV, ["cloud://e.b/a.txt"]),
        cloud.head(f"{url}/a.txt?sign={HUSH}&t=1"),
        cloud.delete(ENV, ["cloud://e.b/a.txt"]),
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [result for result in results if isinstance(result, BaseException)]


@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize("name", BROKEN)
async def test_nothing_gets_out(name: str, has_token: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong in a call or in the token call, no text of it holds a secret or a query."""
    caplog.set_level(logging.DEBUG)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head: Received = await receive_head(reader)
            with contextlib.suppress(asyncio.IncompleteReadError):
                await reader.readexactly(min(100_000, int(head.headers.get("content-length", "0"))))
            if has_token and "stable_token" in head.target:
                writer.write(json_answer(access_token=f"{HUSH}token", expires_in=7200))
                continue
            if name == "silence":
                await asyncio.sleep(30)
            writer.write(BROKEN[name])
            await writer.drain()
            return

    async with serving(serve) as url:
        settings = CloudSettings(api_base=url, read_seconds=0.2, stall_seconds=0.2)
        cloud = open_cloud(settings, SecretSource("wx-test", HUSH))
        errors = await failures_of(cloud, url)
        await cloud.close()

    shown = [text for error in errors for text in everything(error)]
    assert errors
    assert all(isinstance(error, TcbsyncError) for error in errors)
    assert not [text for text in (*shown, caplog.text) if HUSH in text]
    assert not [text for text in (*shown, caplog.text) if "access_token=" in text or "sign=" in text]


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    """A service that cannot be reached gives nothing away either."""
    caplog.set_level(logging.DEBUG)
    async with serving(_never) as url:
        pass
    cloud = open_cloud(CloudSettings(api_base=url), SecretSource("wx-test", HUSH))

    errors = await failures_of(cloud, url)

    await cloud.close()
    assert len(errors) == 6
    assert not [text for error in errors for text in (*everything(error), caplog.text) if HUSH in text]


async def test_a_success_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A call that succeeds leaves no URL in any log, at any level."""
    caplog.set_level(logging.DEBUG)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await receive(reader)
            writer.write(json_answer(access_token=HUSH, expires_in=7200, delete_list=[]))

    async with serving(serve) as url:
        cloud = open_cloud(CloudSettings(api_base=url), SecretSource("wx-test", HUSH))
        await cloud.delete(ENV, ["f"])
        await cloud.close()

    assert HUSH not in caplog.text
    assert "/tcb/" not in caplog.text


def test_settings_hide_the_proxys_login() -> None:
    """The repr of the settings has no proxy in it, which may hold a login."""
    settings = CloudSettings(proxy=f"http://user:{HUSH}@h:1")

    assert HUSH not in repr(settings)


async def _never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError
