"""Uploads: the row before the bytes, one state of the file, and nothing but the cloud's own answer as proof."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.core.model import State
from tcbsync.emulator.faults import Fault
from tcbsync.emulator.storage import Storage
from tcbsync.engine.reads import SMALL
from tcbsync.local.digest import CHUNK
from tests.engine.world import ENV, PREFIX, eventually

if TYPE_CHECKING:
    from tcbsync.emulator.journal import StoredObject
    from tcbsync.emulator.server import Emulator
    from tests.engine.world import World

LARGE = CHUNK + 12_345


def md5(content: bytes) -> bytes:
    """Digest of some content."""
    return hashlib.md5(content, usedforsecurity=False).digest()


async def test_the_row_is_there_before_the_bytes(world: World, emulator: Emulator) -> None:
    """While the upload is under way, the manifest knows the object's id and is sure of nothing."""
    emulator.install(Fault(call="cos", kind="stall", seconds=0.5))
    world.write("a")

    async with world.running(watches=False):
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        record = world.row("a")

        assert record is not None
        assert (record.state, record.digest, record.was_sent) == (State.UPLOAD, None, True)


async def test_no_orphan_when_the_reply_is_lost(world: World, emulator: Emulator) -> None:
    """The object is there, its answer is not: the row knows the id, and a later delete finds the object."""
    emulator.install(Fault(call="cos", kind="stored_reply_lost", key=f"{PREFIX}b"))
    world.write("a")
    lost = world.write("b")

    await world.sync(attempts=1, uploads=1)
    record = world.row("b")

    assert "b" in world.cloud()
    assert record is not None
    assert (record.state, record.digest, record.was_sent) == (State.UPLOAD, None, True)

    lost.unlink()
    await world.sync()

    assert world.cloud() == {"a": b"content"}
    assert world.row("b") is None


@pytest.mark.slow
async def test_what_changes_while_it_waits_for_its_turn_goes_up_as_it_is_then(world: World, emulator: Emulator) -> None:
    """A file that was read ahead and is another one when there is room for it is read anew: old bytes never leave."""
    emulator.install(Fault(call="cos", kind="stall", seconds=2.0, key=f"{PREFIX}[ab]"))
    for name in "abc":
        world.write(name, b"as it was")

    async with world.running(watches=False, uploads=2) as mirror:
        await eventually(lambda: emulator.counters.calls["uploadfile"] == 3)
        await asyncio.sleep(0.2)
        world.write("c", b"as it is")
        await eventually(mirror.is_in_sync)

        assert world.cloud()["c"] == b"as it is"
        assert emulator.counters.calls["cos"] == 3


async def test_a_restart_sends_again_what_was_not_proved(world: World, emulator: Emulator) -> None:
    """Sent and not proved is not there, as far as is known; the next process sends it once more, and that is all."""
    emulator.install(Fault(call="cos", kind="stored_reply_lost", count=1, key=f"{PREFIX}b"))
    world.write("a")
    world.write("b")
    await world.sync(attempts=1, uploads=1)
    world.forget_calls()

    world.host.ahead = 3600
    await world.sync()

    assert world.is_equal()
    assert world.calls()["cos"] == 1


@pytest.mark.parametrize("size", [7, LARGE], ids=["small", "streamed"])
async def test_a_wrong_etag_is_never_proof(world: World, emulator: Emulator, size: int) -> None:
    """Where the cloud says that it holds other bytes, the row stays unproved and its digest unknown."""
    emulator.install(Fault(call="cos", kind="wrong_etag"))
    world.write("a", b"x" * size)

    await world.sync(attempts=2)
    record = world.row("a")

    assert record is not None
    assert (record.state, record.digest) == (State.UPLOAD, None)
    assert world.calls()["cos"] == 2

    emulator.clear_faults()
    world.host.ahead = 3600
    await world.sync()

    assert world.is_equal()


