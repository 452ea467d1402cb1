"""Reload: what is different is applied, what is the same never notices, and what is wrong changes nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync import control
from tcbsync.config.schema import CredentialsConfig, MirrorConfig
from tcbsync.core.errors import ConfigError, StateError
from tcbsync.emulator.faults import Fault
from tcbsync.store import rows
from tcbsync.store.store import Store
from tests.daemon.steering import steered
from tests.engine.world import ENV, QUICK, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tests.daemon.steering import Steered
    from tests.engine.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
def fonts(tmp_path: Path) -> MirrorConfig:
    """Describe a second mirror, with a file."""
    root = tmp_path / "fonts"
    root.mkdir()
    (root / "a.woff").write_text("woff")
    return MirrorConfig("fonts", root, ENV, "fonts/", **QUICK)


async def test_a_mirror_is_added(world: World, fonts: MirrorConfig) -> None:
    """It is looked at, watched and mirrored from then on; the other one is not looked at again."""
    world.write("a")
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        scanned = (await daemon.ask("status"))["mirrors"][0]["last_scan_at"]
        daemon.mirrors(world.mirror(), fonts)

        shown = await daemon.reload(dry_run=True)
        before = await daemon.states()
        told = await daemon.reload()

        assert shown == told == [f"mirror fonts: added ({fonts.root} to {ENV}/fonts/)"]
        assert before == {"site": "in_sync"}
        await eventually(lambda: world.cloud(prefix="fonts/") == {"a.woff": b"woff"})
        (fonts.root / "b.woff").write_text("more")
        await eventually(lambda: set(world.cloud(prefix="fonts/")) == {"a.woff", "b.woff"})
        assert (await daemon.ask("status"))["mirrors"][0]["last_scan_at"] == scanned


async def test_a_mirror_that_is_removed_leaves_its_objects(world: World, fonts: MirrorConfig) -> None:
    """It is not looked after any more; nothing is deleted, not even what is deleted on disk afterwards."""
    world.write("a")
    async with steered(world, world.mirror(), fonts) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror())

        told = await daemon.reload()
        (fonts.root / "a.woff").unlink()
        world.write("b")
        await eventually(lambda: set(world.cloud()) == {"a", "b"})

        assert told == ["mirror fonts: removed (its objects stay in the cloud: `tcbsync forget fonts` gives them up)"]
        assert world.cloud(prefix="fonts/") == {"a.woff": b"woff"}
        assert set(await daemon.states()) == {"site"}


async def test_a_mirror_that_comes_back_sends_nothing(world: World, fonts: MirrorConfig) -> None:
    """Its rows were kept: taken out and put in again, it is in sync without a call."""
    async with steered(world, world.mirror(), fonts) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror())
        await daemon.reload()
        world.forget_calls()
        daemon.mirrors(world.mirror(), fonts)

        await daemon.reload()

        await eventually(daemon.in_sync)
        assert world.calls() == {}


async def test_a_changed_mirror_goes_by_its_new_rules(world: World) -> None:
    """Which keys are different is said, and from then on they hold."""
    world.write("a.txt")
    world.write("b.psd")
    world.write("stays")
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror(ignore=("*.psd",), quiet_seconds=0.1))

        told = await daemon.reload()

        assert told == ["mirror site: changed (ignore [] → [*.psd], quiet_seconds 0.2 → 0.1)"]
        await eventually(lambda: set(world.cloud()) == {"a.txt", "stays"})


async def test_what_is_in_flight_lands(world: World, emulator: Emulator) -> None:
    """An upload that takes its time, in a mirror that is changed meanwhile, is sent once, and not again."""
    world.write("slow")
    emulator.install(Fault(call="cos", kind="stall", seconds=7.0, count=1))
    async with steered(world) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"])
        daemon.mirrors(world.mirror(quiet_seconds=0.1))

        await daemon.reload()

        await eventually(daemon.in_sync)
        assert (world.calls()["uploadfile"], world.calls()["cos"]) == (1, 1)


async def test_another_mirrors_flight_is_not_touched(world: World, emulator: Emulator, fonts: MirrorConfig) -> None:
    """A reload that changes one mirror waits for nothing of another."""
    world.write("slow")
    emulator.install(Fault(call="cos", kind="stall", seconds=8.0, key="site/slow", count=1))
    async with steered(world, world.mirror(), fonts) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"] and world.cloud(prefix="fonts/"))
        daemon.mirrors(world.mirror(), replace(fonts, quiet_seconds=0.1))
        clock = asyncio.get_running_loop().time
        began = clock()

        await daemon.reload()

        assert clock() - began < 6
        assert world.cloud() == {}
        await eventually(world.is_equal)
        assert world.calls()["cos"] == 2


async def test_a_wrong_file_changes_nothing(
    world: World, fonts: MirrorConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """The verb gets every mistake; log, status and event tell of it; mirrors and service go on; a right one ends it."""
    caplog.set_level(logging.INFO)
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        daemon.wrong = ConfigError("the configuration is wrong:", mistakes=("c.yaml:1: one", "c.yaml:2: two"))

        with pytest.raises(ConfigError, match=r"c.yaml:1: one\n  c.yaml:2: two"):
            await daemon.reload()
        refused = await daemon.ask("status")
        events = await daemon.events()
        world.write("goes on")
        await eventually(world.is_equal)
        daemon.wrong = None
        await daemon.reload()

        words = "the configuration is wrong: c.yaml:1: one; c.yaml:2: two"
        assert refused["service"]["notice"].startswith("the configuration was not reloaded (20")
        assert refused["service"]["notice"].endswith(f"): {words}")
        assert [event["reason"] for event in events if event["event"] == "reload_refused"] == [words]
        assert f"the configuration is not reloaded, the one before stays in force: {words}" in caplog.messages
        assert (await daemon.ask("status"))["service"]["notice"] is None


async def test_a_disk_that_fails_amid_a_reload(
    world: World, fonts: MirrorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that is stopped cannot write its last word: the new file is in force as a whole, and said so."""

    def broken(*_arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    world.write("a.txt")
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror(ignore=("*.psd",), quiet_seconds=0.1), fonts)
        monkeypatch.setattr(rows, "deleting", broken)

        told = await daemon.reload()
        monkeypatch.undo()
        world.write("b.psd")
        world.write("b.txt")

        assert len(told) == 2
        await eventually(lambda: set(world.cloud()) == {"a.txt", "b.txt"})
        await eventually(lambda: world.cloud(prefix="fonts/") == {"a.woff": b"woff"})
        assert (await daemon.ask("status"))["service"]["notice"] is None


