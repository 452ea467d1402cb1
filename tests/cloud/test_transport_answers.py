"""What the transport makes of answers that are broken, late or missing, and which addresses it goes to."""

from __future__ import annotations

import asyncio
import socket
import struct

import aiohttp
import httpx
import pytest

from tcbsync.cloud.transport import _WORDS, _translated
from tests.cloud.calling import MIB, OK, Stream, calling, get, post
from tests.cloud.scripted import Received, answer, answering, receive, receive_head, serving

CUTS = {
    "nothing": (b"", httpx.RemoteProtocolError),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", httpx.RemoteProtocolError),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", httpx.ReadError),
    "half a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", httpx.ReadError),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", httpx.RemoteProtocolError),
    "too much": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 9_999_999, httpx.RemoteProtocolError),
}


@pytest.mark.parametrize("name", CUTS)
async def test_a_broken_answer(name: str) -> None:
    """An answer that is cut off, is no HTTP or does not end is an error that says so."""
    sent, expected = CUTS[name]

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(sent)

    async with serving(cut) as url, calling() as client:
        with pytest.raises(expected):
            await client.send(post(url, Stream(b"12345"), 5))


async def test_a_reset_connection() -> None:
    """A connection that is reset under a body is a read error, not a time limit."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive_head(reader)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with serving(reset) as url, calling() as client:
        with pytest.raises(httpx.ReadError):
            await client.send(post(url, Stream(*[b"x" * MIB] * 16), 16 * MIB))


async def test_no_answer_in_time() -> None:
    """A server that reads everything and is silent is a read timeout."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        await asyncio.sleep(5)

    async with serving(listen) as url, calling() as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.send(post(url, Stream(b"12345"), 5, read=0.2))


async def test_a_refused_connection() -> None:
    """A port where nobody listens is a connect error, not a timeout."""
    async with serving(answering(OK)) as url:
        pass

    async with calling() as client:
        with pytest.raises(httpx.ConnectError, match=r"^no connection: Connection refused$"):
            await client.send(get(url))


async def test_the_keep_alive_race() -> None:
    """A server that closes as the next request arrives is a RemoteProtocolError; the request after it succeeds."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await receive(reader)
        writer.write(OK)
        await receive(reader)

    async with serving(once) as url, calling() as client:
        await client.send(post(url, Stream(b"12345"), 5))
        with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
            await client.send(post(url, Stream(b"12345"), 5))
        response = await client.send(post(url, Stream(b"12345"), 5))

    assert response.status_code == 200


@pytest.mark.parametrize("stray", [answer(200, b"stale"), b"garbage", b"HTTP/1.1 200 OK\r\n"])
async def test_bytes_that_nobody_asked_for(stray: bytes) -> None:
    """What arrives on a connection at rest is never taken for the answer to the next request."""
    count = 0
    strayed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while True:
            await receive(reader)
            count += 1
            writer.write(answer(200, f"answer {count}".encode()))
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(stray)
            strayed.set()

    async with serving(serve) as url, calling() as client:
        contents = []
        for _ in range(3):
            contents.append((await client.send(get(url))).content)
            await strayed.wait()
            strayed.clear()
            await asyncio.sleep(0.05)

    assert contents == [b"answer 1", b"answer 2", b"answer 3"]


@pytest.mark.parametrize(
    "target",
    [
        "/tcb/uploadfile?access_token=a_-.~b%2Fc+d=&x=1;2",
        "/a%20b/%E4%B8%AD%e4%b8%ad/100%25",
        "/a//b/c;d=1/(e)!$&'*,:@=+",
        "/f?sign=0a1B%2B%2b+/=&t=1",
    ],
)
async def test_addresses_byte_for_byte(target: str) -> None:
    """A legal URL arrives as it was given: nothing decoded, encoded again, sorted or folded."""
    seen: list[Received] = []

    async with serving(answering(OK, seen=seen)) as url, calling() as client:
        await client.send(get(url + target))

    assert seen[0].target == target


async def test_no_cookies_and_no_redirects() -> None:
    """A cookie that a server sets is not sent back, a redirect is an answer like any other."""
    seen: list[Received] = []
    moved = answer(302, Location="/elsewhere", Set_Cookie="a=b")

    async with serving(answering(moved, seen=seen)) as url, calling() as client:
        responses = [await client.send(get(url)) for _ in range(2)]

    assert [response.status_code for response in responses] == [302, 302]
    assert len(seen) == 2
    assert "cookie" not in seen[1].headers


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY and its like change nothing."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async with serving(answering(OK)) as url, calling() as client:
        response = await client.send(get(url))

    assert response.status_code == 200


async def test_the_configured_proxy_is_used() -> None:
    """A proxy from the configuration gets the request, with its own login and the whole address."""
    seen: list[Received] = []

    async with serving(answering(OK, seen=seen)) as url:
        proxy = url.replace("http://", "http://user:pass@")
        async with calling(proxy=proxy) as client:
            await client.send(get("http://cloud.invalid/a%20b?c"))

    assert seen[0].target == "http://cloud.invalid/a%20b?c"
    assert seen[0].headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"


async def test_a_proxys_login_is_in_no_repr() -> None:
    """Aiohttp's complaints, of a connection that nobody closed say, show the key of that connection."""
    async with serving(answering(OK)) as url, calling(proxy=url.replace("http://", "http://user:hush@")) as client:
        await client.send(get("http://api.example/x"))
        (connections,) = client._transport._session.connector._conns.items()  # type: ignore[attr-defined]

    assert "http://127.0.0.1" in repr(connections)
    assert "hush" not in repr(connections)


async def test_a_proxy_that_refuses() -> None:
    """A proxy's own refusal is told as such."""
    async with serving(answering(answer(407))) as url, calling(proxy=url) as client:
        with pytest.raises(httpx.ProxyError, match="HTTP 407"):
            await client.send(get("https://cloud.invalid/"))


@pytest.mark.parametrize(("theirs", "ours", "words"), _WORDS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_class_of_aiohttp_is_translated(
    theirs: type[Exception], ours: type[httpx.TransportError], words: str
) -> None:
    """No class is hidden by one of its parents further up in the table."""
    error = theirs.__new__(theirs)
    error.__dict__.update(_os_error=OSError(), _certificate_error=OSError(), status=502)

    translated = _translated(error)

    assert type(translated) is ours
    assert str(translated).startswith(words)


def test_a_time_limit_while_connecting() -> None:
    """A time limit that strikes while connecting is httpx's ConnectTimeout, without the URL."""
    error = aiohttp.ConnectionTimeoutError("Connection timeout to host http://h/?access_token=t")

    translated = _translated(error)

    assert isinstance(translated, httpx.ConnectTimeout)
    assert "access_token" not in str(translated)
