"""`plan`: shows what `sync` would do, touches nothing, and is right about it."""

from __future__ import annotations

import gc
import random
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tests.cli.stage import POWERLESS, alter

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.stage import Stage


def test_every_path_that_is_not_unchanged_has_a_line_sorted_by_path(stage: Stage) -> None:
    """A line for each upload, replacement, touch, delete, skipped and troubled path, sorted, and a sum at the end."""
    alter(stage)

    result = stage.run("plan")

    *lines, total = result.lines
    words = [(line.split()[0], line.split()[1]) for line in lines]
    assert words == [
        ("upload", "b_new.txt"),
        ("problem", "caf\u00e9"),
        ("replace", "changed.txt"),
        ("delete", "gone.txt"),
        ("skip", "link"),
        ("upload", "sub/a_new.txt"),
        ("touch", "touched.txt"),
    ]
    assert total == "site: 3 uploads (10 bytes), 1 delete, 1 touched, 1 skipped, 1 problem, 2 unchanged"
    assert result.code == exits.INCOMPLETE


def test_the_plan_as_json(stage: Stage) -> None:
    """`--json` gives the same as values: every list sorted by path."""
    alter(stage)

    (described,) = stage.run("plan", "--json").json["mirrors"]

    assert described["name"] == "site"
    assert described["uploads"] == [
        {"path": "b_new.txt", "bytes": 3},
        {"path": "changed.txt", "bytes": 2},
        {"path": "sub/a_new.txt", "bytes": 5},
    ]
    assert (described["touches"], described["deletes"], described["keeps"]) == (["touched.txt"], ["gone.txt"], [])
    assert [each["path"] for each in described["skipped"]] == ["link"]
    assert [each["path"] for each in described["problems"]] == ["caf\u00e9"]
    assert (described["unchanged"], described["hold"], described["held"], described["waiting"]) == (2, None, [], [])


def test_lines_of_many_directories_are_sorted(stage: Stage) -> None:
    """The order is the paths' own, not that of the directories as they were met."""
    names = [f"d{random.randrange(9)}/e{random.randrange(9)}/f{number}" for number in range(60)]
    for name in names:
        (stage.root / name).parent.mkdir(parents=True, exist_ok=True)
        (stage.root / name).write_text(name)

    lines = stage.run("plan").lines[:-1]

    assert [line.split()[1] for line in lines] == sorted(names)


def test_nothing_to_do(stage: Stage) -> None:
    """Exit 0 and a single line when cloud and disk are equal."""
    stage.write(a="a")
    stage.run("sync")

    result = stage.run("plan")

    assert (result.code, result.out, result.err) == (exits.DONE, "site: nothing to do, 1 unchanged\n", "")


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Give the bytes and times of every file."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_it_touches_neither_cloud_nor_manifest(stage: Stage) -> None:
    """No request is made, no byte and no time of the state directory changes, and no file is left in it."""
    alter(stage)
    gc.collect()  # as a process does at its end: what sync had open is closed
    before, calls = snapshot(stage.state_dir), stage.calls

    stage.run("plan")
    gc.collect()

    assert snapshot(stage.state_dir) == before
    assert stage.calls == calls


def test_before_the_first_sync_it_makes_nothing(stage: Stage) -> None:
    """Without a state directory there is a plan all the same, and still no state directory."""
    stage.write(a="a")

    result = stage.run("plan")

    assert result.lines == ["upload   a.txt  1 byte", "site: 1 upload (1 byte), 0 unchanged"]
    assert not stage.state_dir.exists()
    assert stage.calls == 0


@pytest.mark.slow
def test_it_works_where_the_state_may_not_be_written(stage: Stage) -> None:
    """A user who may read the state directory and not write to it gets the plan."""
    stage.write(a="a")
    stage.run("sync")
    stage.write(b="b")
    gc.collect()
    stage.state_dir.chmod(0o500)

    result = stage.spawn("plan", before=POWERLESS)

    stage.state_dir.chmod(0o700)
    assert result.err == ""
    assert (result.code, result.lines[0]) == (exits.DONE, "upload   b.txt  1 byte")


