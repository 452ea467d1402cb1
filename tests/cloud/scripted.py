"""A server of raw sockets that does to each request exactly what a test says, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request as it came: the request line, the headers in lower case, the body."""

    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


async def receive_head(reader: asyncio.StreamReader) -> Received:
    """Read a request up to its body."""
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    pairs = (header.partition(": ") for header in rest)
    return Received(line, {name.lower(): value for name, _, value in pairs}, b"")


async def receive(reader: asyncio.StreamReader) -> Received:
    """Read a whole request."""
    head = await receive_head(reader)
    body = await reader.readexactly(int(head.headers.get("content-length", "0")))
    return Received(head.line, head.headers, body)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Write an answer, with its length."""
    lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_answer(**values: object) -> bytes:
    """Write a success of the API."""
    return answer(200, json.dumps(values).encode(), Content_Type="application/json")


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve each connection with `handler`; a client that leaves ends it."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def answering(*answers: bytes, seen: list[Received] | None = None) -> Handler:
    """Return a handler that gives the answers in turn, over all connections; the last one for ever."""
    left = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received = await receive(reader)
            if seen is not None:
                seen.append(received)
            writer.write(left.pop(0) if len(left) > 1 else left[0])

    return handle
