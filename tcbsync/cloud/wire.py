"""One HTTP client for all calls: the limits of time and number, and what its failures are called.

The rule: whatever goes wrong here is a CloudError that says which call and which host, in our own words, raised
with no other exception attached: httpx's and aiohttp's own texts hold URLs, and URLs hold tokens. The refusal: it
knows no call of the API and no meaning of an answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx

from tcbsync import __version__
from tcbsync.cloud.address import host_of, request_url, split_origin
from tcbsync.cloud.answers import read_json
from tcbsync.cloud.form import Form
from tcbsync.cloud.transport import AiohttpTransport, CertificateRejected, trusting
from tcbsync.core.errors import CloudError, ConfigError, FileChanged, Misconfigured, NoAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

KERNEL_BUFFER = 4 * 1024 * 1024
"""Linux, tcp_wmem: so much of a body may still be under way when we have let go of its last byte."""

_HEADERS = {"User-Agent": f"tcbsync/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_JSON_HEADERS = {**_HEADERS, "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """Where the service is and how long to wait for it. All times in seconds."""

    api_base: str = "https://api.weixin.qq.com"
    """Scheme, host and path prefix, all kept; `http://` is for the open API service inside WeChat Cloud Run."""
    token_parameter: str = "access_token"  # noqa: S105 - a name, no token
    """API docs: `cloudbase_access_token` for the token file of WeChat Cloud Run."""
    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    stall_seconds: float = 30.0
    """How long the peer may take nothing of a body."""
    total_seconds: float = 120.0
    """The whole request, to which `size / slowest_bytes_per_second` is added."""
    slowest_bytes_per_second: float = 16 * 1024
    max_connections: int = 64
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None


class Wire:
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
            max_connections=settings.max_connections, trust=trust, proxy=settings.proxy or None
        )

    def api(self, path: str, **query: str) -> str:
        """Return the URL of one API call. It may hold a token: never show it."""
        url = self._settings.api_base.rstrip("/") + path
        return f"{url}?{urlencode(query)}" if query else url

    def api_with_token(self, path: str, token: str) -> str:
        """Return the URL of one API call with the access token, if there is one."""
        return self.api(path, **{self._settings.token_parameter: token}) if token else self.api(path)

    async def ask(self, asked: str, url: str, question: Mapping[str, object] | None = None) -> dict[str, Any]:
        """POST a JSON question, or GET without one; return the JSON answer if it is a success.

        JSON in raw UTF-8: a path that was sent escaped uploads, but cannot be downloaded.
        """
        if question is None:
            response = await self._send(asked, "GET", url, b"", _HEADERS)
        else:
            body = json.dumps(question, ensure_ascii=False).encode()
            response = await self._send(asked, "POST", url, body, _JSON_HEADERS)
        return read_json(asked, response)

    async def post(self, asked: str, url: str, form: Form) -> httpx.Response:
        """POST a form. Raises what its bytes raise, unchanged."""
        headers = {**_HEADERS, "Content-Type": form.media_type}
        return await self._send(asked, "POST", url, form.whole or form, headers)

    async def head(self, asked: str, url: str) -> httpx.Response:
        """HEAD any address."""
        return await self._send(asked, "HEAD", url, b"", _HEADERS)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _send(
        self, asked: str, method: str, url: str, body: bytes | Form, headers: dict[str, str]
    ) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(self._request(method, url, body, headers))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            failure = _failure(f"{asked}: {host_of(url)}", error)
        raise failure  # here, where no exception is being handled, so that none is attached

    def _request(self, method: str, url: str, body: bytes | Form, headers: dict[str, str]) -> httpx.Request:
        size = body.size if isinstance(body, Form) else len(body)
        stream = body if isinstance(body, Form) else httpx.ByteStream(body)
        if method == "POST":
            headers = {**headers, "Content-Length": str(size)}
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


@lru_cache(maxsize=64)
def _parsed(origin: str) -> httpx.URL:
    """Parse scheme and host, which are few. What is behind them goes out as it is, unparsed, as httpx's `target`."""
    return httpx.URL(origin)


def _failure(where: str, error: Exception) -> CloudError | FileChanged:
    match error:
        case CertificateRejected():
            hint = "check this machine's clock, service.ca_file, and whether a proxy is in the way"
            return Misconfigured(f"{where}: {error}", code="TLS", hint=hint)
        case httpx.LocalProtocolError():
            return FileChanged(f"{where}: {error}")
        case httpx.TransportError():  # the transport's own words, which hold no URL
            return NoAnswer(f"{where}: {error}", code=type(error).__name__)
        case _:
            return NoAnswer(f"{where}: not a usable address", code=type(error).__name__)
