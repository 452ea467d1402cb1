"""The peer of `large_file`: our own transport, sending as many bytes out of memory, read from no disk and not hashed.

`python -m benchmarks.from_memory URL BYTES`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from benchmarks.trees import APPID, ENV, PREFIX
from tcbsync.cloud.api import Body
from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import SecretSource
from tcbsync.cloud.wire import CloudSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE = 1024 * 1024


async def main(url: str, size: int) -> None:
    """Send one object."""
    cloud = open_cloud(CloudSettings(api_base=url), SecretSource(APPID, "a-word"))
    try:
        link = await cloud.link(ENV, f"{PREFIX}from-memory.bin")
        await cloud.send(link, Body(size, _bytes(size)))
    finally:
        await cloud.close()


async def _bytes(size: int) -> AsyncIterator[bytes]:
    piece = os.urandom(PIECE)
    while size > 0:
        yield piece[:size] if size < PIECE else piece
        size -= PIECE


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
