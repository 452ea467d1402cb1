"""httpx's transport over one aiohttp session: fast, and with every fence that aiohttp leaves out.

The rules:

- A body goes out with exactly the bytes that Content-Length names, or the request is aborted. (aiohttp cuts a
  longer one silently and waits for ever on a shorter one.)
- Whatever a body's iterator raises comes out of the request unchanged, after the iterator was closed.
- A peer that stops reading is given up after `timeout["write"]` seconds, the whole request after
  `extensions["deadline"]` seconds. The wait for a free connection, or for our own bytes, counts towards neither.
- A success counts only once the whole body is out; an early refusal is handed over as the answer it is.
- A connection on which something came while it was at rest is not used again: that was no answer of ours.
- No text of an error holds a URL or a header.

The refusal: no redirects, no cookies, no proxy from the environment, no unverified TLS, no streamed answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import Connection

PIECE = 64 * 1024
"""The body goes out in pieces of at most so many bytes, so that a slow peer is told from a dead one."""

OUR_TIME_SECONDS = 0.005
"""Bytes of ours that come faster than this are not worth to be timed."""

LONGEST_ANSWER = 4 * 1024 * 1024


class CertificateRejected(httpx.ConnectError):
    """The peer's TLS certificate is not one that we trust: a person must look."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One connection pool for all hosts. Must be made inside a running event loop."""

    def __init__(self, *, max_connections: int, trust: ssl.SSLContext, proxy: str | None = None) -> None:
        self._places = asyncio.Semaphore(max_connections)
        self._proxy, self._proxy_headers = _proxy(proxy)
        self._session = aiohttp.ClientSession(
            connector=_Connections(limit=max_connections, limit_per_host=0, ssl=trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry out one request and read the whole answer. Raises httpx.TransportError, or the body's error."""
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        body = _body_of(request, limits.get("write"))
        async with self._places:
            try:
                async with asyncio.timeout(request.extensions.get("deadline")) as deadline:
                    if body is not None:
                        body.deadline = deadline
                    return await self._exchange(request, body, limits)
            except (aiohttp.ClientError, httpx.TransportError, OSError, ValueError) as error:
                failure = _translated(error) if body is None or body.failure is None else body.failure
            finally:
                if body is not None:
                    await body.settled()
        raise failure

    async def _exchange(
        self, request: httpx.Request, body: _Body | None, limits: dict[str, float | None]
    ) -> httpx.Response:
        timeout = aiohttp.ClientTimeout(sock_connect=limits.get("connect"), sock_read=limits.get("read"))
        async with self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=body or request.content or None,
            allow_redirects=False,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            timeout=timeout,
        ) as answer:
            if answer.status < 300 and body is not None and not body.is_out:
                raise httpx.RemoteProtocolError("success was claimed before the whole body was sent")
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > LONGEST_ANSWER:
                    raise httpx.RemoteProtocolError("the answer is too long")
            return httpx.Response(answer.status, headers=answer.raw_headers, content=bytes(content))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class _Connections(aiohttp.TCPConnector):
    """aiohttp's pool, but for one thing: it would take an answer that nobody asked for as that to the next request."""

    async def connect(self, *arguments: Any, **named: Any) -> Connection:
        """Give a connection that is quiet."""
        while True:
            connection = await super().connect(*arguments, **named)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


def _proxy(address: str | None) -> tuple[URL | None, dict[str, str] | None]:
    """Take the login out of a proxy's address: aiohttp's reprs, which its complaints hold, show both.

    As `Authorization` of what goes to the proxy: aiohttp makes it Proxy-Authorization, of CONNECT or of the request.
    """
    if not address:
        return None, None
    url = URL(address)
    if url.user is None:
        return url, None
    login = b64encode(f"{url.user}:{url.password or ''}".encode()).decode()
    return url.with_user(None), {"Authorization": f"Basic {login}"}


def trusting(ca_file: str | None = None) -> ssl.SSLContext:
    """Return the TLS rules: always verify, against `ca_file` or else certifi's bundle. Raises OSError."""
    return _trusting_certifi() if ca_file is None else ssl.create_default_context(cafile=ca_file)


@cache
def _trusting_certifi() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # takes tens of milliseconds


class _Body(aiohttp.Payload):
    """The body of one request on its way out, in aiohttp's writer task."""

    def __init__(self, stream: httpx.AsyncByteStream, size: int, stall_seconds: float | None) -> None:
        super().__init__(stream)
        self._stream = stream
        self._announced = size
        self._stall_seconds = stall_seconds
        self._is_writing = False
        self._done = asyncio.Event()
        self.is_out = False
        self.failure: Exception | None = None
        self.deadline: asyncio.Timeout | None = None

    @property
    def size(self) -> int:
        return self._announced

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise NotImplementedError  # aiohttp's hook for logging bodies: ours are nobody's to read

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        self._is_writing = True
        # Taken now: aiohttp forgets it when it closes, and close() alone waits for a peer that does not read.
        wire = writer.transport
        chunks = aiter(self._stream)
        try:
            await self._pour(chunks, writer)
            self.is_out = True
        except BaseException:
            if wire is not None:
                wire.abort()
            raise
        finally:
            await closed(chunks)
            self._done.set()

    async def settled(self) -> None:
        """Wait until the iterator is not in use any more: its file may be closed then."""
        if self._is_writing:
            await self._done.wait()

    async def _pour(self, chunks: AsyncIterator[bytes], writer: AbstractStreamWriter) -> None:
        left = self._announced
        while (chunk := await self._next(chunks)) is not None:
            left -= len(chunk)
            if left < 0:
                raise self._failed(httpx.LocalProtocolError("the body is longer than announced"))
            for piece in _pieces(chunk):
                await self._unstalled(writer.write(piece))
        if left > 0:
            raise self._failed(httpx.LocalProtocolError("the body is shorter than announced"))
        await self._unstalled(writer.drain())

    async def _next(self, chunks: AsyncIterator[bytes]) -> bytes | None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await anext(chunks, None)
        except Exception as error:
            self.failure = error  # aiohttp keeps it to itself, in a text
            raise
        finally:
            self._put_off(clock() - began)

    def _put_off(self, seconds: float) -> None:
        """Put the deadline off by the time that we ourselves took: it is the peer's. While we take it, it runs."""
        if seconds > OUR_TIME_SECONDS and self.deadline is not None and (when := self.deadline.when()) is not None:
            with contextlib.suppress(RuntimeError):  # it is over already
                self.deadline.reschedule(when + seconds)

    async def _unstalled(self, step: Awaitable[None]) -> None:
        if self._announced <= PIECE:  # fits into the buffers: nothing but the answer can keep us waiting
            await step
            return
        try:
            async with asyncio.timeout(self._stall_seconds):
                await step
        except TimeoutError:
            raise self._failed(httpx.WriteTimeout("the peer stopped reading")) from None

    def _failed(self, error: Exception) -> Exception:
        self.failure = error
        return error


def _body_of(request: httpx.Request, stall_seconds: float | None) -> _Body | None:
    """Return the body if it is a stream; bytes in memory are what they are."""
    if isinstance(request.stream, httpx.ByteStream):
        return None
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return _Body(request.stream, int(request.headers["content-length"]), stall_seconds)


def _pieces(chunk: bytes) -> Iterator[bytes | memoryview]:
    if len(chunk) <= PIECE:
        yield chunk
        return
    view = memoryview(chunk)
    for start in range(0, len(chunk), PIECE):
        yield view[start : start + PIECE]


async def closed(chunks: object) -> None:
    """Finish a generator here and now, instead of whenever the garbage collector comes."""
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()


_WORDS: tuple[tuple[type[Exception], type[httpx.TransportError], str], ...] = (
    (aiohttp.ClientConnectorCertificateError, CertificateRejected, "the TLS certificate is not trusted"),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError, "the proxy cannot be reached"),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError, "the proxy refuses"),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout, "no connection in time"),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout, "no answer in time"),
    (TimeoutError, httpx.TimeoutException, "the whole request took too long"),
    (aiohttp.ClientConnectorDNSError, httpx.ConnectError, "the host's name cannot be resolved"),
    (aiohttp.ClientConnectorSSLError, httpx.ConnectError, "TLS failed"),
    (aiohttp.ClientConnectorError, httpx.ConnectError, "no connection"),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError, "the peer closed the connection without an answer"),
    (aiohttp.ClientPayloadError, httpx.ReadError, "the answer was cut off"),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError, "the answer is not HTTP"),
    (ValueError, httpx.UnsupportedProtocol, "the address is not a web address"),
    (Exception, httpx.ReadError, "the connection broke"),
)
"""aiohttp's class, httpx's class, our words. The order matters: aiohttp's classes are each other's children."""


def _translated(error: Exception) -> httpx.TransportError:
    if isinstance(error, httpx.TransportError):
        return error
    kind, words = next((kind, words) for theirs, kind, words in _WORDS if isinstance(error, theirs))
    return kind(words + _detail(error))


def _detail(error: Exception) -> str:
    """Return the part of aiohttp's error that holds no URL and tells a person what is wrong."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "")
        case aiohttp.ClientHttpProxyError():
            reason = f"HTTP {error.status}"
        case aiohttp.ClientConnectorError():
            reason = error.os_error.strerror
        case _:
            reason = ""
    return f": {reason}" if reason else ""
