"""`retry` and `approve` without a daemon: what a person lets go on, and when it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.cli import exits

if TYPE_CHECKING:
    from tests.cli.stage import Stage


def test_retry_lets_a_parked_file_go_up(stage: Stage) -> None:
    """A parked file is left alone by sync; after retry the next sync sends it, and nothing has failed any more."""
    stage.write(bad="bad")
    stage.refuse()
    stage.run("sync")
    stage.cloud.clear_faults()
    ignored = stage.run("sync")
    untouched = stage.objects()

    retried = stage.run("retry")
    done = stage.run("sync")

    assert (ignored.code, untouched) == (exits.INCOMPLETE, {})
    assert (retried.code, retried.out) == (exits.DONE, "site: 1 file tried again with the next sync\n")
    assert done.code == exits.DONE
    assert stage.objects() == {"bad.txt": b"bad"}
    assert stage.run("failed").out == "nothing failed\n"


def test_retry_does_not_wait_for_the_next_try(stage: Stage) -> None:
    """A file that failed for now, and would be tried in a minute, is tried by the next sync."""
    stage.write(slow="slow")
    stage.trouble()
    stage.run("sync")
    stage.cloud.clear_faults()
    ignored = stage.run("sync")

    stage.run("retry")
    stage.run("sync")

    assert ignored.code == exits.INCOMPLETE
    assert stage.objects() == {"a.txt": b"a", "slow.txt": b"slow"}


def test_retry_with_nothing_failed(stage: Stage) -> None:
    """Exit 0, and it says so."""
    result = stage.run("retry")

    assert (result.code, result.out) == (exits.DONE, "site: nothing failed\n")


def test_a_parked_file_that_changes_is_tried_by_itself(stage: Stage) -> None:
    """Other bytes may be taken: nobody has to ask."""
    stage.write(bad="bad")
    stage.refuse()
    stage.run("sync")
    stage.cloud.clear_faults()
    stage.write(bad="better")

    stage.run("sync")

    assert stage.objects() == {"bad.txt": b"better"}


def test_approve_lets_the_held_deletes_go(stage: Stage) -> None:
    """What was held is deleted by the next sync, and by no sync before."""
    stage.write(a="a", b="b")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()
    stage.run("sync")
    again = stage.run("sync")

    approved = stage.run("approve", "site")
    done = stage.run("sync")

    assert again.code == exits.HELD
    assert (approved.code, approved.out) == (exits.DONE, "site: 2 deletes approved, carried out with the next sync\n")
    assert done.code == exits.DONE
    assert stage.objects() == {}
    assert stage.run("held").out == "nothing is held\n"


def test_a_file_that_is_back_is_not_deleted(stage: Stage) -> None:
    """An approved delete is called off where the file is there again; the others go."""
    stage.write(a="a", b="b")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()
    stage.run("sync")
    stage.run("approve", "site")
    stage.write(a="a")

    stage.run("sync")

    assert stage.objects() == {"a.txt": b"a"}


def test_files_that_are_back_end_the_hold(stage: Stage) -> None:
    """When the volume is mounted again, nothing needs approval any more, and nothing was deleted or sent."""
    stage.write(a="a", b="b")
    stage.run("sync")
    away = stage.root.with_name("away")
    stage.root.rename(away)
    stage.root.mkdir()
    stage.run("sync")
    stage.root.rmdir()
    away.rename(stage.root)
    before = stage.cloud.counters.calls["cos"]

    result = stage.run("sync")

    assert result.code == exits.DONE
    assert stage.run("held").out == "nothing is held\n"
    assert stage.run("status").code == exits.DONE
    assert set(stage.objects()) == {"a.txt", "b.txt"}
    assert stage.cloud.counters.calls["cos"] == before


def test_approve_with_nothing_held(stage: Stage) -> None:
    """Exit 0, and it says so."""
    result = stage.run("approve", "site")

    assert (result.code, result.out) == (exits.DONE, "site: nothing is held\n")


def test_approve_of_no_mirror(stage: Stage) -> None:
    """Exit 78 for a mirror that the configuration does not have."""
    result = stage.run("approve", "sight")

    assert (result.code, result.out) == (exits.CONFIG, "")
    assert "there is no mirror sight (the configuration has site)" in result.err


def test_counts_as_json(stage: Stage) -> None:
    """Both verbs give the number of rows that they let go on, by mirror."""
    stage.write(bad="bad", a="a", b="b")
    stage.refuse()
    stage.run("sync")
    for name in ("a.txt", "b.txt"):
        (stage.root / name).unlink()
    stage.configure(guard={"max_deletes": 1})
    stage.run("sync")

    answers = [stage.run("retry", "--json").json, stage.run("approve", "site", "--json").json]

    assert answers == [{"site": 1}, {"site": 2}]


def test_approve_of_a_list(stage: Stage) -> None:
    """Exactly the deletes that `held` listed: where others are held by now, nothing is approved, and exit is 1."""
    stage.write(a="a", b="b", c="c")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()
    stage.run("sync")
    (held,) = stage.run("held", "--json").json

    wrong = stage.run("approve", "site", "--list", "00000000")
    right = stage.run("approve", "site", "--list", held["list"])

    assert wrong.code == exits.FAILED
    assert "other deletes are held now than those that were listed" in wrong.err
    assert right.out == "site: 3 deletes approved, carried out with the next sync\n"