async def test_a_disk_that_fails_before_a_reload(
    world: World, fonts: MirrorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new mirror cannot be written down: it is refused, and not even the mirror that would change notices."""

    async def broken(*_arguments: object) -> None:
        raise StateError("disk I/O error")

    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror(ignore=("*.txt",)), fonts)
        monkeypatch.setattr(Store, "manifest", broken)

        with pytest.raises(StateError, match="disk I/O error"):
            await daemon.reload()
        world.write("a.txt")
        await eventually(world.is_equal)

        assert set(await daemon.states()) == {"site"}
        assert "disk I/O error" in (await daemon.ask("status"))["service"]["notice"]


async def test_another_state_directory_needs_a_restart(world: World, fonts: MirrorConfig) -> None:
    """It is refused with that word, and nothing else of the file is applied either."""
    async with steered(world) as daemon:
        daemon.mirrors(world.mirror(), fonts)
        daemon.config = replace(daemon.config, state_dir=world.state.with_name("elsewhere"))

        with pytest.raises(ConfigError, match="restart it to move there; until then nothing is changed"):
            await daemon.reload()

        assert set(await daemon.states()) == {"site"}


async def test_limits_change_while_uploads_run(world: World, emulator: Emulator) -> None:
    """More uploads at once, and other time limits: what waits goes faster at once, and nothing is sent twice."""
    for number in range(12):
        world.write(f"{number}")
    emulator.install(Fault(call="cos", kind="stall", seconds=1.0))
    async with steered(world, uploads=1) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"])
        daemon.service(uploads=12, read_seconds=50.0)

        told = await daemon.reload()
        await eventually(lambda: emulator.counters.max_at_once["cos"] > 6)
        await eventually(world.is_equal)

        assert told == ["service: changed (uploads 1 → 12, read_seconds 60.0 → 50.0)"]
        assert world.calls()["cos"] == 12
        assert (await daemon.ask("status"))["service"]["uploads_at_once"] == 12


async def test_another_bandwidth_holds_for_what_is_being_sent(world: World, emulator: Emulator) -> None:
    """A file that would take minutes is through as soon as the limit is taken away; no byte is sent twice."""
    world.write("a", "x" * 600_000)
    async with steered(world, bandwidth={"00:00": 5_000}) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"])
        limited = (await daemon.ask("status"))["service"]["bandwidth"]
        daemon.service(bandwidth=None)

        told = await daemon.reload()
        await eventually(world.is_equal)

        assert told == ["service: changed (bandwidth {00:00: 5000} → null)"]
        assert (limited, (await daemon.ask("status"))["service"]["bandwidth"]) == (5_000, None)
        assert world.calls()["cos"] == 1


def accept(emulator: Emulator, secret: str) -> None:
    """Let the cloud know the app by another secret."""
    emulator._service.settings = replace(emulator._service.settings, secret=secret)


async def test_a_rotated_secret_is_read_anew(world: World, emulator: Emulator, tmp_path: Path) -> None:
    """The file's name is the same and its content another: new calls use it, and one under way is answered."""
    secret = tmp_path / "secret"
    secret.write_text("first")
    accept(emulator, "first")
    emulator.install(Fault(call="cos", kind="stall", seconds=2.0, count=1))
    world.write("a")
    config = replace(
        world.config(world.mirror()), credentials=CredentialsConfig(appid="wx-test", secret_file=str(secret))
    )
    async with steered(world, config=config) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"])
        accept(emulator, "second")
        secret.write_text("second")
        emulator.revoke_tokens()

        told = await daemon.reload()
        world.write("b")

        assert told == ["credentials: changed (the secret was read anew)"]
        await eventually(lambda: set(world.cloud()) == {"a", "b"})
        assert emulator.counters.outcomes["cos", "ok"] == world.calls()["uploadfile"] == 2
        assert "second" not in repr(await daemon.events()) + str(await daemon.ask("status"))


async def test_a_wrong_secret_is_refused(world: World, emulator: Emulator, tmp_path: Path) -> None:
    """The service is asked before the new secret is taken: it says no, and the old one stays in force."""
    secret = tmp_path / "secret"
    secret.write_text("first")
    accept(emulator, "first")
    config = replace(
        world.config(world.mirror()), credentials=CredentialsConfig(appid="wx-test", secret_file=str(secret))
    )
    async with steered(world, config=config) as daemon:
        await eventually(daemon.in_sync)
        secret.write_text("mistyped")

        with pytest.raises(ConfigError, match="secret"):
            await daemon.reload()

        world.write("a")
        await eventually(world.is_equal)


async def test_mended_credentials_are_tried_at_once(world: World, emulator: Emulator) -> None:
    """A service that was blocked, and would be probed in half a minute, is called as soon as a reload has mended it."""
    world.write("a")
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=48001))
    async with steered(world) as daemon:
        await eventually(lambda: _is_in(daemon, "blocked"))
        emulator.clear_faults()
        daemon.service(read_seconds=50.0)

        await daemon.reload()

        await eventually(world.is_equal, 10)


