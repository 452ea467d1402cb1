"""One pass, and how it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tcbsync.daemon import once
from tcbsync.emulator.faults import Fault
from tcbsync.emulator.server import Emulator, Settings
from tests.engine.world import ENV, PREFIX, World

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.once import Outcome


def ignore(_assembly: Assembly) -> None:
    """Show nothing."""


async def sync(world: World, **options: object) -> Outcome:
    """Pass once over the one mirror."""
    (outcome,) = await asyncio.wait_for(once.sync(world.config(world.mirror(**options)), (), ignore), 60)
    return outcome


async def test_a_pass_that_did_everything(world: World) -> None:
    """The outcome counts what was done, and has nothing to complain of."""
    world.write("a", "12345")
    world.write("b", "1")

    outcome = await sync(world)

    assert (outcome.name, outcome.done.uploads, outcome.done.upload_bytes) == ("site", 2, 6)
    assert (outcome.counts.files, outcome.counts.failed, outcome.problems) == (2, 0, 0)
    assert (outcome.service_state, outcome.service_error, outcome.hold, outcome.root_problem) == ("ok", "", "", "")
    assert not outcome.is_wrong_credentials


async def test_only_the_named_mirrors(world: World) -> None:
    """The others are not looked at, and not told of."""
    other = world.root.parent / "other"
    other.mkdir()
    (other / "b").write_text("b")
    world.write("a")
    config = world.config(world.mirror(), world.mirror(name="other", root=other, prefix="other/"))

    outcomes = await once.sync(config, ["other"], ignore)

    assert [outcome.name for outcome in outcomes] == ["other"]
    assert {key for _, key in world.emulator.objects()} == {"other/b"}


async def test_progress_is_told_while_it_works(world: World, emulator: Emulator) -> None:
    """Several times a second, with what runs."""
    emulator.set_latency(0.2)
    world.write("a")
    seen: list[int] = []

    await once.sync(world.config(world.mirror()), (), lambda assembly: seen.append(len(assembly.mirrors)))

    assert len(seen) >= 3
    assert set(seen) == {1}


async def test_held_deletes_come_with_their_reason(world: World) -> None:
    """The outcome says how many, and why."""
    file = world.write("a")
    await sync(world)
    file.unlink()

    outcome = await sync(world)

    assert outcome.counts.held_deletes == 1
    assert "no files any more" in outcome.hold


async def test_a_missing_root_comes_with_its_reason(world: World) -> None:
    """Nothing was done, and the outcome says why."""
    world.root.rmdir()

    outcome = await sync(world)

    assert "is missing" in outcome.root_problem


async def test_failed_files_and_problems_are_counted(world: World, emulator: Emulator) -> None:
    """Each once, beside the service that is well."""
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=-501007, key=f"{PREFIX}b"))
    world.write("a")
    world.write("b")
    world.write("caf\u00e9")
    world.write("cafe\u0301")

    outcome = await sync(world)

    assert (outcome.counts.files, outcome.counts.failed, outcome.problems) == (1, 1, 1)
    assert outcome.service_state == "ok"


async def test_a_wrong_secret_is_told_from_other_trouble(tmp_path: Path) -> None:
    """It is the configuration that is wrong; a wrong env is not that."""
    async with Emulator(Settings(data=tmp_path / "cloud", secret="another", env=ENV)) as emulator:
        world = World(tmp_path / "root", tmp_path / "state", emulator)
        world.write("a")
        wrong_secret = await sync(world)
    async with Emulator(Settings(data=tmp_path / "cloud", env="another")) as emulator:
        world.emulator = emulator
        wrong_env = await sync(world)

    assert wrong_secret.is_wrong_credentials
    assert (wrong_secret.service_state, wrong_env.service_state) == ("blocked", "blocked")
    assert not wrong_env.is_wrong_credentials
    assert "-501005" in wrong_env.service_error
    assert wrong_secret.counts.pending_uploads == wrong_env.counts.pending_uploads == 1


async def test_a_service_out_of_reach_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pass gives up after a while; nothing has failed, everything waits."""
    monkeypatch.setattr("tcbsync.engine.mirror.OUTAGE_SECONDS", 0.5)
    async with Emulator(Settings(data=tmp_path / "cloud")) as emulator:
        world = World(tmp_path / "root", tmp_path / "state", emulator)
        world.write("a")

    outcome = await sync(world)

    assert outcome.service_state == "offline"
    assert outcome.service_error
    assert (outcome.counts.pending_uploads, outcome.counts.failed) == (1, 0)
