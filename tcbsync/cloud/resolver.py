"""Looks names up in threads that nobody has to wait for: a call to a dead name server takes its time, and more.

The rule: whoever asks waits for `seconds`; who asks again meanwhile waits for the same look-up, so that a name hangs in
one thread at most; and the end of the process waits for none of them. The refusal: beyond LOOK_UPS that are under way,
no other is begun.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from concurrent.futures import Future

from aiohttp.abc import AbstractResolver, ResolveResult

LOOK_UPS = 128
"""More than there are hosts to go to; so many threads may hang at once."""

Asked = tuple[str, int, socket.AddressFamily]
NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """What aiohttp asks where it needs a connection and its cache of names has nothing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: dict[Asked, Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of a host, as numbers. Raises OSError, which is a TimeoutError where it takes too long."""
        call = self._begun((host, port, family))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(call)
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "no answer in time") from None

    async def close(self) -> None:
        """Leave alone what is under way."""

    def _begun(self, asked: Asked) -> Future[list[ResolveResult]]:
        self._calls = {key: call for key, call in self._calls.items() if not call.done()}
        if asked in self._calls:
            return self._calls[asked]
        if len(self._calls) >= LOOK_UPS:
            raise OSError(errno.EAGAIN, "too many look-ups get no answer")
        call: Future[list[ResolveResult]] = Future()
        call.set_running_or_notify_cancel()

        def carry_out() -> None:
            try:
                call.set_result(_found(*asked))
            except BaseException as error:  # noqa: BLE001 - it is theirs who asked
                call.set_exception(error)

        try:
            threading.Thread(target=carry_out, name="look-up", daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "there are too many threads") from error
        self._calls[asked] = call
        return call


def _found(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    results = []
    for kind, _, proto, _, address in socket.getaddrinfo(
        host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    ):
        # In numbers, and with the scope that a link-local address of IPv6 has: nobody is asked for that.
        number, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        results.append(ResolveResult(hostname=host, host=number, port=port, family=kind, proto=proto, flags=NUMERIC))
    return results
