"""What the service says, and what that stops: one file, one environment, everybody, or nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync import status
from tcbsync.cloud.codes import error_for
from tcbsync.emulator.faults import Fault
from tcbsync.emulator.server import Emulator, Settings
from tests.engine.world import ENV, PREFIX, World, alive, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.engine.mirror import Mirror


def errcode(code: int, **more: Any) -> Fault:
    """Answer every link request with a code."""
    return Fault(**{"call": "uploadfile", "kind": "errcode", "errcode": code, **more})


async def test_a_rate_answer_pauses_all_callers(world: World, emulator: Emulator) -> None:
    """One answer 45011, and nobody calls for a minute: not the one who got it, and not the other fifteen."""
    for number in range(40):
        world.write(f"{number}")
    emulator.install(errcode(45011, skip=20, count=1))

    async with world.running(watches=False) as mirror:
        await eventually(lambda: mirror.parts.pace.service.state == "paused")
        await eventually(lambda: emulator.counters.at_once["all"] == 0 and not mirror._flights)
        world.forget_calls()
        await asyncio.sleep(0.5)
        stored = len(world.cloud())

        assert world.calls() == {}
        assert 0 < stored < 40
        assert 55 < mirror.parts.pace.wait_seconds(ENV) <= 60

        await world.pass_time(mirror, 61)
        await eventually(mirror.is_in_sync)

    assert world.is_equal()
    assert mirror.parts.tally.failures == 0


@pytest.mark.slow
async def test_a_delete_that_is_tried_again_waits_for_the_pause_too(world: World, emulator: Emulator) -> None:
    """A batch between two attempts is a caller like all others: amid a pause it does not call."""
    for number in range(3):
        world.write(f"{number}", "x" * (number + 1))

    async with world.running(retry_seconds=2.0, retry_max_seconds=2.0, attempts=9) as mirror:
        await eventually(mirror.is_in_sync)
        emulator.install(Fault(call="batchdeletefile", kind="http", status=503, count=1, headers={"Retry-After": "1"}))
        (world.root / "0").unlink()
        await eventually(lambda: world.calls().get("batchdeletefile"))
        mirror.parts.pace.failed(ENV, error_for("uploadfile", 45011, ""))
        await asyncio.sleep(3)

        assert world.calls()["batchdeletefile"] == 1

        await world.pass_time(mirror, 61)
        await eventually(world.is_equal)
        assert mirror.parts.tally.failures == 0


async def test_a_full_store_stops_uploads_and_lets_deletes_go(world: World, emulator: Emulator) -> None:
    """Deletes are what makes room; uploads wait, and no file pays for it."""
    for number in range(6):
        world.write(f"{number}", "x" * (number + 1))

    async with world.running() as mirror:
        await eventually(mirror.is_in_sync)
        emulator.install(errcode(-501017))
        world.write("new", "a file of another size")
        await eventually(lambda: mirror.parts.pace.stores[ENV].state == "full")
        (world.root / "0").unlink()
        await eventually(lambda: "0" not in world.cloud())

        assert "new" not in world.cloud()
        assert world.report().counts().failed == 0

        emulator.clear_faults()
        await world.pass_time(mirror, 3600)
        await eventually(world.is_equal)


async def test_one_environments_trouble_is_not_anothers(tmp_path: Path) -> None:
    """A mirror with a wrong env and many files keeps neither the slots nor the time of the one beside it."""
    async with Emulator(Settings(data=tmp_path / "cloud", env=ENV)) as emulator:
        world = World(tmp_path / "right", tmp_path / "state", emulator)
        other = World(tmp_path / "wrong", tmp_path / "state", emulator)
        for number in range(60):
            world.write(f"{number}")
            other.write(f"{number}")
        mirrors = (other.mirror(name="wrong", env="no-such-env"), world.mirror())

        async with world.assembly(*mirrors, uploads=4) as assembly, alive(assembly, watches=False) as (wrong, right):
            await eventually(right.is_in_sync)
            await eventually(lambda: wrong.parts.pace.envs["no-such-env"].state == "blocked")

            assert world.is_equal()
            assert wrong.parts.pace.service.state == "ok"
            assert wrong.parts.tally.failures == 0


@pytest.mark.slow
async def test_deletes_of_a_blocked_environment_hold_no_slots(tmp_path: Path) -> None:
    """More batches of deletes than there are slots wait for one env; the other env's deletes go."""
    async with Emulator(Settings(data=tmp_path / "cloud")) as emulator:
        world = World(tmp_path / "right", tmp_path / "state", emulator)
        other = World(tmp_path / "wrong", tmp_path / "state", emulator)
        world.write("stays")
        other.write("stays")
        theirs = [other.write(f"{number}", str(number)) for number in range(150)]
        ours = world.write("a", "of another size")
        mirrors = (other.mirror(name="wrong", env="env-b"), world.mirror())

        async with world.assembly(*mirrors, deletes=1) as assembly, alive(assembly) as (wrong, right):
            await eventually(right.is_in_sync)
            await eventually(wrong.is_in_sync)
            emulator.install(Fault(call="batchdeletefile", kind="errcode", errcode=-501005, count=1))
            for file in theirs:
                file.unlink()
            await eventually(lambda: wrong.parts.pace.envs["env-b"].state == "blocked")
            ours.unlink()
            await eventually(lambda: set(world.cloud()) == {"stays"})

            assert len(other.cloud("env-b")) > 0


