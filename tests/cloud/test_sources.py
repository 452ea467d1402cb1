"""Each source of access tokens: what it asks, what it returns, what it makes of failures."""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import pytest

from tcbsync.cloud.sources import DAY, CommandSource, FileSource, NoToken, SecretSource, UrlSource
from tcbsync.cloud.wire import CloudSettings, Wire
from tcbsync.core.errors import CloudError, Misconfigured, NoAnswer, RateLimited, TokenRejected, Transient
from tests.cloud.scripted import Received, answer, answering, json_answer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.cloud.scripted import Handler

A = json_answer(access_token="A", expires_in=7200)
B = json_answer(access_token="B", expires_in=7200)


@asynccontextmanager
async def wired(handler: Handler, prefix: str = "") -> AsyncGenerator[Wire]:
    """Serve a handler, and wire it up."""
    async with serving(handler) as url:
        wire = Wire(CloudSettings(api_base=url + prefix))
        try:
            yield wire
        finally:
            await wire.close()


async def test_a_stable_token() -> None:
    """A secret asks stable_token, in JSON, without force; the base's path prefix is kept."""
    seen: list[Received] = []

    async with wired(answering(A, seen=seen), "/prefix/") as wire:
        token = await SecretSource("wx-1", "s").fetch(wire, None)

    assert (token.value, token.expires_in) == ("A", 7200)
    assert seen[0].line == "POST /prefix/cgi-bin/stable_token HTTP/1.1"
    assert json.loads(seen[0].body) == {
        "grant_type": "client_credential",
        "appid": "wx-1",
        "secret": "s",
        "force_refresh": False,
    }


async def test_a_plain_token() -> None:
    """The plain kind asks by GET, everything in the query."""
    seen: list[Received] = []

    async with wired(answering(A, seen=seen)) as wire:
        token = await SecretSource("wx-1", "s&1", kind="plain").fetch(wire, None)

    assert token.value == "A"
    assert seen[0].target == "/cgi-bin/token?grant_type=client_credential&appid=wx-1&secret=s%261"


async def test_force_is_the_last_resort() -> None:
    """A rejected stable token is first asked for again; only if it is still the same is another one forced."""
    seen: list[Received] = []
    source = SecretSource("wx-1", "s")

    async with wired(answering(B, A, B, seen=seen)) as wire:
        renewed = await source.fetch(wire, "A")
        forced = await source.fetch(wire, "A")

    assert (renewed.value, forced.value) == ("B", "B")
    assert [json.loads(each.body)["force_refresh"] for each in seen] == [False, False, True]


@pytest.mark.parametrize("kind", ["stable", "plain"])
async def test_forced_renewals_are_30_seconds_apart(kind: Literal["stable", "plain"]) -> None:
    """A token that is rejected again right after it was renewed is not renewed again at once."""
    now = 0.0
    source = SecretSource("wx-1", "s", kind, clock=lambda: now)

    async with wired(answering(A)) as wire:
        await source.fetch(wire, "A")
        now = 29.0
        with pytest.raises(TokenRejected):
            await source.fetch(wire, "A")
        now = 31.0
        await source.fetch(wire, "A")


async def test_forced_renewals_are_20_a_day() -> None:
    """The 21st renewal of a day waits; it becomes possible again as the first one is a day old."""
    now = 0.0
    source = SecretSource("wx-1", "s", clock=lambda: now)

    async with wired(answering(A)) as wire:
        for number in range(20):
            now = number * 60.0
            await source.fetch(wire, "A")
        now += 60
        with pytest.raises(RateLimited) as caught:
            await source.fetch(wire, "A")
        now = DAY + 1
        await source.fetch(wire, "A")

    assert 0 < caught.value.pause_seconds <= 1800


@pytest.mark.parametrize("kind", ["stable", "plain"])
@pytest.mark.parametrize(
    ("errcode", "expected"),
    [
        (40001, Misconfigured),
        (40125, Misconfigured),
        (40013, Misconfigured),
        (40164, Misconfigured),
        (89503, Misconfigured),
        (-1, Transient),
        (45009, RateLimited),
        (45011, RateLimited),
    ],
)
async def test_what_the_token_call_refuses(
    kind: Literal["stable", "plain"], errcode: int, expected: type[CloudError]
) -> None:
    """A wrong secret is a wrong configuration, not a rejected token; the refused IP is shown."""
    refusal = json_answer(errcode=errcode, errmsg="invalid ip 203.0.113.7 rid: 1-2-3")

    async with wired(answering(refusal)) as wire:
        with pytest.raises(expected) as caught:
            await SecretSource("wx-1", "s", kind).fetch(wire, None)

    assert caught.value.code == str(errcode)
    assert expected is not Misconfigured or caught.value.hint
    assert errcode != 40164 or "203.0.113.7" in str(caught.value)


@pytest.mark.parametrize("broken", [answer(200, b'{"access_to'), answer(200, b"{}"), answer(200, b"<html>")])
async def test_a_broken_answer(broken: bytes) -> None:
    """An answer without a token is no answer."""
    async with wired(answering(broken)) as wire:
        with pytest.raises(NoAnswer):
            await SecretSource("wx-1", "s").fetch(wire, None)


