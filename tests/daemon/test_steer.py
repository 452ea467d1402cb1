"""Pause, resume, rescan and events: a person has the daemon stop, go on, look and tell."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tcbsync import control
from tcbsync.core.errors import ConfigError
from tcbsync.core.events import KINDS, Uploaded, described, name_of
from tcbsync.daemon.events import Events
from tcbsync.emulator.faults import Fault
from tcbsync.store.pauses import FILE_NAME, pause, paused
from tests.daemon.steering import steered
from tests.engine.world import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tests.daemon.steering import Steered
    from tests.engine.world import World


@pytest.mark.slow
async def test_a_paused_mirror_looks_and_sends_nothing(world: World) -> None:
    """Uploads and deletes wait as rows; status says paused, since when, and what lets it go on; resume does all."""
    world.write("gone")
    world.write("stays")
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        answer = await daemon.ask("pause")
        world.write("new")
        (world.root / "gone").unlink()
        world.forget_calls()
        await eventually(lambda: _counts(daemon, 1, 1))
        await asyncio.sleep(1.0)
        (status,) = (await daemon.ask("status"))["mirrors"]
        calls, cloud = world.calls(), world.cloud()

        await daemon.ask("resume", mirror="site")
        await eventually(world.is_equal)

        assert answer == {"site": {"was": True, "in_flight": 0}}
        assert (status["state"], calls, set(cloud)) == ("paused", {}, {"gone", "stays"})
        assert status["paused_at"] is not None
        assert status["reason"].endswith("; `tcbsync resume site` lets it go on")
        assert [event["event"] for event in await daemon.events() if event["event"] in ("paused", "resumed")] == [
            "paused",
            "resumed",
        ]


@pytest.mark.slow
async def test_the_brake_is_what_status_tells_of(world: World) -> None:
    """The file of pauses is for the next start: if it goes, or is damaged, what runs knows that it stands still."""
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        await daemon.ask("pause")
        (before,) = (await daemon.ask("status"))["mirrors"]
        (world.state / FILE_NAME).write_text("damaged")
        world.write("new")
        await eventually(lambda: _counts(daemon, 1, 0))

        (after,) = (await daemon.ask("status"))["mirrors"]
        explained = await daemon.ask("explain", mirror="site", path="new")
        again, resumed = await daemon.ask("pause"), await daemon.ask("resume")
        await eventually(world.is_equal)

        assert (after["state"], after["paused_at"]) == ("paused", before["paused_at"])
        assert explained["paused_at"] is not None
        assert (again["site"]["was"], resumed["site"]["was"]) == (False, True)
        assert paused(world.state) == {}


async def _counts(daemon: object, uploads: int, deletes: int) -> bool:
    (status,) = (await daemon.ask("status"))["mirrors"]  # type: ignore[attr-defined]
    return (status["pending_uploads"], status["pending_deletes"]) == (uploads, deletes)


@pytest.mark.slow
async def test_a_pause_outlives_a_restart_and_a_reload(world: World) -> None:
    """Whoever paused it finds it paused, until somebody resumes it."""
    async with steered(world) as daemon:
        await daemon.ask("pause", mirror="site")
    world.write("a")
    async with steered(world) as daemon:
        daemon.mirrors(world.mirror(quiet_seconds=0.1))
        await daemon.reload()
        await eventually(lambda: _is_paused(daemon))
        await eventually(lambda: _counts(daemon, 1, 0))
        state, calls = await daemon.states(), world.calls()

        await daemon.ask("resume")

        assert (state, "uploadfile" in calls) == ({"site": "paused"}, False)
        await eventually(world.is_equal)


async def _is_paused(daemon: Steered) -> bool:
    return await daemon.states() == {"site": "paused"}


@pytest.mark.slow
async def test_what_is_in_flight_lands_and_no_attempt_follows(world: World, emulator: Emulator) -> None:
    """One that is under way is finished; one that failed is not tried again while it is paused."""
    emulator.install(Fault(call="cos", kind="stall", seconds=1.0, key="site/slow", count=1))
    emulator.install(Fault(call="cos", kind="http", status=500, key="site/bad"))
    async with steered(world, attempts=1000, retry_seconds=0.2, retry_max_seconds=0.4) as daemon:
        world.write("slow")
        world.write("bad")
        await eventually(lambda: emulator.counters.at_once["cos"] and world.calls().get("cos", 0) > 1)

        await daemon.ask("pause")
        await eventually(lambda: set(world.cloud()) == {"slow"})
        await asyncio.sleep(1.0)
        world.forget_calls()
        await asyncio.sleep(1.5)

        assert world.calls() == {}


@pytest.mark.slow
async def test_held_deletes_stop_between_two_batches(world: World, emulator: Emulator) -> None:
    """A person who sees too much go can stop it: what has not left yet stays."""
    for number in range(400):
        world.write(f"many/{number}")
    world.write("stays")
    async with steered(world, deletes=1) as daemon:
        await eventually(daemon.in_sync)
        emulator.install(Fault(call="batchdeletefile", kind="stall", seconds=1.0))
        (world.root / "many").rename(world.root.with_name("away"))
        await eventually(lambda: emulator.counters.at_once["batchdeletefile"])

        await daemon.ask("pause")
        await asyncio.sleep(3.0)

        assert len(world.cloud()) == 351


@pytest.mark.slow
async def test_rescan_finds_what_no_event_told_of(world: World) -> None:
    """A scope is looked at when somebody asks for it."""
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)
        mirror = next(iter(daemon.world.emulator.objects()), None)
        world.write("a")

        answer = await daemon.ask("rescan", scopes=[["site", "a"]])

        assert mirror is None
        assert answer == {"site": {"path": "a"}}
        await eventually(world.is_equal)


@pytest.mark.slow
async def test_an_unknown_mirror_is_named(world: World) -> None:
    """The daemon may know others than the file: it says what to do."""
    async with steered(world) as daemon:
        with pytest.raises(ConfigError, match=r"the running daemon has no mirror sight .`tcbsync reload`"):
            await daemon.ask("pause", mirror="sight")


@pytest.mark.slow
async def test_each_thing_is_told_once(world: World, emulator: Emulator) -> None:
    """Uploads, deletes, failures and changes of state, each with its fields, in the order in which they came about."""
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=40097, key="site/bad"))
    async with steered(world) as daemon:
        world.write("a", "aa")
        await daemon.flush(("site", ""))
        world.write("bad")
        (world.root / "a").unlink()
        world.write("b")
        await daemon.flush(("site", ""))

        told = await daemon.events()

    files = [event for event in told if "path" in event]
    for event in files:
        assert event.pop("at").endswith("+00:00")
    md5 = "4124bc0a9335c27f086f24ba207a4912"
    assert files[0] == {"event": "uploaded", "mirror": "site", "path": "a", "size": 2, "md5": md5}
    assert {(event["event"], event["path"]) for event in files[1:]} == {
        ("failed", "bad"),
        ("deleted", "a"),
        ("uploaded", "b"),
    }
    (failed,) = (event for event in files if event["event"] == "failed")
    assert (failed["action"], failed["code"], failed["is_parked"]) == ("upload", "40097", True)
    assert told[0]["event"] == "started"


@pytest.mark.slow
async def test_who_follows_hears_at_once_and_the_end(world: World) -> None:
    """The newest ones first, then each as it comes; the last one is that the daemon stops."""
    heard: list[str] = []
    async with steered(world) as daemon:
        await eventually(daemon.in_sync)

        async def follow() -> None:
            async for told in control.follow(world.state, "events", follow=True, last=1000):
                heard.append(told["event"])  # noqa: PERF401 - it is heard one by one

        following = asyncio.create_task(follow())
        await eventually(lambda: "started" in heard)
        world.write("a")
        await eventually(lambda: "uploaded" in heard)
    await asyncio.gather(following, return_exceptions=True)

    assert heard[0] == "started"


async def test_a_slow_reader_loses_and_is_told() -> None:
    """Nobody waits for him: the oldest of what waits go, and he reads how many."""
    events = Events(kept=10)
    following = events.follow()
    first = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    for number in range(25):
        events.tell(Uploaded(f"{number}", 1, ""), "site")

    told = [await first, *[await anext(following) for _ in range(10)]]
    await following.aclose()

    assert (told[0]["event"], told[0]["events"]) == ("dropped", 15)
    assert [each["path"] for each in told[1:]] == [f"{number}" for number in range(15, 25)]
    assert repr(events) == "<Events 10 kept, 0 readers>"


async def test_a_reader_misses_nothing_between_old_and_new() -> None:
    """What is kept comes first, what is told from then on after it, each once."""
    events = Events()
    for number in range(5):
        events.tell(Uploaded(f"{number}", 1, ""), "site")
    following = events.follow(last=3)
    told = [(await anext(following))["path"]]
    events.tell(Uploaded("new", 1, ""), "site")

    told += [(await anext(following))["path"] for _ in range(3)]
    await following.aclose()

    assert told == ["2", "3", "4", "new"]


@pytest.mark.parametrize("kind", KINDS, ids=[name_of(kind) for kind in KINDS])
def test_every_event_has_a_name_and_a_meaning(kind: type) -> None:
    """The list is documented where it is defined, and no field hides what is common to all."""
    assert kind.__doc__ is not None
    assert kind.__doc__[0].isupper()
    assert not {"at", "event", "mirror"} & set(getattr(kind, "__dataclass_fields__", ()))


def test_an_event_as_json() -> None:
    """Its name, its mirror, its fields."""
    told = described(Uploaded("a", 1, "ff"), "site")

    assert json.dumps(told) == '{"event": "uploaded", "mirror": "site", "path": "a", "size": 1, "md5": "ff"}'


@pytest.mark.parametrize("text", ["", "{", "[]", '{"site": "x"}', "\x00"])
def test_what_cannot_be_read_pauses_nothing(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is told of, and the next pause writes a good one."""
    (tmp_path / FILE_NAME).write_text(text)

    before = paused(tmp_path)
    pause(tmp_path, ["site"], 7.0)

    assert (before, paused(tmp_path)) == ({}, {"site": 7.0})
    assert "which mirrors are paused cannot be read" in caplog.text