async def test_a_file_that_is_refused_is_parked_with_its_code(world: World, emulator: Emulator) -> None:
    """No retry, the service's own code, and the others go on."""
    emulator.install(errcode(-501007, errmsg="bad path", key=f"{PREFIX}5"))
    for number in range(10):
        world.write(f"{number}")

    await world.sync()
    (failure,) = world.report().failures()

    assert (failure.path, failure.code, failure.next_at, failure.attempts) == ("5", "-501007", None, 1)
    assert set(world.cloud()) == set(world.disk()) - {"5"}

    world.forget_calls()
    world.host.ahead = 24 * 3600
    await world.sync()
    assert world.calls() == {}


async def test_a_parked_file_is_sent_when_it_has_changed(world: World, emulator: Emulator) -> None:
    """A new state of the file is a new try."""
    emulator.install(errcode(-501007, count=1))
    file = world.write("a")
    await world.sync()
    file.write_text("changed")

    await world.sync()

    assert world.is_equal()


async def test_a_revoked_token_is_replaced_amid_the_work(world: World, emulator: Emulator) -> None:
    """Nobody fails, and one new token is asked for."""
    for number in range(100):
        world.write(f"{number}")
    emulator.set_latency(0.01)

    async with world.running(watches=False) as mirror:
        await eventually(lambda: len(world.cloud()) > 10)
        emulator.revoke_tokens()
        await eventually(mirror.is_in_sync)

        assert world.is_equal()
        assert mirror.parts.tally.failures == 0
    assert world.calls()["token"] <= 3


async def test_an_old_link_is_replaced(world: World, emulator: Emulator) -> None:
    """A link that is not accepted costs one more link, and no failure."""
    emulator.install(Fault(call="cos", kind="http", status=403, code="AccessDenied", count=1))
    world.write("a")

    mirror = await world.sync()

    assert world.is_equal()
    assert world.calls()["uploadfile"] == 2
    assert mirror.parts.tally.failures == 0


@pytest.mark.slow
async def test_too_many_at_once_lowers_the_concurrency(world: World, emulator: Emulator) -> None:
    """The service's own answer halves what is in flight; everything arrives all the same."""
    for number in range(16):
        world.write(f"{number}")
    emulator.set_latency(0.01)
    emulator.install(errcode(-501004, skip=10, count=4))

    async with world.running(watches=False, uploads=16) as mirror:
        await eventually(mirror.is_in_sync)

        assert 8 <= mirror.parts.pace.link_slots.limit < 16
        assert world.is_equal()


