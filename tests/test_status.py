"""The state of a mirror, in one word of the contract: each word, and which one comes first."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tcbsync import status
from tcbsync.config.schema import GuardConfig
from tcbsync.core.errors import CloudError, Misconfigured, NoAnswer, RateLimited, StateError, StorageFull
from tcbsync.emulator.server import Fault
from tests.desk import ENV, desk_in

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.engine.mirror import Mirror


async def test_before_the_first_look_it_is_starting(tmp_path: Path) -> None:
    """Nothing is known yet."""
    async with desk_in(tmp_path) as desk:
        assert desk.state == "starting"


async def test_during_the_first_look_it_is_scanning(tmp_path: Path) -> None:
    """The whole tree is being looked at for the first time."""
    async with desk_in(tmp_path) as desk:
        desk.mirror.looks.is_scanning = True

        assert desk.state == "scanning"


async def test_a_later_look_at_the_whole_tree_is_no_news(tmp_path: Path) -> None:
    """The hourly rescan of a mirror that is in sync leaves it so, until it finds something."""
    async with desk_in(tmp_path) as desk:
        await desk.mirror.once()
        desk.mirror.looks.is_scanning = desk.mirror.looks.is_looking = True

        assert desk.state == "in_sync"


async def test_when_all_is_equal_it_is_in_sync(tmp_path: Path) -> None:
    """Nothing waits, nothing failed, nothing is held: in sync, with the number of files and the times."""
    async with desk_in(tmp_path) as desk:
        (desk.root / "a.txt").write_text("a")

        await desk.mirror.once()

        told = desk.status
        assert (told.state, told.reason, told.hold) == ("in_sync", "", "")
        assert (told.files, told.pending_uploads, told.pending_deletes, told.failed) == (1, 0, 0, 0)
        assert told.last_scan_at is not None
        async with asyncio.timeout(30):  # what the upload loop noted before it was ended is on its way to the disk
            while desk.status.last_proved_at is None:
                await asyncio.sleep(0.01)


async def test_a_change_that_is_noticed_is_not_in_sync(tmp_path: Path) -> None:
    """From the first hint of a change on the mirror is syncing, while it settles as well as while it is looked at."""
    async with desk_in(tmp_path) as desk:
        await desk.mirror.once()

        desk.mirror.hint([("a.txt", False)])
        settling = desk.state
        desk.mirror.settle.due(float("inf"))
        desk.mirror.looks.is_looking = True
        looking = desk.state

        assert (settling, looking) == ("syncing", "syncing")


async def test_what_waits_to_be_sent_is_not_in_sync(tmp_path: Path) -> None:
    """Rows that want something are counted, by kind."""
    async with desk_in(tmp_path) as desk:
        for name in "abc":
            (desk.root / name).write_text(name)
        await desk.mirror.once()
        (desk.root / "a").unlink()
        (desk.root / "b").write_text("other")

        await desk.mirror.looks.look([""])

        told = desk.status
        assert (told.state, told.pending_uploads, told.pending_deletes, told.files) == ("syncing", 1, 1, 1)


async def test_what_is_under_way_is_not_in_sync(tmp_path: Path) -> None:
    """While an operation is under way for a path the mirror is syncing."""
    async with desk_in(tmp_path) as desk:
        await desk.mirror.once()

        with desk.mirror.parts.busy.holding(["a.txt"]):
            state = desk.state

        assert (state, desk.state) == ("syncing", "in_sync")


async def test_a_failed_file_is_not_in_sync(tmp_path: Path) -> None:
    """With a parked file the mirror is syncing for ever, and the reason says where to look."""
    async with desk_in(tmp_path) as desk:
        (desk.root / "bad").write_text("bad")
        desk.cloud.install(Fault(call="uploadfile", kind="errcode", errcode=40097))

        await desk.mirror.once()

        told = desk.status
        assert (told.state, told.failed, told.pending_uploads) == ("syncing", 1, 0)
        assert told.reason == "some files could not be mirrored; `tcbsync failed` lists them"


async def test_a_path_that_cannot_be_judged_is_not_in_sync(tmp_path: Path) -> None:
    """The same where two names meet in one key."""
    async with desk_in(tmp_path) as desk:
        for name in ("caf\u00e9", "cafe\u0301"):
            (desk.root / name).write_text(name)

        await desk.mirror.once()

        told = desk.status
        assert (told.state, told.problems) == ("syncing", 1)
        assert told.reason == "some paths cannot be looked at; `tcbsync failed` lists them"


async def test_a_missing_root_is_held(tmp_path: Path) -> None:
    """Held, with the reason, though no delete is written down: none may be."""
    async with desk_in(tmp_path) as desk:
        (desk.root / "a").write_text("a")
        await desk.mirror.once()
        desk.root.rename(tmp_path / "away")

        await desk.mirror.looks.look([""])

        told = desk.status
        assert (told.state, told.held_deletes, told.files) == ("held", 0, 1)
        assert told.hold == told.reason == f"root {desk.root} is missing; is the volume mounted? Nothing is deleted"


async def test_deletes_that_wait_for_a_person_are_held(tmp_path: Path) -> None:
    """Held, with the number and the reason."""
    async with desk_in(tmp_path, GuardConfig(max_deletes=1, max_delete_percent=None)) as desk:
        for name in "abc":
            (desk.root / name).write_text(name)
        await desk.mirror.once()
        for name in "ab":
            (desk.root / name).unlink()

        await desk.mirror.once()

        told = desk.status
        assert (told.state, told.held_deletes, told.files) == ("held", 2, 1)
        assert told.hold == told.reason == "2 objects would be deleted; the limit is 1 (guard.max_deletes)"


GATES: dict[str, tuple[CloudError, str, str]] = {
    "no answer": (NoAnswer("nobody", code="ConnectError"), "offline", "offline"),
    "a quota": (RateLimited("too many", code="45011"), "paused", "paused"),
    "a wrong env": (Misconfigured("no env", code="-501005"), "paused", "blocked"),
    "storage full": (StorageFull("full", code="-501017"), "paused", "full"),
}


@pytest.mark.parametrize("name", GATES)
async def test_a_service_that_may_not_be_called_is_told_of(tmp_path: Path, name: str) -> None:
    """A mirror is offline or paused with the service's own reason, and the service says until when it is left alone."""
    error, state, service_state = GATES[name]
    async with desk_in(tmp_path) as desk:
        await desk.mirror.once()

        desk.pace.failed(ENV, error)

        told, service = desk.status, status.service_status(desk.pace)
        assert (told.state, told.reason) == (state, str(error))
        assert (service["state"], service["last_error"]) == (service_state, str(error))
        assert str(service["paused_until"]).endswith("+00:00")