def test_what_waits_is_neither_unchanged_nor_planned(stage: Stage) -> None:
    """A parked file is a line of its own with the reason, and sync leaves it alone; after retry it is planned."""
    stage.write(bad="bad", good="good")
    stage.refuse()
    stage.run("sync")

    waiting = stage.run("plan")
    stage.run("retry")
    planned = stage.run("plan")

    assert waiting.code == exits.INCOMPLETE
    assert waiting.lines[0].startswith("wait     bad.txt  (invalid arguments")
    assert waiting.lines[1] == "site: nothing to do, 1 waiting, 1 unchanged"
    assert planned.code == exits.DONE
    assert planned.lines == ["upload   bad.txt  3 bytes", "site: 1 upload (3 bytes), 1 unchanged"]


def test_deletes_that_would_be_held_are_told_of(stage: Stage) -> None:
    """Exit 4 with the reason before sync, with the same reason after it has held them, and none once approved."""
    stage.write(a="a", b="b")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()

    before = stage.run("plan")
    stage.run("sync")
    held = stage.run("plan")
    stage.run("approve", "site")
    approved = stage.run("plan")

    reason = "the root holds no files any more; 2 objects would be deleted"
    assert (before.code, held.code, approved.code) == (exits.HELD, exits.HELD, exits.DONE)
    assert before.lines == ["delete   a.txt", "delete   b.txt", "site: 2 deletes, 0 unchanged"]
    assert before.err == f"site: deletes would be held: {reason}\n"
    assert held.lines == ["held     a.txt", "held     b.txt", "site: nothing to do, 2 held, 0 unchanged"]
    assert held.err == f"site: deletes are held: {reason}\n"
    assert approved == (exits.DONE, before.out, "")


def test_a_missing_root_is_one_problem(stage: Stage) -> None:
    """Exit 4 and a line for the root: no file of it counts as deleted."""
    stage.write(a="a")
    stage.run("sync")
    stage.root.rename(stage.root.with_name("elsewhere"))

    result = stage.run("plan")

    reason = f"root {stage.root} is missing; is the volume mounted? Nothing is deleted"
    assert result.code == exits.HELD
    assert result.lines == [f"problem  (root)  ({reason})", "site: nothing to do, 1 problem, 0 unchanged"]
    assert result.err == f"site: deletes would be held: {reason}\n"


def test_ignore_rules_that_cannot_be_read_are_a_problem(stage: Stage) -> None:
    """Where the root's own rules cannot be had, nothing is planned, since nobody knows what is ignored."""
    stage.write(a="a")
    (stage.root / ".tcbignore").mkdir()

    result = stage.run("plan")

    assert result.code == exits.HELD
    assert result.lines[0].startswith("problem  (root)  ")
    assert ".tcbignore" in result.lines[0]


def test_a_line_of_the_ignore_file_that_is_no_rule_is_named(stage: Stage) -> None:
    """Such a line means nothing, and the plan says so."""
    (stage.root / ".tcbignore").write_text("*.log\n[[:digit:]]*\n")

    result = stage.run("plan")

    assert result.lines[0].startswith("skip     .tcbignore  (not understood: [[:digit:]]*: ")


def test_a_mirror_that_never_deletes_keeps(stage: Stage) -> None:
    """With `delete: never`, what is gone here is kept there, and sync does nothing about it."""
    stage.configure(delete="never")
    stage.write(a="a", b="b")
    stage.run("sync")
    (stage.root / "a.txt").unlink()

    result = stage.run("plan")

    assert result.lines == ["keep     a.txt", "site: 1 kept, 1 unchanged"]
    stage.run("sync")
    assert set(stage.objects()) == {"a.txt", "b.txt"}


def test_what_was_never_sent_is_not_deleted(stage: Stage) -> None:
    """A file that came and went without ever being sent makes no line: there is nothing to delete."""
    stage.write(bad="bad", good="good")
    stage.refuse()
    stage.run("sync")
    (stage.root / "bad.txt").unlink()

    result = stage.run("plan")

    assert result.lines == ["site: nothing to do, 1 unchanged"]
