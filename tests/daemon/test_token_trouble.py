"""Access tokens under fire: many who wait for one, and somebody else who ends them again and again."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest

from tcbsync import control
from tcbsync.daemon.run import Daemon
from tcbsync.emulator.faults import Fault
from tcbsync.emulator.server import Emulator, Settings
from tests.engine.world import ShiftedHost, World, alive, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.cloud.sources import SecretSource
    from tcbsync.engine.mirror import Mirror

APPID = "wx-test"


@asynccontextmanager
async def contested(tmp_path: Path) -> AsyncIterator[tuple[World, Mirror]]:
    """Let a mirror run whose tokens, and the emulator's, live by the clock of its world."""
    host = ShiftedHost()
    async with Emulator(Settings(data=tmp_path / "cloud", clock=host.now)) as emulator:
        world = World(tmp_path / "root", tmp_path / "state", emulator, host)
        world.root.mkdir()
        async with world.assembly(world.mirror()) as assembly, alive(assembly, watches=False) as (mirror,):
            tokens = assembly.cloud._tokens
            tokens._clock = cast("SecretSource", tokens._source).clock = world.host.now
            daemon = Daemon(world.config(world.mirror()), assembly)
            async with control.serve(world.state, daemon.handlers()):
                yield world, mirror


async def upload(world: World, mirror: Mirror) -> str:
    """Write a file under a name that was never used, and have it looked at. Gives its path."""
    path = secrets.token_hex(4)
    world.write(path)
    mirror.hint([(path, True)])
    return path


@pytest.mark.slow
async def test_64_uploads_that_wait_for_a_token_ask_once(world: World, emulator: Emulator) -> None:
    """However many need a token at the same moment, at the start or after it was ended, one call is made for all."""
    for number in range(64):
        world.write(f"{number}")
    emulator.install(Fault(call="token", kind="stall", seconds=0.5))
    emulator.install(Fault(call="cos", kind="stall", seconds=0.3))

    async with world.running(watches=False, uploads=64) as mirror:
        await eventually(lambda: len(mirror._flights) == 64)
        await eventually(lambda: world.calls().get("token"))
        assert world.calls()["token"] == 1
        await eventually(mirror.is_in_sync)
        emulator.revoke_tokens()
        for number in range(64):
            world.write(f"{number}", f"changed {number}")
        mirror.hint([("", True)])
        await eventually(world.is_equal)

        assert 1 < emulator.counters.outcomes["uploadfile", "40001"] <= 64  # whoever comes later waits with these
        assert emulator.counters.outcomes["uploadfile", "ok"] == 128
    assert world.calls()["token"] == 2


async def test_a_service_that_forces_tokens_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each token works for a while and is then ended by another: work goes on, and status and log say who and what."""
    caplog.set_level(logging.INFO)
    async with contested(tmp_path) as (world, mirror):
        for _ in range(4):
            path = await upload(world, mirror)
            await eventually(lambda: path in world.cloud())  # noqa: B023 - called before the next
            await world.pass_time(mirror, 600)
            world.emulator._service.tokens.stable(APPID, force_refresh=True)
        await upload(world, mirror)
        await eventually(world.is_equal)
        answer = await control.ask(world.state, "status")

        assert answer["service"]["state"] == "ok"
        assert "another service seems to renew the token of this appid" in answer["service"]["notice"]
        assert "use stable_token without force_refresh" in answer["service"]["notice"]
        assert sum("another service seems to renew" in line for line in caplog.messages) == 1
        assert mirror.parts.tally.failures == 0
        assert world.calls()["token"] == 5


async def test_tokens_that_are_ended_at_once_are_not_renewed_in_a_loop(tmp_path: Path) -> None:
    """Each new token works for a moment: after some, one in half a minute is asked for, and status says why."""
    async with contested(tmp_path) as (world, mirror):
        for _ in range(3):
            path = await upload(world, mirror)
            await eventually(lambda: path in world.cloud())  # noqa: B023 - called before the next
            world.emulator.revoke_tokens()
        for _ in range(20):
            await upload(world, mirror)
            await asyncio.sleep(0.03)
            world.emulator.revoke_tokens()
        await eventually(lambda: mirror.parts.pace.service.state == "blocked")
        answer = await control.ask(world.state, "status")

        assert world.calls()["token"] <= 5
        assert answer["mirrors"][0]["state"] == "paused"
        assert "another service seems to renew the token of this appid" in answer["mirrors"][0]["reason"]
        assert answer["mirrors"][0]["failed"] == 0

        await world.pass_time(mirror, 3600)
        await eventually(world.is_equal)
        answer = await control.ask(world.state, "status")
        assert (answer["service"]["state"], answer["mirrors"][0]["reason"]) == ("ok", "")


@pytest.mark.slow
async def test_forced_renewals_are_bounded(tmp_path: Path) -> None:
    """A service that rejects every token is asked for a forced one at most 20 times a day, whatever the work."""
    async with contested(tmp_path) as (world, mirror):
        world.emulator.install(Fault(call="uploadfile", kind="errcode", errcode=40001))
        forced: list[float] = []
        give = world.emulator._service.tokens.stable

        def stable(appid: str, *, force_refresh: bool) -> tuple[str, int]:
            forced.extend([world.host.now()] * force_refresh)
            return give(appid, force_refresh=force_refresh)

        world.emulator._service.tokens.stable = stable  # type: ignore[method-assign]
        await upload(world, mirror)
        await eventually(lambda: mirror.parts.pace.service.state == "blocked")
        for _ in range(90):
            await world.pass_time(mirror, 900)
            await asyncio.sleep(0.02)

        assert 5 < len(forced) <= 21
        assert all(later - earlier >= 30 for earlier, later in pairwise(forced))
