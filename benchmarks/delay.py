"""Stands before a server and hands each piece of its answers on a while later.

`python -m benchmarks.delay PORT SECONDS` prints the port on which it listens. Requests go through at once, as with the
emulator's `--latency`; bytes are neither read nor changed, so that it costs little. One process, any number of
connections.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import cast


class _ToServer(asyncio.Protocol):
    """The server's side of one connection: what comes here waits."""

    def __init__(self, client: asyncio.Transport, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()

    def data_received(self, data: bytes) -> None:
        self._waiting.append(data)
        self._loop.call_later(self._seconds, self._hand_on)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        self._loop.call_later(self._seconds, self._client.close)

    def _hand_on(self) -> None:
        self._client.write(self._waiting.popleft())


class _FromClient(asyncio.Protocol):
    """The client's side: what comes here goes on at once."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connecting = asyncio.ensure_future(self._connect(cast("asyncio.Transport", transport)))

    async def _connect(self, client: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server, _ = await loop.create_connection(
                lambda: _ToServer(client, self._seconds), "127.0.0.1", self._port
            )
        except OSError:
            client.abort()
            return
        self._server.writelines(self._early)
        if client.is_closing():
            self._server.close()

    def data_received(self, data: bytes) -> None:
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        if self._server is not None:
            self._server.close()


async def main(port: int, seconds: float) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _FromClient(port, seconds), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
