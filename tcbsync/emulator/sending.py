"""Sends a reply, and bends it on the way where a fault says so.

Rule: an honest reply leaves as one write where it is small. Refusal: what is stored is not looked at here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from tcbsync.emulator.faults import pass_time
from tcbsync.emulator.replies import HangUpError, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.emulator.exchange import Exchange

_CHUNK_BYTES = 256 * 1024
_TRICKLE_PIECES = 10


def bend(exchange: Exchange, reply: Reply) -> Reply:
    """Apply the faults that change an answer; raises HangUpError where there is to be none."""
    fault = exchange.fault
    if fault is None:
        return reply
    if fault.kind == "stored_reply_lost":
        if reply.region:
            reply.region.file.close()
        raise HangUpError
    if fault.kind == "cut_json":
        return replace(reply, body=reply.body[: len(reply.body) // 2])
    if fault.kind in ("wrong_etag", "no_etag") and "ETag" in reply.headers:
        others = {name: value for name, value in reply.headers.items() if name != "ETag"}
        return replace(reply, headers=others if fault.kind == "no_etag" else {**others, "ETag": fault.etag})
    return reply


async def send(exchange: Exchange, reply: Reply) -> web.StreamResponse:
    """Send the whole reply, or what a fault leaves of it; closes the reply's file."""
    slow = exchange.struck_by("trickle")
    is_cut = exchange.struck_by("cut_amid") is not None and exchange.call != "cos"
    length = reply.region.length if reply.region else len(reply.body)
    if slow and (not length or exchange.request.method == "HEAD"):
        await pass_time(slow.seconds)
        slow = None
    if reply.region is None and not slow and not (is_cut and length):
        if is_cut:
            raise HangUpError
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body or None)
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = length
    try:
        await response.prepare(exchange.request)
        size = max(1, length // _TRICKLE_PIECES) if slow else _CHUNK_BYTES
        await _send_pieces(
            response,
            _pieces(reply, size),
            length // 2 if is_cut else None,
            slow.seconds / -(-length // size) if slow else 0,
        )
    finally:
        if reply.region:
            reply.region.file.close()
    await response.write_eof()
    return response


async def _send_pieces(
    response: web.StreamResponse, pieces: Iterator[bytes], cut_at: int | None, pause_seconds: float
) -> None:
    sent = 0
    for piece in pieces:
        await pass_time(pause_seconds)
        if cut_at is not None and sent + len(piece) > cut_at:
            await response.write(piece[: cut_at - sent])
            raise HangUpError
        await response.write(piece)
        sent += len(piece)


def _pieces(reply: Reply, size: int) -> Iterator[bytes]:
    if reply.region is None:
        for start in range(0, len(reply.body), size):
            yield reply.body[start : start + size]
        return
    reply.region.file.seek(reply.region.start)
    remaining = reply.region.length
    while remaining and (piece := reply.region.file.read(min(size, remaining))):
        remaining -= len(piece)
        yield piece