async def _is_in(daemon: Steered, state: str) -> bool:
    return bool((await daemon.ask("status"))["service"]["state"] == state)


async def test_a_mirror_leaves_a_full_environment(world: World, emulator: Emulator) -> None:
    """It goes to another one, and nobody uses the full one any more: the service is said to be well again."""
    world.write("a")
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=-501017, count=1))
    async with steered(world) as daemon:
        await eventually(lambda: _is_in(daemon, "full"))
        daemon.mirrors(world.mirror(env="env-b"))

        await daemon.reload()

        await eventually(daemon.in_sync)
        assert world.cloud("env-b") == {"a": b"content"}
        assert await _is_in(daemon, "ok")
        told = [event["state"] for event in await daemon.events() if event["event"] == "service_changed"]
        assert told == ["full", "ok"]


async def test_sighup_reloads(world: World, fonts: MirrorConfig, caplog: pytest.LogCaptureFixture) -> None:
    """Without anybody who asks, a signal does the same, and a wrong file does not end the daemon."""
    caplog.set_level(logging.INFO)
    async with steered(world) as daemon:
        daemon.wrong = ConfigError("no")
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: "one before stays in force" in caplog.text)
        daemon.wrong = None
        daemon.mirrors(world.mirror(), fonts)

        os.kill(os.getpid(), signal.SIGHUP)

        await eventually(lambda: "fonts" in caplog.text)
        await eventually(lambda: world.cloud(prefix="fonts/") == {"a.woff": b"woff"})


