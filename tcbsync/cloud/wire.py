"""The service's addresses, and questions in JSON. What speaks HTTP is opened by the first of them.

The rule: an address may hold a token, so it goes to `http` and into no text. The refusal: no request is made here, and
no HTTP library is loaded before there is one: that takes longer than a whole pass that finds nothing to do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tcbsync.cloud.answers import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from tcbsync.cloud.api import Body, Link
    from tcbsync.cloud.http import Http


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
    """The way to the service. Must be made inside a running event loop. Raises ConfigError for a bad `ca_file`."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._opened: Http | None = None
        if settings.ca_file or settings.proxy:
            self.open()  # what may be wrong with them is said at once

    def open(self) -> Http:
        """Load and open what speaks HTTP, where that is not done yet."""
        if self._opened is None:
            from tcbsync.cloud.http import Http  # noqa: PLC0415 - see above

            self._opened = Http(self._settings)
        return self._opened

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
            response = await self.open().send(asked, "GET", url)
        else:
            body = json.dumps(question, ensure_ascii=False).encode()
            response = await self.open().send(asked, "POST", url, body, "application/json")
        return read_json(asked, response)

    async def upload(self, asked: str, link: Link, body: Body) -> httpx.Response:
        """POST the form of an upload. Raises what its bytes raise, unchanged."""
        return await self.open().upload(asked, link, body)

    async def head(self, asked: str, url: str) -> httpx.Response:
        """HEAD any address."""
        return await self.open().send(asked, "HEAD", url)

    async def close(self) -> None:
        """Close every connection."""
        if self._opened is not None:
            await self._opened.close()
