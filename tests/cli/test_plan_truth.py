"""What `plan` says is what `sync` then does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tcbsync.engine import mirror
from tcbsync.local import mounts
from tcbsync.local.mounts import Mounts
from tests.cli.stage import alter

if TYPE_CHECKING:
    from tests.cli.stage import Stage


def done_by(stage: Stage, described: dict[str, Any]) -> dict[str, int]:
    """Sync, and give what that did in the plan's terms."""
    (outcome,) = stage.run("sync", "--json").json["mirrors"]
    assert outcome["uploaded_bytes"] == sum(each["bytes"] for each in described["uploads"])
    return {"uploads": outcome["uploaded"], "touches": outcome["touched"], "deletes": outcome["deleted"]}


def test_sync_does_what_the_plan_said(stage: Stage) -> None:
    """Numbers and bytes of uploads, touches and deletes are those that sync then has done, and the cloud is as said."""
    alter(stage)
    (described,) = stage.run("plan", "--json").json["mirrors"]
    before = set(stage.objects())

    done = done_by(stage, described)

    assert done == {what: len(described[what]) for what in done}
    uploads = {each["path"] for each in described["uploads"]}
    assert set(stage.objects()) == (before | uploads) - set(described["deletes"])


def test_what_an_outage_left_is_in_the_plan(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads and deletes that a sync could not do are planned still, and counted once."""
    stage.write(a="a", b="b", same="same")
    stage.run("sync")
    stage.write(a="other", new="new")
    (stage.root / "b.txt").unlink()
    monkeypatch.setattr(mirror, "OUTAGE_SECONDS", 0.0)
    before = stage.run("plan")
    stage.cloud.install(
        Fault(call="uploadfile", kind="errcode", errcode=-501005), Fault(call="batchdeletefile", kind="cut_before")
    )
    stage.run("sync")

    after = stage.run("plan")
    stage.cloud.clear_faults()
    done = done_by(stage, stage.run("plan", "--json").json["mirrors"][0])

    assert after == before
    assert after.lines == [
        "replace  a.txt  5 bytes",
        "delete   b.txt",
        "upload   new.txt  3 bytes",
        "site: 2 uploads (8 bytes), 1 delete, 1 unchanged",
    ]
    assert done == {"uploads": 2, "touches": 0, "deletes": 1}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_random_changes_are_planned_as_they_are_done(stage: Stage, seed: int) -> None:
    """Whatever is created, changed, touched, moved and deleted: sync does what plan said, and then nothing is left."""
    dice = random.Random(seed)
    stage.configure(guard=None)
    names = [f"d{number % 4}/f{number}" for number in range(24)]
    for _ in range(3):
        for name in dice.sample(names, 12):
            path = stage.root / name
            path.parent.mkdir(exist_ok=True)
            match dice.choice(["write", "delete", "touch", "move"]):
                case "write":
                    path.write_text("x" * dice.randrange(1, 4))
                case "delete":
                    path.unlink(missing_ok=True)
                case "touch" if path.exists():
                    path.touch()
                case "move" if path.exists():
                    path.rename(path.with_name(f"moved{dice.randrange(3)}"))
        (described,) = stage.run("plan", "--json").json["mirrors"]

        done = done_by(stage, described)

        assert done == {what: len(described[what]) for what in done}
        assert stage.run("plan").lines == [f"site: nothing to do, {len(stage.objects())} unchanged"]


def test_a_rename_is_no_hold(stage: Stage) -> None:
    """More files than the guard allows are renamed: plan reads the new ones, and says what sync then does."""
    stage.configure(guard={"max_deletes": 5, "max_delete_percent": 50})
    stage.write(**{f"a{number}": f"content {number}" for number in range(60)})
    stage.run("sync")
    for number in range(60):
        (stage.root / f"a{number}.txt").rename(stage.root / f"b{number}.txt")

    plan = stage.run("plan")
    (described,) = stage.run("plan", "--json").json["mirrors"]

    assert (plan.code, described["hold"]) == (exits.DONE, None)
    assert done_by(stage, described) == {"uploads": 60, "touches": 0, "deletes": 60}


def test_another_volume_is_a_hold(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan says that deletes would be held, and why; sync then holds them."""
    stage.configure(guard=None)
    stage.write(a="a", b="b")
    stage.run("sync")
    (stage.root / "a.txt").unlink()
    monkeypatch.setattr(mounts, "mounts_around", lambda folder: Mounts("ext4", frozenset(), "another volume"))

    plan = stage.run("plan")
    stage.run("sync")

    assert plan.code == exits.HELD
    assert f"another file system is at {stage.root} than before" in plan.out + plan.err
    assert set(stage.objects()) == {"a.txt", "b.txt"}