async def test_a_manifest_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    """A full disk pauses everything, and its reason is given as the service's would be."""
    async with desk_in(tmp_path) as desk:
        await desk.mirror.once()

        desk.pace.stalled(StateError("the manifest is full"))

        assert (desk.state, desk.status.reason) == ("paused", "the manifest is full")
        assert status.service_status(desk.pace)["blocked_by"] == "state_dir"


def everything_at_once(mirror: Mirror) -> None:
    """Make every reason true but that of the root."""
    mirror.parts.pace.failed(ENV, NoAnswer("nobody", code="ConnectError"))
    mirror.hint([("a.txt", False)])


async def test_the_first_of_several_reasons_counts(tmp_path: Path) -> None:
    """What a person has to do comes before what passes by itself: root, held deletes, the service, work."""
    states = []
    async with desk_in(tmp_path, GuardConfig(max_deletes=0, max_delete_percent=None)) as desk:
        for name in "ab":
            (desk.root / name).write_text(name)
        await desk.mirror.once()
        (desk.root / "a").unlink()
        await desk.mirror.once()
        everything_at_once(desk.mirror)

        desk.mirror.looks.root_problem = "the root is missing"
        states.append((desk.state, desk.status.reason))
        desk.mirror.looks.root_problem = ""
        states.append((desk.state, desk.status.reason))
        (desk.root / "a").write_text("a")
        await desk.mirror.looks.look([""])
        states.append((desk.state, desk.status.reason))
        desk.pace.service.open()
        states.append((desk.state, desk.status.reason))

    assert states == [
        ("held", "the root is missing"),
        ("held", "1 object would be deleted; the limit is 0 (guard.max_deletes)"),
        ("offline", "nobody"),
        ("syncing", ""),
    ]


async def test_the_service_is_ok_with_what_went_wrong_last(tmp_path: Path) -> None:
    """A service that may be called is ok; the last error stays, to be read."""
    async with desk_in(tmp_path) as desk:
        before = status.service_status(desk.pace)
        desk.pace.failed(ENV, NoAnswer("nobody", code="ConnectError"))
        desk.pace.service.open()

        after = status.service_status(desk.pace)

        assert (before["state"], before["paused_until"], before["last_error"]) == ("ok", None, None)
        assert (after["state"], after["paused_until"], after["last_error"]) == ("ok", None, "nobody")


async def test_without_a_daemon_it_is_stopped(tmp_path: Path) -> None:
    """Stopped, with what the manifest knows; another process at work makes it syncing, and is named."""
    async with desk_in(tmp_path) as desk:
        (desk.root / "a").write_text("a")
        await desk.mirror.once()

        idle = status.idle_status("site", desk.report)
        worked_on = status.idle_status("site", desk.report, "tcbsync sync (process 1)")

        assert (idle.state, idle.files, idle.reason, idle.watch_mode) == ("stopped", 1, "", "none")
        assert (worked_on.state, worked_on.reason) == ("syncing", "tcbsync sync (process 1) is at work")


def test_a_mirror_that_never_ran() -> None:
    """Without a row there is nothing to count, and it says so."""
    told = status.idle_status("site", None)

    assert told == status.MirrorStatus("site", "stopped", reason="never ran")


def test_without_a_manifest_there_is_no_report(tmp_path: Path) -> None:
    """Neither a missing directory, nor an empty one, nor a file in its place is an error, and none is made."""
    places = [tmp_path / "missing", tmp_path, tmp_path / "file" / "below"]
    (tmp_path / "file").write_text("a file")

    reports = [status.open_report(place, "site", ENV, "site/") for place in places]

    assert reports == [None, None, None]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_json_keeps_the_contract() -> None:
    """The fields of the contract come first, in its order, and nothing in them needs explaining to JSON."""
    answer = status.as_json([status.MirrorStatus("site", "in_sync")], {"state": "ok"})

    (described,) = json.loads(json.dumps(answer))["mirrors"]
    assert list(described)[:10] == [
        "name",
        "state",
        "files",
        "pending_uploads",
        "pending_deletes",
        "failed",
        "held_deletes",
        "watch_mode",
        "last_scan_at",
        "last_proved_at",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(None, None), (0.0, "1970-01-01T00:00:00+00:00"), (1.9, "1970-01-01T00:00:01+00:00")]
)
def test_times_are_in_utc(seconds: float | None, expected: str | None) -> None:
    """ISO 8601 to the second, wherever the machine stands."""
    assert status.iso(seconds) == expected