async def test_a_file(tmp_path: Path) -> None:
    """The file is read again for each use, and its token is not kept."""
    path = tmp_path / "cloudbase_access_token"
    path.write_text("A\n")
    source = FileSource(str(path))

    async with wired(answering(A)) as wire:
        first = await source.fetch(wire, None)
        path.write_text("B")
        second = await source.fetch(wire, "A")
        with pytest.raises(TokenRejected):
            await source.fetch(wire, "B")

    assert (first.value, second.value) == ("A", "B")
    assert first.expires_in == 0


@pytest.mark.parametrize(("content", "kind"), [(None, Misconfigured), (b"\xff\xfe", Misconfigured), (b"\n", Transient)])
async def test_a_bad_file(tmp_path: Path, content: bytes | None, kind: type[CloudError]) -> None:
    """A file that can't be read needs a person; an empty one is perhaps being written."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)

    async with wired(answering(A)) as wire:
        with pytest.raises(kind, match="token file"):
            await FileSource(str(path)).fetch(wire, None)


def command(script: str) -> tuple[str, ...]:
    """Return a command that runs a Python script."""
    return (sys.executable, "-S", "-c", script)


@pytest.mark.parametrize(
    ("script", "value", "expires_in"),
    [
        ("print('A')", "A", 600),
        ("print(' A B ')", "A B", 600),
        ("""print('{"access_token": "A", "expires_in": 90}')""", "A", 90),
        ("""print('{"access_token": "A"}')""", "A", 600),
    ],
)
async def test_a_command(script: str, value: str, expires_in: float) -> None:
    """A command prints its token bare, or as JSON with its lifetime."""
    async with wired(answering(A)) as wire:
        token = await CommandSource(command(script)).fetch(wire, None)

    assert (token.value, token.expires_in) == (value, expires_in)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("raise SystemExit(3)", Transient, "exit status 3"),
        ("pass", Transient, "exit status 0"),
        ("print('{')", Transient, "not JSON"),
        ("""print('{"token": "A"}')""", NoAnswer, "access_token"),
        ("print('rejected')", TokenRejected, "rejected"),
    ],
)
async def test_a_command_that_fails(script: str, kind: type[CloudError], words: str) -> None:
    """A command that gives no token may give one later; its output is not shown."""
    async with wired(answering(A)) as wire:
        with pytest.raises(kind, match=words):
            await CommandSource(command(script)).fetch(wire, "rejected")


async def test_a_command_that_hangs() -> None:
    """A command has a time limit, and is killed."""
    source = CommandSource(command("import time; time.sleep(60)"), timeout_seconds=0.2)
    started = time.monotonic()

    async with wired(answering(A)) as wire:
        with pytest.raises(Transient, match=r"0\.2 s"):
            await source.fetch(wire, None)

    assert time.monotonic() - started < 10


async def test_no_such_command(tmp_path: Path) -> None:
    """A command that does not exist needs a person."""
    async with wired(answering(A)) as wire:
        with pytest.raises(Misconfigured, match="No such file"):
            await CommandSource((str(tmp_path / "absent"),)).fetch(wire, None)


async def test_a_token_server() -> None:
    """A token server's address is used as it stands; a second look that brings the same token ends it."""
    seen: list[Received] = []

    async with wired(answering(A, seen=seen)) as wire, serving(answering(B, seen=seen)) as url:
        source = UrlSource(f"{url}/tokens?for=me&key=k")
        token = await source.fetch(wire, "A")
        with pytest.raises(TokenRejected):
            await source.fetch(wire, "B")

    assert (token.value, token.expires_in) == ("B", 7200)
    assert seen[0].line == "GET /tokens?for=me&key=k HTTP/1.1"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (answer(404), Misconfigured),
        (answer(401), Misconfigured),
        (answer(502, b"<html>"), Transient),
        (answer(200, b"<html>"), NoAnswer),
        (json_answer(errcode=40001, errmsg="x"), Misconfigured),
        (json_answer(errcode=45009, errmsg="x"), RateLimited),
    ],
)
async def test_a_token_server_that_refuses(refusal: bytes, kind: type[CloudError]) -> None:
    """A token server's refusals are told apart as the API's are."""
    async with wired(answering(refusal)) as wire:
        with pytest.raises(kind):
            await UrlSource(wire.api("/token")).fetch(wire, None)


async def test_no_token() -> None:
    """Without credentials there is an empty token, and a rejection of it needs a person."""
    async with wired(answering(A)) as wire:
        token = await NoToken().fetch(wire, None)
        with pytest.raises(Misconfigured):
            await NoToken().fetch(wire, "")

    assert (token.value, token.expires_in) == ("", math.inf)


def test_sources_show_no_secrets() -> None:
    """The repr of a source holds no secret, no command line and no address."""
    sources = [SecretSource("wx-1", "hush"), CommandSource(("get", "hush")), UrlSource("http://h/?key=hush")]

    shown = repr(sources)

    assert "wx-1" in shown
    assert "hush" not in shown
