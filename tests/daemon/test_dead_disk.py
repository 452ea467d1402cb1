"""A start while the disk of one mirror is dead: that mirror waits, and says so; the others, and the watchdog, go on."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from tcbsync.local import glance
from tests.daemon.steering import Steered, steered
from tests.dead import dead
from tests.engine.world import World, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tcbsync.emulator.server import Emulator

WATCHDOG_SECONDS = 2
"""A thread that hangs for so long starves the watchdog."""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Give the socket on which systemd is told things."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_SECONDS * 1_000_000))
        yield listening


def heard(listening: socket.socket) -> str:
    """Give all that systemd was told since it was last asked."""
    told = []
    while True:
        try:
            told.append(listening.recv(4096).decode())
        except BlockingIOError:
            return "\n".join(told)


@pytest.fixture
def other(world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> World:
    """Give a second root, which is on the disk that dies; an answer is not waited for long."""
    monkeypatch.setattr(glance, "ANSWER_SECONDS", 0.3)
    other = World(world.root.with_name("other"), world.state, emulator)
    other.root.mkdir()
    return other


async def is_held(daemon: Steered) -> bool:
    """Whether the mirror of the dead disk says so."""
    return (await daemon.states())["other"] == "held"


@pytest.mark.slow
async def test_a_dead_disk_is_the_matter_of_its_mirror_alone(
    world: World, other: World, systemd: socket.socket
) -> None:
    """It is held, and says why; the other one mirrors; the watchdog is fed; and all of it is seen when it is back."""
    other.write("theirs")
    world.write("ours")
    mirrors = other.mirror(name="other", prefix="other/", blind_rescan_seconds=1.0), world.mirror()
    with dead(other.root):
        async with steered(world, *mirrors) as daemon:
            await eventually(lambda: world.cloud() == {"ours": b"content"})
            await eventually(lambda: is_held(daemon))
            (held,) = [each["hold"] for each in (await daemon.ask("status"))["mirrors"] if each["name"] == "other"]
            flushed = await daemon.flush(("other", ""), seconds=5.0)
            heard(systemd)
            await asyncio.sleep(3 * WATCHDOG_SECONDS)
            world.write("saved meanwhile")
            await eventually(world.is_equal)
            told = heard(systemd)
            is_alive = not daemon.task.done()

    assert held == f"root {other.root} or a disk in it does not answer; is its server up? Nothing is sent or deleted"
    assert [result["why"] for result in flushed] == ["held"]
    assert told.count("WATCHDOG=1") >= 2 * WATCHDOG_SECONDS
    assert is_alive


@pytest.mark.slow
async def test_when_the_disk_is_back_all_is_seen(world: World, other: World) -> None:
    """What is in it is mirrored, and from then on events tell of what changes."""
    other.write("theirs")
    mirrors = other.mirror(name="other", prefix="other/", blind_rescan_seconds=0.5), world.mirror()

    with dead(other.root):
        running = steered(world, *mirrors)
        daemon = await running.__aenter__()
        await eventually(lambda: is_held(daemon))
    await eventually(lambda: other.cloud(prefix="other/") == {"theirs": b"content"})
    await eventually(daemon.in_sync)
    other.write("saved")
    await eventually(lambda: "saved" in other.cloud(prefix="other/"))
    (watch_mode,) = {mirror["watch_mode"] for mirror in (await daemon.ask("status"))["mirrors"]}
    await running.__aexit__(None, None, None)

    assert watch_mode == "inotify"
