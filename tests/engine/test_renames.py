"""A rename never leaves the cloud without the bytes: the new name is there before the old one goes."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.core.model import State
from tcbsync.emulator.faults import Fault
from tcbsync.local.scan import Disk
from tcbsync.store import rows
from tests.engine.world import PREFIX, eventually

if TYPE_CHECKING:
    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World


pytestmark = pytest.mark.usefixtures("stays")


@pytest.mark.parametrize("content", ["bytes", "edited on the way"])
async def test_the_new_name_is_there_before_the_old_one_goes(world: World, emulator: Emulator, content: str) -> None:
    """However slow the upload is, the delete waits for it, also where the file was edited with the rename."""
    world.write("old", "bytes")

    async with world.running(delete_grace_seconds=0.0) as mirror:
        await eventually(mirror.is_in_sync)
        emulator.install(Fault(call="cos", kind="stall", seconds=0.5, key=f"{PREFIX}new"))
        world.write("new", content)
        (world.root / "old").unlink()
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        await eventually(lambda: (row := world.row("old")) is not None and row.state == State.DELETE)
        await asyncio.sleep(0.1)

        assert "batchdeletefile" not in world.calls()

        await eventually(world.is_equal)

    order = [entry.call for entry in emulator.log if entry.call in ("cos", "batchdeletefile")]
    assert order[-2:] == ["cos", "batchdeletefile"]


@pytest.mark.parametrize("errcode", [-1, -501007], ids=["tried again later", "parked"])
async def test_a_rename_whose_upload_fails_keeps_the_old_object(world: World, emulator: Emulator, errcode: int) -> None:
    """As long as the new name may still go up, the bytes stay under the old one; when it is given up, it goes."""
    world.write("old", "bytes")
    await world.sync()
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=errcode, key=f"{PREFIX}new"))
    world.write("another", "that the service takes")
    (world.root / "old").rename(world.root / "new")

    await world.sync(uploads=1)

    is_parked = errcode == -501007
    assert ("old" in world.cloud()) != is_parked

    emulator.clear_faults()
    world.host.ahead = 7 * 3600
    await world.sync()
    assert ("new" in world.cloud()) != is_parked
    assert "old" not in world.cloud()


async def test_a_delete_that_waits_for_a_failing_upload_does_not_keep_a_pass_from_ending(
    world: World, emulator: Emulator
) -> None:
    """A file of the same size, maybe the same under another name, failed a while ago and waits its turn."""
    world.write("old", "bytes")
    await world.sync()
    world.write("0", "so that the service has answered")
    world.write("other", "BYTES")
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=-1, key=f"{PREFIX}other"))
    await world.sync(uploads=1)
    (world.root / "old").unlink()

    await world.sync()

    assert "old" in world.cloud()
    assert world.report().counts().pending_deletes == 1


async def test_a_renamed_directory_moves_whole(world: World, emulator: Emulator) -> None:
    """Every new key is there before the first old one goes."""
    for number in range(70):
        world.write(f"d/{number}", str(number))
    emulator.set_latency(0.01)

    async with world.running() as mirror:
        await eventually(mirror.is_in_sync)
        (world.root / "d").rename(world.root / "e")
        await eventually(world.is_equal)

    order = [entry.call for entry in emulator.log if entry.call in ("cos", "batchdeletefile")]
    assert order.index("batchdeletefile") == 71 + 70
    assert world.calls()["batchdeletefile"] == 2


async def test_a_directory_that_is_spelled_anew_while_its_upload_waits(world: World, emulator: Emulator) -> None:
    """The same name in other bytes is the same key: what waits under the old spelling goes up under the new one."""
    old, new = unicodedata.normalize("NFD", "caf\u00e9"), unicodedata.normalize("NFC", "caf\u00e9")
    world.write(f"{old}/menu")
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=-501007, key=f"{PREFIX}{new}/menu"))
    await world.sync()
    emulator.clear_faults()
    (world.root / old).rename(world.root / new)

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        await mirror.parts.manifest.write(rows.retry)
        await mirror.once()

    assert world.cloud() == {f"{new}/menu": b"content", "stays": world.disk()["stays"]}


@pytest.mark.slow
async def test_a_young_file_in_a_renamed_directory(world: World, emulator: Emulator) -> None:
    """It waits to become quiet under its new name; the old one goes only then, whatever the grace."""
    async with world.running(delete_grace_seconds=0.0, quiet_seconds=2.0) as mirror:
        await eventually(mirror.is_in_sync)
        world.write("old/young", "young")
        await eventually(lambda: "old/young" in world.cloud())
        (world.root / "old").rename(world.root / "new")
        await eventually(world.is_equal)

    order = [entry.call for entry in emulator.log if entry.call in ("cos", "batchdeletefile")]
    assert order[-2:] == ["cos", "batchdeletefile"]


async def test_a_rename_amid_a_look(world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look finds the old name gone and has passed the new one by: its event comes before the delete goes."""
    world.write("d/z", "renamed")
    snapshot, loop = Disk.snapshot, asyncio.get_running_loop()

    def renaming(disk: Disk, place: Any, **options: Any) -> Any:
        if place.path == "d" and (world.root / "d/z").exists():
            (world.root / "d/z").rename(world.root / "a")
            loop.call_soon_threadsafe(loop.call_later, 0.1, lambda: mirror.hint([("a", True)]))
        return snapshot(disk, place, **options)

    async with world.running(watches=False, delete_grace_seconds=0.0) as mirror:
        await eventually(mirror.is_in_sync)
        monkeypatch.setattr(Disk, "snapshot", renaming)
        mirror.hint([("", True)])
        await eventually(lambda: "a" in world.cloud() and world.is_equal())

    order = [entry.call for entry in emulator.log if entry.call in ("cos", "batchdeletefile")]
    assert order[-2:] == ["cos", "batchdeletefile"]


@pytest.mark.slow
async def test_a_rename_onto_a_name_that_is_being_sent(world: World, emulator: Emulator) -> None:
    """The look at the new name had to wait for an upload: the old one goes only after what that look then sends."""
    world.write("first", "1")
    world.write("second", "2")

    async with world.running(delete_grace_seconds=0.0) as mirror:
        await eventually(mirror.is_in_sync)
        emulator.set_latency(0.4)
        (world.root / "first").rename(world.root / "name")
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        (world.root / "second").rename(world.root / "name")
        await eventually(lambda: "second" not in world.cloud())

        assert world.cloud()["name"] == b"2"