@pytest.mark.slow
async def test_we_settle_at_what_the_service_takes(world: World, emulator: Emulator) -> None:
    """A service that takes six at once: few refusals, no file pays for them, and when it takes more, so do we.

    A trial of seven may go well by luck. What follows is a short dip, so one moment says nothing.
    """
    limits = []

    async def is_done() -> bool:
        limits.append(links.limit)
        return await mirror.is_in_sync()

    emulator.set_latency(0.02)
    emulator.set_at_once(6)
    for number in range(900):
        world.write(f"{number % 9}/{number}")

    async with world.running(watches=False, uploads=24) as mirror:
        links = mirror.parts.pace.link_slots
        await eventually(lambda: emulator.counters.calls["cos"] > 450, 100)
        refused, asked = refusals(emulator), sum(emulator.counters.calls.values())
        await eventually(is_done, 100)
        refused, asked = refusals(emulator) - refused, sum(emulator.counters.calls.values()) - asked

        emulator.set_at_once(None)
        mirror.parts.host.ahead += 60  # type: ignore[attr-defined]
        for number in range(900):
            world.write(f"{number % 9}/more{number}")
        mirror.hint([("", True)])
        await eventually(lambda: links.limit > 12, 100)
        await eventually(mirror.is_in_sync, 100)

        assert 5 <= median(limits) <= 7
        assert refused < 0.02 * asked
        assert mirror.parts.tally.failures == 0
        assert status.service_status(mirror.parts.pace)["state"] == "ok"
        assert world.is_equal()


def refusals(emulator: Emulator) -> int:
    """Count the answers that it was too many at once."""
    return sum(n for (_, outcome), n in emulator.counters.outcomes.items() if outcome in ("-501004", "SlowDown"))


@pytest.mark.slow
@pytest.mark.parametrize("call", ["uploadfile", "cos"])
async def test_concurrency_falls_when_the_service_asks_and_rises_with_success(
    world: World, emulator: Emulator, call: Any
) -> None:
    """-501004 and SlowDown: half as many at once are seen at the service's end, then as many as before."""
    emulator.set_latency(0.02)
    busy = errcode(-501004) if call == "uploadfile" else Fault(call="cos", kind="http", status=503, code="SlowDown")
    most = emulator.counters.max_at_once

    async def upload(mirror: Mirror, count: int, where: str) -> int:
        """Send so many files. Gives how many such calls there were at once."""
        await eventually(lambda: not mirror._flights)
        most.clear()
        for number in range(count):
            world.write(f"{where}/{number}")
        mirror.hint([("", True)])
        await eventually(lambda: len([path for path in world.cloud() if path.startswith(where)]) == count)
        return most[call]

    async with world.running(watches=False, uploads=8, attempts=9) as mirror:
        before = await upload(mirror, 60, "before")
        emulator.install(replace(busy, count=1))
        await upload(mirror, 1, "one")
        limit = status.service_status(mirror.parts.pace)["uploads_at_once"]
        narrow = await upload(mirror, 5, "narrow")
        await upload(mirror, 260, "success")
        after = await upload(mirror, 60, "after")

        assert (before, narrow, limit, after) == (8, 4, 4, 8)
        assert status.service_status(mirror.parts.pace)["uploads_at_once"] == 8
        assert mirror.parts.tally.failures == 0


async def test_a_single_pass_gives_up_on_a_wrong_configuration_at_once(world: World, emulator: Emulator) -> None:
    """No amount of waiting mends it: the pass ends, and the rows wait."""
    emulator.install(errcode(-501005))
    for number in range(30):
        world.write(f"{number}")

    mirror = await asyncio.wait_for(world.sync(), 20)

    gate = mirror.parts.pace.closed(ENV)
    assert gate is not None
    assert gate.state == "blocked"
    assert world.report().counts().pending_uploads == 30
    assert world.report().counts().failed == 0
