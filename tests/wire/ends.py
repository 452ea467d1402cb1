"""The two ends of a connection through the proxy: reading an answer from one, and ending one as TCP can."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from dataclasses import dataclass

from tests.wire import messages


class CutError(Exception):
    """Both connections end here. `is_rst`: with a reset."""

    def __init__(self, *, is_rst: bool) -> None:
        self.is_rst = is_rst


@dataclass(slots=True)
class Side:
    """One end of a connection through the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def read_answer(reader: asyncio.StreamReader, *, is_head: bool) -> bytes:
    """Read one whole answer, which has no body if the question was a HEAD. Raises CutError where there is none."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        raise CutError(is_rst=False) from None
    has_body = not is_head and not re.match(rb"HTTP/1\.1 (?:204|304)", head)
    return head + (await reader.readexactly(messages.content_length(head)) if has_body else b"")


async def closed(side: Side) -> None:
    """Wait until the other end has closed, or says something that nobody asked for."""
    with contextlib.suppress(ConnectionError):
        await side.reader.read(1)


async def end(side: Side, *, is_rst: bool) -> None:
    """End a connection: with a reset, or so that all that was sent arrives, and then the end of it."""
    transport = side.writer.transport
    if is_rst:
        linger = struct.pack("ii", 1, 0)
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            side.writer.write_eof()
            async with asyncio.timeout(0.5):  # a close with bytes unread would be a reset
                while await side.reader.read(262144):
                    pass
    side.writer.close()
    with contextlib.suppress(OSError):
        await side.writer.wait_closed()
