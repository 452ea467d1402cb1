"""What the operator reads while the service makes trouble, and what happens next: every class, through every part."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync import control
from tcbsync.cli import exits
from tcbsync.cli.work import exit_code
from tcbsync.daemon import once
from tcbsync.daemon.run import Daemon
from tcbsync.emulator.faults import Fault
from tcbsync.emulator.server import Behaviours, Emulator, Settings
from tcbsync.store import rows
from tests.daemon.troubles import (
    ADVICE,
    LASTING,
    LINK,
    ONE_FILE,
    PASSING,
    UNKNOWN_POSITIVE,
    Trouble,
    errcode,
)
from tests.engine.world import PREFIX, World, alive, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.once import Outcome
    from tcbsync.engine.mirror import Mirror

pytestmark = pytest.mark.slow


@asynccontextmanager
async def told(world: World, **service: Any) -> AsyncIterator[Mirror]:
    """Let a mirror run, with the daemon's own socket beside it."""
    async with world.assembly(world.mirror(), **service) as assembly, alive(assembly, watches=False) as (mirror,):
        daemon = Daemon(world.config(world.mirror(), **service), assembly)
        async with control.serve(world.state, daemon.handlers()):
            yield mirror


async def status_of(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask for the status as `tcbsync status --json` does. Gives the service's part, and the mirror's."""
    answer = await control.ask(world.state, "status")
    return answer["service"], answer["mirrors"][0]


def seconds_until(world: World, moment: str) -> float:
    """Count from the clock of this world."""
    return datetime.fromisoformat(moment).timestamp() - world.host.now()


async def sync(world: World, **service: Any) -> tuple[Outcome, int]:
    """Do what `tcbsync sync` does, on a clock that hurries while the service may not be called."""

    def hurry(assembly: Assembly) -> None:
        if any(assembly.pace.closed(mirror.parts.target.env) for mirror in assembly.mirrors):
            world.host.ahead += 5
            assembly.pace._wake()

    (outcome,) = await once.sync(world.config(world.mirror(), **service), [], hurry, world.host)
    return outcome, exit_code(outcome)


@pytest.mark.parametrize("name", LASTING)
async def test_what_lasts_is_told_and_probed(
    world: World, emulator: Emulator, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Status and log name state, code and words; nobody calls until the time that status tells; one probe; then all."""
    trouble: Trouble = LASTING[name]
    caplog.set_level(logging.INFO)
    emulator.install(trouble.fault)
    for path in ("a", "b", "c"):
        world.write(path)

    async with told(world, uploads=1) as mirror:
        await eventually(lambda: mirror.looks.has_scanned and not mirror.looks.is_looking)
        await eventually(lambda: mirror.parts.pace.closed(mirror.parts.target.env) and not mirror._flights)
        service, shown = await status_of(world)
        assert (service["state"], shown["state"]) == (trouble.state, trouble.mirror)
        assert shown["reason"] == service["last_error"]
        assert not trouble.code or f"[{trouble.code}]" in service["last_error"]
        assert ADVICE.get(trouble.fault.errcode, "") in service["last_error"] or trouble.fault.kind != "errcode"
        assert -2 < seconds_until(world, service["paused_until"]) - trouble.seconds < 1
        assert (shown["failed"], shown["pending_uploads"]) == (0, 3)
        logged = [line for line in caplog.messages if line.startswith(f"service {trouble.state}")]
        assert len(logged) == 1
        assert trouble.code in logged[0]

        world.forget_calls()
        await asyncio.sleep(0.1)
        assert trouble.seconds < 3 or world.calls() == {}

        await world.pass_time(mirror, trouble.seconds + 1)
        await eventually(lambda: world.calls().get(trouble.fault.call))
        await eventually(lambda: not mirror._flights)
        assert world.calls()[trouble.fault.call] <= 2  # one probe, which may take a second token

        emulator.clear_faults()
        await world.pass_time(mirror, 3600)
        await eventually(world.is_equal)
        await eventually(mirror.is_in_sync)
        service, shown = await status_of(world)
        assert (service["state"], shown["state"], shown["reason"]) == ("ok", "in_sync", "")
        assert mirror.parts.tally.failures == 0


SYNC = {
    "-501001": (exits.UNREACHABLE, "offline"),
    "API 502": (exits.UNREACHABLE, "offline"),
    "API without an answer": (exits.UNREACHABLE, "offline"),
    "-777": (exits.UNREACHABLE, "offline"),
    "COS SlowDown": (exits.UNREACHABLE, "offline"),
    "45011": (exits.UNREACHABLE, "paused"),
    "45009": (exits.UNREACHABLE, "paused"),
    "token call 45009": (exits.UNREACHABLE, "paused"),
    "API Retry-After": (exits.UNREACHABLE, "paused"),
    "-501017": (exits.INCOMPLETE, "full"),
    "40001": (exits.FAILED, "blocked"),
    "42001": (exits.FAILED, "blocked"),
    "40164": (exits.FAILED, "blocked"),
    "token call 40164": (exits.FAILED, "blocked"),
    "token call 40125": (exits.CONFIG, "blocked"),
    "89503": (exits.FAILED, "blocked"),
    "-501005": (exits.FAILED, "blocked"),
    "COS 402": (exits.FAILED, "blocked"),
}


@pytest.mark.parametrize("name", SYNC)
async def test_what_lasts_ends_a_single_pass(world: World, emulator: Emulator, name: str) -> None:
    """`sync` gives up after a while, with the exit code of that class, and no file pays; the next one goes on."""
    emulator.install(LASTING[name].fault)
    world.write("a")
    world.write("b")

    outcome, code = await asyncio.wait_for(sync(world), 60)
    assert (code, outcome.service_state) == SYNC[name]
    assert LASTING[name].code in outcome.service_error
    assert (outcome.counts.failed, outcome.counts.pending_uploads) == (0, 2)

    emulator.clear_faults()
    assert (await sync(world))[1] == exits.DONE
    assert world.is_equal()


@pytest.mark.parametrize("name", PASSING)
async def test_what_passes_is_not_told(world: World, emulator: Emulator, name: str) -> None:
    """Tried again, with a new token or link where that is what helps; exit 0, and nothing failed."""
    emulator.install(PASSING[name])
    world.write("a")

    outcome, code = await sync(world)

    assert (code, outcome.counts.failed, outcome.done.failures) == (exits.DONE, 0, 0)
    assert world.is_equal()


async def test_what_is_wrong_with_one_file_parks_it(world: World, emulator: Emulator) -> None:
    """Exit 3; each file is parked with its own code and reason, is not asked about again, and stops no other."""
    for code, fault in ONE_FILE.items():
        world.write(f"bad {code}")
        emulator.install(Fault(**{**{name: getattr(fault, name) for name in fault.__slots__}, "key": f"*bad {code}"}))
    world.write("good")

    _, code_of_sync = await sync(world)
    failures = {failure.path.removeprefix("bad "): failure for failure in world.report().failures()}

    assert code_of_sync == exits.INCOMPLETE
    assert {path: failure.code for path, failure in failures.items()} == {code: code for code in ONE_FILE}
    assert {failure.next_at for failure in failures.values()} == {None}
    assert all(f"[{code}]" in failure.reason for code, failure in failures.items())
    assert "please report" in failures[str(UNKNOWN_POSITIVE)].reason
    assert set(world.cloud()) == {"good"}

    world.forget_calls()
    world.host.ahead += 24 * 3600
    assert (await sync(world))[1] == exits.INCOMPLETE
    assert world.calls() == {}

    emulator.clear_faults()
    async with world.assembly(world.mirror()) as assembly:
        await assembly.mirrors[0].parts.manifest.write(rows.retry)
    assert (await sync(world))[1] == exits.DONE
    assert world.is_equal()


@pytest.mark.parametrize("name", LINK)
async def test_a_link_that_is_never_accepted_makes_a_file_wait(world: World, emulator: Emulator, name: str) -> None:
    """One more link, then the file waits for a minute and is tried again by itself; status tells of it."""
    fault = LINK[name]
    emulator.install(Fault(call="cos", kind="http", status=fault.status, code=name, key=f"{PREFIX}bad"))
    for path in ("a", "bad"):
        world.write(path)

    async with told(world) as mirror:
        await eventually(lambda: world.report().counts().failed)
        (failure,) = world.report().failures()
        service, shown = await status_of(world)

        assert (failure.path, failure.code, world.calls()["uploadfile"]) == ("bad", name, 3)
        assert 40 < (failure.next_at or 0) - world.host.now() < 80
        assert (service["state"], shown["state"], shown["failed"]) == ("ok", "syncing", 1)

        emulator.clear_faults()
        await world.pass_time(mirror, 80)
        await eventually(world.is_equal)


GONE = {
    "status 1": (Behaviours(missing_delete_status=1), None),
    "status 0": (Behaviours(missing_delete_status=0), None),
    "-503003": (Behaviours(), Fault(call="batchdeletefile", kind="item_error", errcode=-503003, errmsg="no such")),
}


@pytest.mark.parametrize("name", GONE)
async def test_a_delete_of_what_is_absent_succeeds(tmp_path: Path, name: str) -> None:
    """The object is gone already, in whichever way the service says so: the row goes, and nothing failed."""
    behaviours, fault = GONE[name]
    async with Emulator(Settings(data=tmp_path / "cloud", behaviours=behaviours)) as emulator:
        world = World(tmp_path / "root", tmp_path / "state", emulator)
        await world.mirrored(3)
        emulator._service.storage.objects.clear()
        emulator.install(*([fault] if fault else []))
        (world.root / "0").unlink()

        outcome, code = await sync(world)

        assert (code, outcome.done.deletes, outcome.counts.files) == (exits.DONE, 1, 2)
        assert world.row("0") is None


async def test_a_delete_that_is_refused_waits_and_is_parked_in_the_end(world: World, emulator: Emulator) -> None:
    """Eight times, minutes and hours apart, with the service's words; then a person is asked."""
    await world.mirrored(3)
    words = "no right to this one"
    emulator.install(Fault(call="batchdeletefile", kind="item_error", errcode=-503002, errmsg=words))
    (world.root / "0").unlink()
    world.forget_calls()

    for _ in range(12):
        assert (await sync(world))[1] == exits.INCOMPLETE
        world.host.ahead += 8 * 3600

    (failure,) = world.report().failures()
    assert (failure.path, failure.next_at) == ("0", None)
    assert failure.reason == f"status -503002: {words}"
    assert world.calls() == {"token": 9, "batchdeletefile": 9}


async def test_a_days_quota_is_probed_each_half_hour_until_it_ends(world: World, emulator: Emulator) -> None:
    """45009: one call in half an hour, from whomever, until one succeeds; status tells when the next one is."""
    emulator.install(errcode(45009))
    for path in ("a", "b"):
        world.write(path)

    async with told(world) as mirror:
        await eventually(lambda: mirror.parts.pace.service.state == "paused" and not mirror._flights)
        for _ in range(6):
            world.forget_calls()
            await world.pass_time(mirror, 1790)
            await asyncio.sleep(0.05)
            assert world.calls() == {}
            await world.pass_time(mirror, 11)
            await eventually(lambda: world.calls().get("uploadfile"))
            await eventually(lambda: not mirror._flights)
            assert world.calls() == {"uploadfile": 1}
            service, _ = await status_of(world)
            assert 1795 < seconds_until(world, service["paused_until"]) <= 1800

        emulator.clear_faults()
        await world.pass_time(mirror, 1801)
        await eventually(world.is_equal)
