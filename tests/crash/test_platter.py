"""The model of the disk is faithful, and sharp enough to see a sync that is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.crash.matrix import Boundary
from tests.crash.platter import GARBAGE, Cut, Platter, Step, apply, lay_out, read_will
from tests.crash.scenes import play
from tests.crash.vfs import is_reachable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.nursery import Nursery

needs_sqlite = pytest.mark.skipif(not is_reachable(), reason="SQLite is linked into this Python")


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [
        (b"abcd", Step(1, b"XY"), b"aXYd"),
        (b"abcd", Step(3, b"XY"), b"abcXY"),
        (b"ab", Step(4, b"XY"), b"ab\0\0XY"),
        (b"abcd", Step(2, None), b"ab"),
        (b"ab", Step(4, None), b"ab\0\0"),
        (b"", Step(0, b""), b""),
    ],
)
def test_a_step(before: bytes, step: Step, after: bytes) -> None:
    """A write changes its bytes alone, a gap holds zeros, a cut is the end."""
    content = bytearray(before)

    apply(content, step)

    assert bytes(content) == after


def cut_of(platter: Platter, will: Path) -> Cut:
    """Cut the power now."""
    platter.leave_will()
    return read_will(will)


def test_what_is_synced_stays(tmp_path: Path) -> None:
    """A file with its bytes and its name synced is in every outcome, whatever happens to others."""
    disk, will = tmp_path / "disk", tmp_path / "will"
    disk.mkdir()
    platter = Platter(disk, will)

    (disk / "kept").write_bytes(b"kept")
    platter.sync(str(disk / "kept"))
    platter.sync_names(str(disk))
    (disk / "new").write_bytes(b"new")
    outcomes = cut_of(platter, will).outcomes()

    assert outcomes["lost"] == {"kept": b"kept"}
    assert outcomes["named"] == {"kept": b"kept", "new": b""}
    assert all(found is not None and found["kept"] == b"kept" for found in outcomes.values())


def test_what_is_not_synced_may_go(tmp_path: Path) -> None:
    """Bytes, a name, a rename, a removal: each of them alone."""
    disk, will = tmp_path / "disk", tmp_path / "will"
    disk.mkdir()
    for name in ("changed", "renamed", "removed"):
        (disk / name).write_bytes(b"old")
    platter = Platter(disk, will)

    (disk / "changed").write_bytes(b"new")
    (disk / "renamed").rename(disk / "other")
    (disk / "removed").unlink()
    outcomes = cut_of(platter, will).outcomes()

    assert outcomes["lost"] == {"changed": b"old", "renamed": b"old", "removed": b"old"}
    assert outcomes["named"] == {"changed": b"old", "other": b"old"}


def test_a_directory_whose_name_is_not_synced(tmp_path: Path) -> None:
    """It may be gone, with all that was synced in it, until the directory above it is synced."""
    disk, will = tmp_path / "disk", tmp_path / "will"
    platter = Platter(disk, will)
    disk.mkdir()
    (disk / "file").write_bytes(b"content")
    platter.sync(str(disk / "file"))
    platter.sync_names(str(disk))

    before = cut_of(platter, will).outcomes()["lost"]
    platter.has_name = True
    after = cut_of(platter, will).outcomes()["lost"]

    assert (before, after) == (None, {"file": b"content"})


def test_a_directory_beneath(tmp_path: Path) -> None:
    """What is in it is there when its own names are synced, and those of the directory above."""
    disk, will = tmp_path / "disk", tmp_path / "will"
    disk.mkdir()
    platter = Platter(disk, will)
    (disk / "beneath").mkdir()
    (disk / "beneath" / "file").write_bytes(b"content")
    platter.sync(str(disk / "beneath" / "file"))

    platter.sync_names(str(disk / "beneath"))
    nameless = cut_of(platter, will).outcomes()
    platter.sync_names(str(disk))
    named = cut_of(platter, will).outcomes()

    assert nameless["lost"] == {}
    assert named == {"lost": {"beneath": None, "beneath/file": b"content"}}


def test_writes_come_through_in_part_and_in_another_order(tmp_path: Path) -> None:
    """Torn: the first half and a piece of one more, with garbage. Shuffled: the later half alone."""
    disk, will = tmp_path / "disk", tmp_path / "will"
    disk.mkdir()
    (disk / "file").write_bytes(bytes(16))
    platter = Platter(disk, will)

    for number in range(4):
        platter.change(str(disk / "file"), Step(number * 4, b"%d" % number * 4))
    outcomes = cut_of(platter, will).outcomes()

    assert outcomes["lost"] == {"file": bytes(16)}
    assert outcomes["shuffled"] == {"file": bytes(8) + b"22223333"}
    assert outcomes["torn"] == {"file": b"0000111122" + GARBAGE[:2] + bytes(4)}


def test_laid_out(tmp_path: Path) -> None:
    """What was found becomes a directory again, or none."""
    lay_out({"a": b"1", "b": None, "b/c": b"2"}, tmp_path / "there")
    lay_out(None, tmp_path / "gone")

    assert (tmp_path / "there" / "a").read_bytes() == b"1"
    assert (tmp_path / "there" / "b" / "c").read_bytes() == b"2"
    assert not (tmp_path / "gone").exists()


@needs_sqlite
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["before a write to manifest.db", "before a sync of manifest.db", "after a migration"])
def test_the_model_is_the_disk(kind: str, tmp_path: Path, nursery: Nursery) -> None:
    """With every write since the last sync, the model has the very bytes that the killed process left."""
    matrix, _ = play("changed" if "migration" not in kind else "first", tmp_path / "scene", nursery)

    with matrix.scene.stage(tmp_path / "try", nursery) as stage:
        matrix.work(stage, matrix.arms(stage, Boundary(kind, 1)))
        cut = read_will(stage.place / "will")
        files = {place.relative_to(stage.state).as_posix(): place for place in stage.state.rglob("*")}
        there = {path: place.read_bytes() if place.is_file() else None for path, place in files.items()}
        there.pop("manifest.db-shm", None)

        assert cut.everything() == there
        assert any(cut.since.values())


@needs_sqlite
@pytest.mark.slow
@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [("after the last byte of an upload", "orphan"), ("after the answer of batchdeletefile", "false claim")],
)
def test_a_missing_sync_is_seen(synchronous: str, kind: str, complaint: str, tmp_path: Path, nursery: Nursery) -> None:
    """With less than `synchronous = FULL`, commits do not last, and the matrix says so: this is what it is for."""
    matrix, kinds = play("changed", tmp_path / "scene", nursery)
    at = Boundary(kind, kinds.count(kind))

    sound = replace(matrix, checkpoint_pages=None).crash(at, tmp_path / "sound", nursery)
    careless = replace(matrix, checkpoint_pages=None, synchronous=synchronous).crash(at, tmp_path / "try", nursery)

    assert sound.complaints == []
    assert [each for each in careless.complaints if each.startswith(f"power, lost: {complaint}")]
