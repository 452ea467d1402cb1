"""One request and its answer, over httpx: the limits of time and number, and what its failures are called.

The rule: whatever goes wrong here is a CloudError that says which call and which host, in our own words, raised
with no other exception attached: httpx's and aiohttp's own texts hold URLs, and URLs hold tokens. The refusal: it
knows no call of the API and no meaning of an answer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import httpx

from tcbsync import __version__
from tcbsync.cloud.address import host_of, request_url, split_origin
from tcbsync.cloud.answers import content_of
from tcbsync.cloud.form import Form
from tcbsync.cloud.transport import AiohttpTransport, CertificateRejected, trusting
from tcbsync.core.errors import CloudError, ConfigError, FileChanged, Misconfigured, NoAnswer

if TYPE_CHECKING:
    from tcbsync.cloud.api import Body, Link
    from tcbsync.cloud.wire import CloudSettings

KERNEL_BUFFER = 4 * 1024 * 1024
"""Linux, tcp_wmem: so much of a body may still be under way when we have let go of its last byte."""

LONGEST_PACKED = 64 * 1024
"""Bytes may grow a thousandfold when they are unpacked."""

_HEADERS = {"User-Agent": f"tcbsync/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


class Http:
    """The connections. Must be made inside a running event loop. Raises ConfigError for a bad `ca_file`.

    Requests go straight to the transport: what httpx's client would add (logins, redirects, cookies, hooks, a log line
    with the URL) is not wanted here, and costs as much as the request itself.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        try:
            trust = trusting(settings.ca_file)
        except OSError as error:
            raise ConfigError(f"service.ca_file {settings.ca_file} cannot be used: {error.strerror}") from None
        self._transport = AiohttpTransport(
            max_connections=settings.max_connections,
            trust=trust,
            proxy=settings.proxy or None,
            connect_seconds=settings.connect_seconds,
        )

    async def send(
        self, asked: str, method: str, url: str, body: bytes | Form = b"", media_type: str = ""
    ) -> httpx.Response:
        """Send a request, and give the whole answer. Raises CloudError, or what the body raises, unchanged."""
        try:
            response = await self._transport.handle_async_request(self._request(method, url, body, media_type))
            if "content-encoding" in response.headers:  # though nobody asked for it; all other answers are as they came
                _unpack(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = _failure(f"{asked}: {host_of(url)}", error)
        else:
            return response
        raise failure  # here, where no exception is being handled, so that none is attached

    async def upload(self, asked: str, link: Link, body: Body) -> httpx.Response:
        """POST the form of an upload, like `send`."""
        form = Form(link, body)
        return await self.send(asked, "POST", link.url, form.whole or form, form.media_type)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    def _request(self, method: str, url: str, body: bytes | Form, media_type: str) -> httpx.Request:
        size = body.size if isinstance(body, Form) else len(body)
        stream = body if isinstance(body, Form) else httpx.ByteStream(body)
        headers = {**_HEADERS, "Content-Type": media_type, "Content-Length": str(size)} if media_type else _HEADERS
        origin, target = split_origin(request_url(url))
        extensions = {"target": target.encode(), **self._limits(size)}
        return httpx.Request(method, _parsed(origin), headers=headers, stream=stream, extensions=extensions)

    def _limits(self, size: int) -> dict[str, Any]:
        settings = self._settings
        slowest = settings.slowest_bytes_per_second
        timeout = {
            "connect": settings.connect_seconds,
            "write": settings.stall_seconds,
            "read": settings.read_seconds + min(size, KERNEL_BUFFER) / slowest,
        }
        return {"timeout": timeout, "deadline": settings.total_seconds + size / slowest}


def _unpack(response: httpx.Response) -> None:
    if len(content_of(response)) > LONGEST_PACKED:
        raise httpx.RemoteProtocolError("the answer is packed, and too long for that")
    response.read()


@lru_cache(maxsize=64)
def _parsed(origin: str) -> httpx.URL:
    """Parse scheme and host, which are few. What is behind them goes out as it is, unparsed, as httpx's `target`."""
    return httpx.URL(origin)


def _failure(where: str, error: Exception) -> CloudError | FileChanged:
    match error:
        case CertificateRejected():
            hint = "check this host's clock, service.ca_file, and whether a proxy is in the way"
            return Misconfigured(f"{where}: {error}", code="TLS", hint=hint)
        case httpx.LocalProtocolError():
            return FileChanged(f"{where}: {error}")
        case httpx.TransportError():  # the transport's own words, which hold no URL
            return NoAnswer(f"{where}: {error}", code=type(error).__name__)
        case httpx.InvalidURL():
            return NoAnswer(f"{where}: not a usable address", code="InvalidURL")
        case _:
            return NoAnswer(f"{where}: the answer cannot be read", code=type(error).__name__)