async def test_prefixes_are_swapped(world: World, fonts: MirrorConfig) -> None:
    """Two mirrors that trade places are four mirrors to the manifest; nothing of the old places is deleted."""
    world.write("a")
    async with steered(world, world.mirror(), fonts) as daemon:
        await eventually(daemon.in_sync)
        daemon.mirrors(world.mirror(prefix="fonts2/"), replace(fonts, prefix="site2/"))

        told = await daemon.reload()

        assert all("at the old place its objects stay in the cloud" in words for words in told)
        await eventually(lambda: world.cloud(prefix="fonts2/") == {"a": b"content"})
        await eventually(lambda: world.cloud(prefix="site2/") == {"a.woff": b"woff"})
        assert world.cloud() == {"a": b"content"}


async def test_systemd_hears_of_it(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sd_notify(3): RELOADING=1 with the monotonic clock in microseconds, then READY=1, also where it is refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with steered(world) as daemon:
            await daemon.reload()
            daemon.wrong = ConfigError("no")
            with pytest.raises(ConfigError):
                await daemon.reload()
        heard = b""
        while b"STOPPING" not in heard and heard.count(b"RELOADING=1") < 2:
            heard += listening.recv(4096) + b"\n"
        heard += listening.recv(4096)

    first, second = heard.split(b"RELOADING=1\nMONOTONIC_USEC=")[1:]
    assert first.split(b"\n", 1)[0].isdigit()
    assert b"READY=1" in first
    assert b"READY=1" in second


async def test_a_caller_who_hangs_up_amid_a_reload(
    world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is finished: the mirror that was stopped is started anew."""
    monkeypatch.setattr(control, "BEAT_SECONDS", 0.05)
    emulator.install(Fault(call="cos", kind="stall", seconds=2.0, count=1))
    world.write("slow")
    async with steered(world) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"])
        daemon.mirrors(world.mirror(quiet_seconds=0.1))
        asking = asyncio.create_task(daemon.reload())
        await asyncio.sleep(0.5)

        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

        await eventually(daemon.in_sync)
        world.write("after")
        await eventually(world.is_equal)
        assert [event["event"] for event in await daemon.events()].count("reloaded") == 1


async def test_the_daemon_is_ended_amid_a_reload(world: World, emulator: Emulator) -> None:
    """SIGTERM waits for no reload: what is in flight gets its few seconds, and all ends."""
    emulator.install(Fault(call="cos", kind="stall", seconds=30.0, count=1))
    world.write("slow")
    async with steered(world) as daemon:
        await eventually(lambda: emulator.counters.at_once["cos"])
        daemon.mirrors(world.mirror(quiet_seconds=0.1))
        asking = asyncio.create_task(daemon.reload())
        await asyncio.sleep(0.5)

        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(asyncio.shield(daemon.task), 20)
        daemon.task = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.gather(asking, return_exceptions=True)

    await world.sync()
    assert world.is_equal()


async def test_many_reloads_under_load(world: World, emulator: Emulator, fonts: MirrorConfig) -> None:
    """Twenty reloads while files are written: mirrors come, go and change, and at the end all is equal.

    Never are there two operations on one key, and no object is left that nobody knows of.
    """
    emulator.install(Fault(call="cos", kind="stall", seconds=0.1, probability=0.3))
    async with steered(world, world.mirror(), fonts) as daemon:
        for turn in range(20):
            for number in range(10):
                world.write(f"{turn % 4}/{number}", f"{turn} {number}")
                (fonts.root / f"{number}.woff").write_text(f"{turn}")
            others = ((), (fonts,), (replace(fonts, quiet_seconds=0.1 + turn / 100),))[turn % 3]
            daemon.mirrors(world.mirror(quiet_seconds=0.2 + (turn // 2) / 100), *others)
            daemon.service(uploads=1 + turn % 5)
            await daemon.reload()
        daemon.mirrors(world.mirror(), fonts)
        await daemon.reload()

        await eventually(lambda: world.is_equal() and len(world.cloud(prefix="fonts/")) == 11)
        await eventually(daemon.in_sync)

        assert emulator.counters.max_at_once_same_key == 1
        contents = {path.name: path.read_bytes() for path in fonts.root.iterdir()}
        assert world.cloud(prefix="fonts/") == contents
