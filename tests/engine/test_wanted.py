"""What is wanted in the cloud: files that are ignored, kept, or no longer ignored."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.config.schema import GuardConfig
from tcbsync.core.errors import StateError
from tcbsync.core.model import Delete, Plan, State
from tcbsync.emulator.faults import Fault
from tcbsync.local import scan
from tcbsync.store import rows
from tests.engine.world import eventually

if TYPE_CHECKING:
    from tcbsync.cloud.api import Link
    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World

pytestmark = pytest.mark.usefixtures("stays")


async def test_a_file_whose_upload_was_never_begun_is_forgotten_without_a_call(world: World) -> None:
    """Nothing was sent, so nothing can be there."""
    world.emulator.install(Fault(call="uploadfile", kind="errcode", errcode=40097))
    file = world.write("a")
    await world.sync()
    file.unlink()

    await world.sync()

    assert world.row("a") is None
    assert "batchdeletefile" not in world.calls()


@pytest.mark.parametrize("where", ["file", "configuration"])
async def test_an_ignored_file_that_was_mirrored_is_deleted(world: World, where: str) -> None:
    """Ignored means not in the cloud, though the file is still on the disk."""
    world.write("keep.txt")
    world.write("drafts/secret.txt")
    await world.sync()

    if where == "file":
        world.write(".tcbignore", "drafts/\n")
        await world.sync()
    else:
        await world.sync(ignore=("drafts/",))

    assert world.others() == {"keep.txt": b"content"}
    assert world.row("drafts/secret.txt") is None


async def test_new_rules_are_asked_about_what_could_not_be_seen_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that brought the rules could not list a directory: its files are judged by them once it can be seen."""
    world.write("d/art.psd")
    await world.sync()
    world.write(".tcbignore", "*.psd\n")
    listing = scan._scan

    def refusing(path: str, *, follows: bool) -> Any:
        if path.endswith("/d"):
            raise OSError(5, "Input/output error")
        return listing(path, follows=follows)

    with monkeypatch.context() as trouble:
        trouble.setattr(scan, "_scan", refusing)
        await world.sync()
    assert set(world.others()) == {"d/art.psd"}

    await world.sync()

    assert world.others() == {}


async def test_new_rules_are_asked_about_what_was_busy_at_first(world: World) -> None:
    """The look that brought the rules had to leave a file alone that was being sent; then a kill."""
    world.write("art.psd")
    await world.sync()
    world.write(".tcbignore", "*.psd\n")
    async with world.assembly() as assembly:
        (mirror,) = assembly.mirrors
        with mirror.parts.busy.holding(["art.psd"]):
            await mirror.looks.look([""])
    assert set(world.others()) == {"art.psd"}

    await world.sync()

    assert world.others() == {}


@pytest.mark.parametrize("is_new", [True, False])
async def test_an_upload_does_not_overrule_what_was_decided_as_it_began(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_new: bool
) -> None:
    """The rules changed, and the look's word reached the manifest after the upload had read its row: it stands."""
    world.write("art.psd", "old")
    if not is_new:
        await world.sync()
        world.write("art.psd", "newer")

    async with world.assembly(grace=False) as assembly:
        (mirror,) = assembly.mirrors
        link = mirror.parts.cloud.link

        async def overtaken(env: str, key: str) -> Link:
            if key.endswith(".psd"):
                world.write(".tcbignore", "*.psd\n")
                await mirror.looks.open(anew=True)
                decided = Plan(deletes=[Delete("art.psd", was_sent=not is_new)])
                await mirror.parts.manifest.write(rows.expect, decided, world.host.now())
            return await link(env, key)

        monkeypatch.setattr(mirror.parts.cloud, "link", overtaken)
        await mirror.once()

    assert world.others() == {}
    assert world.row("art.psd") is None


async def test_an_ignored_file_whose_delete_is_held_stays_held(world: World) -> None:
    """Another look at the tree does not take an object back that is to go: the rules are asked again."""
    world.write("art.psd")
    await world.sync()
    guard = GuardConfig(max_deletes=0, max_delete_percent=None)
    world.write(".tcbignore", "\ufeff*.psd\n")
    await world.sync(guard=guard)

    await world.sync(guard=guard)

    record = world.row("art.psd")
    assert record is not None
    assert record.state == State.HELD


async def test_a_file_that_is_no_longer_ignored_comes_back(world: World) -> None:
    """Taking the rule away is a change like any other."""
    world.write("drafts/secret.txt")
    await world.sync(ignore=("drafts/",))

    await world.sync()

    assert world.is_equal()


async def test_rules_that_come_back_after_half_a_look_are_obeyed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look under other rules was cut off: what it wrote down is no more trusted than if it had come to its end."""

    def cut_off(*_values: object) -> None:
        raise sqlite3.OperationalError("cut off")

    world.write("art.psd")
    await world.sync(ignore=("*.psd",))
    async with world.assembly() as assembly:
        with monkeypatch.context() as cut:
            cut.setattr(rows, "scanned", cut_off)
            with pytest.raises(StateError):
                await assembly.mirrors[0].looks.look([""])
    assert world.row("art.psd") is not None

    await world.sync(ignore=("*.psd",))

    assert world.others() == {}
    assert world.row("art.psd") is None


async def test_a_file_that_was_busy_when_it_became_ignored_is_judged_by_the_next_look(world: World) -> None:
    """Also where that is one at the whole tree, which asks the rules only about rows that they may not have judged."""
    world.write("art.psd")
    await world.sync()
    world.write(".tcbignore", "*.psd\n")
    async with world.assembly() as assembly:
        (mirror,) = assembly.mirrors
        with mirror.parts.busy.holding(["art.psd"]):
            await mirror.looks.look([""])

        await mirror.looks.look([""])

        row = mirror.parts.manifest.record("art.psd")
        assert row is not None
        assert row.state == State.DELETE


async def test_a_file_that_could_not_be_judged_when_it_became_ignored_goes_later(world: World) -> None:
    """A trouble above it, which hid it from the look under the new rules, does not keep it in the cloud for good."""
    world.write("caf\u00e9/art.psd")
    await world.sync()
    twin = world.write("cafe\u0301")
    world.write(".tcbignore", "*.psd\n")
    await world.sync()
    assert world.others() == {"caf\u00e9/art.psd": b"content"}
    twin.unlink()

    await world.sync()

    assert world.others() == {}


async def test_a_mirror_that_never_deletes_keeps_the_objects(world: World) -> None:
    """The object stays, and so does its row: it can be deleted later, when the mirror is told to."""
    file = world.write("b")
    await world.sync(delete="never")
    file.unlink()

    await world.sync(delete="never")
    row = world.row("b")

    assert world.others() == {"b": b"content"}
    assert row is not None
    assert row.state == State.KEPT

    await world.sync()
    assert world.others() == {}


async def test_a_file_that_is_ignored_while_it_is_sent_goes_all_the_same(world: World, emulator: Emulator) -> None:
    """The look that follows the new rules finds it busy; the one after that must not overlook it."""
    async with world.running() as mirror:
        await eventually(mirror.is_in_sync)
        emulator.install(Fault(call="cos", kind="stall", seconds=0.7, count=1))
        world.write("secret.psd")
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        world.write(".tcbignore", "*.psd\n")
        await eventually(lambda: emulator.counters.at_once["cos"] == 0)
        await eventually(mirror.is_in_sync)
        await eventually(lambda: world.others() == {})

    assert world.row("secret.psd") is None