async def test_an_answer_without_a_digest_is_taken_with_a_warning(
    world: World, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """An ETag that is no MD5 cannot be compared; that is said, and the file counts as sent."""
    emulator.install(Fault(call="cos", kind="wrong_etag", etag='"d41d8cd98f00b204e9800998ecf8427e-3"'))
    for path in ("a", "b", "c"):
        world.write(path)

    await world.sync()
    record = world.row("a")

    assert record is not None
    assert (record.state, record.digest) == (State.PROVED, md5(b"content"))
    assert caplog.text.count("taken as it is") == 1  # not once for each file


async def test_one_answer_without_a_digest_is_not_believed(
    world: World, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """An ETag that is no MD5 may be one that was damaged on the way: the file is sent again, and then compared."""
    emulator.install(Fault(call="cos", kind="wrong_etag", etag='"d41d8cd98f00b204e980"', count=1))
    world.write("a")

    await world.sync()

    assert world.is_equal()
    assert world.calls()["cos"] == 2
    assert "no MD5" not in caplog.text


@pytest.mark.slow
async def test_a_file_that_grows_while_it_is_sent_is_not_proved_as_torn(world: World, emulator: Emulator) -> None:
    """The bytes of two states never become a proved object; when it stands still it goes up whole."""
    file = world.write("a", b"1" * LARGE)
    emulator.install(Fault(call="uploadfile", kind="stall", seconds=0.3, count=1))

    async with world.running() as mirror:
        await eventually(lambda: emulator.counters.at_once["uploadfile"] > 0)
        with file.open("ab") as appending:
            appending.write(b"2" * 1000)
        await eventually(lambda: emulator.counters.at_once["uploadfile"] == 0)

        assert world.cloud() in ({}, world.disk())
        await eventually(mirror.is_in_sync)
        assert world.cloud() == {"a": b"1" * LARGE + b"2" * 1000}


@pytest.mark.slow
async def test_a_file_that_changes_while_it_is_sent_never_becomes_an_object(
    world: World, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written over while half of it has left: the upload is broken off before its last byte, and begun anew."""
    stored: list[str] = []
    store = Storage.store

    def noted(*what: Any) -> StoredObject:
        stored.append(store(*what).md5)
        return emulator.objects()[ENV, PREFIX + "a"]

    monkeypatch.setattr(Storage, "store", noted)
    emulator.install(Fault(call="cos", kind="slow_read", seconds=1, count=1))
    size = 24 * CHUNK  # more than the kernel's buffers take at once
    file = world.write("a", b"1" * size)

    async with world.running() as mirror:
        await eventually(lambda: emulator.counters.at_once["cos"] > 0)
        with file.open("r+b") as writing:
            writing.write(b"2" * size)
        await eventually(mirror.is_in_sync)

        assert world.is_equal()
    assert stored == [md5(b"2" * size).hex()]


async def test_a_file_is_followed_back_to_what_it_was(world: World, emulator: Emulator) -> None:
    """Proved, changed, sent with the reply lost, changed back: the cloud holds the change, so it is sent once more."""
    file = world.write("b", "old")
    await world.sync()
    emulator.install(Fault(call="cos", kind="stored_reply_lost", count=1, key=f"{PREFIX}b"))
    world.write("a", "the service answers")
    file.write_text("new")

    async def change_back() -> None:
        await eventually(lambda: world.cloud()["b"] == b"new" and emulator.counters.at_once["cos"] == 0)
        file.write_text("old")

    changing = asyncio.create_task(change_back())
    async with world.assembly(grace=False, uploads=1, retry_seconds=1, retry_max_seconds=1) as assembly:
        (mirror,) = assembly.mirrors
        object.__setattr__(
            assembly.service.client.retry, "uniform", max
        )  # no jitter: the second attempt is after the change
        await mirror.once()
    await changing

    assert world.cloud()["b"] == b"old"


async def test_a_file_that_goes_away_while_its_row_waits_leaves_nothing(world: World, emulator: Emulator) -> None:
    """Noted, then deleted before it was read: no upload, no row, no error."""
    emulator.install(Fault(call="token", kind="stall", seconds=0.5, count=1))
    world.write("a")
    gone = world.write("b")

    async with world.running(uploads=1) as mirror:
        await eventually(lambda: emulator.counters.at_once["token"] > 0)
        gone.unlink()
        await eventually(mirror.is_in_sync)

        assert world.cloud() == {"a": b"content"}
        assert mirror.parts.tally.failures == 0


async def test_an_unreadable_file_waits_and_the_others_go_on(world: World) -> None:
    """It is reported as what it is, tried again later, and stops nobody."""
    world.write("a")
    os.mkfifo(world.root / "pipe")
    (world.root / "link").symlink_to("/etc/hostname")
    world.write("b")

    await world.sync()

    assert world.cloud() == {"a": b"content", "b": b"content"}
    assert [path for path, _, blocks, _ in world.report().problems() if not blocks] == ["link", "pipe"]


@pytest.mark.parametrize("size", [0, 1, SMALL - 1, SMALL, SMALL + 1, CHUNK, 2 * CHUNK, LARGE])
async def test_every_size_arrives_whole(world: World, size: int) -> None:
    """Empty, at the seam between read at once and streamed, and beyond it."""
    world.write("a", os.urandom(size))

    await world.sync()

    assert world.is_equal()


async def test_a_touch_sends_nothing(world: World) -> None:
    """The same bytes under a new time: no link, no upload, not even a token."""
    small, large = world.write("a"), world.write("b", b"b" * LARGE)
    await world.sync()
    world.forget_calls()
    for file in (small, large):
        os.utime(file, (1, 1))

    mirror = await world.sync()

    assert world.calls() == {}
    assert mirror.parts.tally.touches == 2
    record = world.row("a")
    assert record is not None
    assert (record.state, record.mtime_ns) == (State.PROVED, 10**9)


async def test_the_form_carries_what_the_mirror_wants(world: World, emulator: Emulator) -> None:
    """Cache-Control, where it is configured, is the object's."""
    world.write("a.css")

    await world.sync(cache_control="max-age=300")

    assert emulator.objects()[ENV, PREFIX + "a.css"].headers["cache-control"] == "max-age=300"


async def test_the_type_in_the_form_can_be_switched_off(world: World, emulator: Emulator) -> None:
    """Whether the link's signature lets further fields pass is not documented: a mirror can do without them."""
    world.write("a.atlas")
    await world.sync()
    with_type = emulator.objects()[ENV, PREFIX + "a.atlas"].content_type
    world.write("a.atlas", b"other content")

    await world.sync(content_type="none")

    assert with_type == "text/plain"
    assert emulator.objects()[ENV, PREFIX + "a.atlas"].content_type == "application/octet-stream"
