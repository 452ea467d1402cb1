"""Names that are looked up: what is found, a name server that does not answer, and who waits for whom."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tcbsync.cloud import resolver as looking
from tcbsync.cloud.resolver import Resolver
from tests.cloud.calling import OK, calling, get
from tests.cloud.scripted import answering, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))


class NameServer:
    """Stands in for the system's look-up: it hangs until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()

    def getaddrinfo(self, host: str, *_arguments: Any, **_named: Any) -> list[Any]:
        """Look up, sooner or later."""
        self.asked.append(host)
        self.answers.wait(60)
        return [LOOPBACK]


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """Let every look-up hang; at the end they come back."""
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.answers.set()


async def test_what_is_found() -> None:
    """The addresses in numbers, with the port that was asked for."""
    found = await Resolver(10).resolve("localhost", 443, socket.AF_INET)

    assert [(each["hostname"], each["host"], each["port"]) for each in found] == [("localhost", "127.0.0.1", 443)]
    assert found[0]["family"] == socket.AF_INET


async def test_a_link_local_address_keeps_its_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the interface nobody could go there."""
    name = socket.if_indextoname(1)
    local = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 80, 0, 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: [local])

    (found,) = await Resolver(10).resolve("near", 80)

    assert (found["host"], found["port"]) == (f"fe80::1%{name}", 80)


async def test_a_name_that_does_not_exist() -> None:
    """It is the system's own error; the name is looked up again the next time."""
    resolver = Resolver(10)
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await resolver.resolve("no name at all", 80)


async def test_a_name_server_that_does_not_answer(dead: NameServer) -> None:
    """The request fails after the time for a connection, as one that found no connection; it names no URL."""
    began = time.monotonic()

    async with calling(connect_seconds=0.2) as client:
        with pytest.raises(httpx.ConnectError, match="name cannot be resolved: no answer in time") as caught:
            await client.send(get("http://cloud.example/secret"))

    assert 0.2 <= time.monotonic() - began < 5
    assert "secret" not in str(caught.value)
    assert dead.asked == ["cloud.example"]


async def test_who_asks_again_waits_for_the_same_look_up(dead: NameServer) -> None:
    """A name hangs in one thread, however many ask, and an answer that comes late is one for all who wait then."""
    resolver = Resolver(0.1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await resolver.resolve("cloud.example", 80)

    resolver._seconds = 30
    waiting = [asyncio.ensure_future(resolver.resolve("cloud.example", 80)) for _ in range(3)]
    await asyncio.sleep(0)
    dead.answers.set()
    found = await asyncio.gather(*waiting)

    assert dead.asked == ["cloud.example"]
    assert [each["host"] for (each,) in found] == ["127.0.0.1"] * 3
    await resolver.resolve("cloud.example", 80)
    assert dead.asked == ["cloud.example"] * 2


async def test_so_many_hang_at_most(dead: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another name is refused at once then; when they have come back, it is looked up."""
    monkeypatch.setattr(looking, "LOOK_UPS", 3)
    resolver, before = Resolver(0.05), set(threading.enumerate())
    for number in range(3):
        with pytest.raises(TimeoutError):
            await resolver.resolve(f"{number}.example", 80)

    with pytest.raises(OSError, match="too many look-ups") as caught:
        await resolver.resolve("another.example", 80)

    assert caught.value.errno == errno.EAGAIN
    hanging = set(threading.enumerate()) - before
    assert [thread.name for thread in hanging] == ["look-up"] * 3
    dead.answers.set()
    while any(thread.is_alive() for thread in hanging):
        await asyncio.sleep(0.01)
    assert await resolver.resolve("another.example", 80)


async def test_a_connection_that_is_kept_asks_for_no_name(dead: NameServer) -> None:
    """Nor does a second one within the seconds that aiohttp remembers it."""
    dead.answers.set()
    async with serving(answering(OK)) as served, calling() as client:
        url = served.replace("127.0.0.1", "cloud.example")
        for _ in range(5):
            await client.send(get(url))
        await asyncio.gather(*(client.send(get(url)) for _ in range(4)))

    assert dead.asked == ["cloud.example"]
