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
import os
import ssl
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
from yarl import URL

from tcbsync.cloud.outgoing import outgoing
from tcbsync.cloud.resolver import Resolver

if TYPE_CHECKING:
    from aiohttp.connector import Connection

    from tcbsync.cloud.outgoing import Outgoing

LONGEST_ANSWER = 4 * 1024 * 1024


class CertificateRejected(httpx.ConnectError):
    """The peer's TLS certificate is not one that we trust: a person must look."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One connection pool for all hosts. Must be made inside a running event loop.

    A name has to be found within `connect_seconds`; from then on a connection has the request's own limit.
    """

    def __init__(
        self, *, max_connections: int, trust: ssl.SSLContext, proxy: str | None = None, connect_seconds: float = 10.0
    ) -> None:
        self._places = asyncio.Semaphore(max_connections)
        self._proxy, self._proxy_headers = _proxy(proxy)
        self._session = aiohttp.ClientSession(
            connector=_Connections(
                limit=max_connections, limit_per_host=0, ssl=trust, resolver=Resolver(connect_seconds)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry out one request and read the whole answer. Raises httpx.TransportError, or the body's error."""
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        body = outgoing(request, limits.get("write"))
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
        self, request: httpx.Request, body: Outgoing | None, limits: dict[str, float | None]
    ) -> httpx.Response:
        timeout = aiohttp.ClientTimeout(sock_connect=limits.get("connect"), sock_read=limits.get("read"))
        async with self._session.request(
            request.method,
            _address(request),
            headers=request.headers.multi_items(),
            data=body,
            allow_redirects=False,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            timeout=timeout,
        ) as answer:
            if answer.status < 300 and body is not None and not body.is_out:
                raise httpx.RemoteProtocolError("success was claimed before the whole body was sent")
            content = bytearray()
            while chunk := await answer.content.readany():
                content += chunk
                if len(content) > LONGEST_ANSWER:
                    raise httpx.RemoteProtocolError("the answer is too long")
            return httpx.Response(answer.status, headers=answer.raw_headers, stream=httpx.ByteStream(bytes(content)))

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


def _address(request: httpx.Request) -> URL:
    """Return where a request goes: where it names a target, there, byte for byte, whatever httpx may think of it."""
    target: bytes = request.extensions.get("target", b"")
    url = str(request.url)
    return URL(url.rstrip("/") + target.decode("ascii") if target else url, encoded=True)


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
        case aiohttp.ClientConnectorDNSError() | aiohttp.ClientConnectorSSLError():
            reason = error.os_error.strerror
        case aiohttp.ClientConnectorError():  # asyncio's own words are the address once more, as Python writes it
            reason = os.strerror(error.os_error.errno) if error.os_error.errno else ""
        case _:
            reason = ""
    return f": {reason}" if reason else ""
