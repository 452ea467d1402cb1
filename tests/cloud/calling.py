"""Calls on the bare transport: a client, requests with limits, and a body that knows whether it is still open."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from tcbsync.cloud.transport import AiohttpTransport, trusting
from tests.cloud.scripted import answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

MIB = 1024 * 1024
OK = answer(200, b"ok")


class Stream(httpx.AsyncByteStream):
    """A body of some chunks, which may raise at its end, and knows whether it was closed."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks, self.error = chunks, error
        self.is_open = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.is_open = True
        try:
            for chunk in self.chunks:
                yield chunk
            if self.error is not None:
                raise self.error
        finally:
            await asyncio.sleep(0)
            self.is_open = False


def post(url: str, stream: httpx.AsyncByteStream, size: int, **limits: float) -> httpx.Request:
    """Return a POST whose body is announced with `size` bytes."""
    extensions = {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, **limits}, "deadline": limits.get("deadline")}
    return httpx.Request("POST", url, headers={"Content-Length": str(size)}, stream=stream, extensions=extensions)


def get(url: str, **limits: float) -> httpx.Request:
    """Return a GET."""
    return httpx.Request("GET", url, extensions={"timeout": limits, "deadline": limits.get("deadline")})


@asynccontextmanager
async def calling(**settings: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """Make a client on the transport."""
    settings = {"max_connections": 8, "trust": trusting(), **settings}
    async with httpx.AsyncClient(transport=AiohttpTransport(**settings), trust_env=False) as client:
        yield client
