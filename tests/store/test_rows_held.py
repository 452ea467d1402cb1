"""Deletes that wait for a person, failures that wait for another attempt, and what could not be judged."""

from __future__ import annotations

import pytest

from tcbsync.core.model import Delete, Plan, Problem, Skipped, State
from tcbsync.store import rows
from tests.store.table import NOW, Table, digest_of, file

LATER = NOW + 60


def gone(table: Table, *paths: str, now: float = NOW) -> None:
    """Prove files, and want them gone."""
    for path in paths:
        table.prove(file(path))
    table.do(rows.expect, Plan(deletes=[Delete(path, was_sent=True) for path in paths]), now)


def states(table: Table) -> dict[str, State]:
    """Return the state of each row."""
    return {path: State(record.state) for path, record in table.records().items()}


def test_holding(table: Table) -> None:
    """Every delete waits, with the reason, since the first time it was held; nothing else does."""
    gone(table, "a", "d/b")
    table.prove(file("c"))
    table.upload(file("e"))

    table.do(rows.hold, "2 objects would be deleted", NOW)
    table.do(rows.hold, "the root is empty", LATER)

    assert states(table) == {"a": State.HELD, "d/b": State.HELD, "c": State.PROVED, "e": State.UPLOAD}
    row = table.manifest.mirror()
    assert (row.hold, row.hold_since) == ("the root is empty", NOW)
    assert {path: record.digest for path, record in table.records().items() if path in {"a", "d/b"}} == {
        "a": digest_of("one"),
        "d/b": digest_of("one"),
    }


def test_a_hold_whose_files_came_back_is_over(table: Table) -> None:
    """The next one begins when it begins, though nobody wrote down that there was nothing left to hold."""
    gone(table, "a", "b")
    table.do(rows.hold, "the root is empty", NOW)
    table.prove(file("a"))
    table.prove(file("b"))

    gone(table, "a", now=LATER)
    table.do(rows.hold, "the root is empty", LATER)

    assert table.manifest.mirror().hold_since == LATER


def test_approving(table: Table) -> None:
    """What was held goes at once, without being asked about again; what comes later is."""
    gone(table, "a", "b")
    table.do(rows.hold, "too many", NOW)

    count = table.do(rows.approve)
    gone(table, "c", now=LATER)
    table.do(rows.hold, "too many", LATER)

    assert count == 2
    assert states(table) == {"a": State.DELETE, "b": State.DELETE, "c": State.HELD}
    assert {job.path: job.is_approved for job in table.manifest.jobs(State.DELETE, LATER, 9)} == {"a": 1, "b": 1}


def test_what_is_approved_is_due(table: Table) -> None:
    """However long it was to wait before."""
    gone(table, "a")
    table.do(rows.fail, "a", "present", "it was there again", LATER)
    table.do(rows.hold, "too many", NOW)

    table.do(rows.approve)

    assert [job.path for job in table.manifest.jobs(State.DELETE, NOW, 9)] == ["a"]


def test_approving_ends_the_hold(table: Table) -> None:
    """The reason and its time are gone."""
    gone(table, "a")
    table.do(rows.hold, "too many", NOW)

    table.do(rows.approve)

    row = table.manifest.mirror()
    assert (row.hold, row.hold_since) == ("", None)


def test_approving_what_is_not_held(table: Table) -> None:
    """Deletes that wait their turn stay as they are."""
    gone(table, "a")

    assert table.do(rows.approve) == 0
    assert [job.is_approved for job in table.manifest.jobs(State.DELETE, NOW, 9)] == [0]


def test_an_approved_delete_that_comes_back_and_goes_again_is_asked_about(table: Table) -> None:
    """The approval was for what was gone then."""
    gone(table, "a")
    table.do(rows.hold, "too many", NOW)
    table.do(rows.approve)
    table.touch(file("a"))

    gone(table, "a", now=LATER)

    assert [job.is_approved for job in table.manifest.jobs(State.DELETE, LATER, 9)] == [0]


def test_the_end_of_a_hold(table: Table) -> None:
    """The deletes wait their turn again, from now on."""
    gone(table, "a")
    table.do(rows.hold, "the root is missing", NOW)

    table.do(rows.end_hold, LATER)

    assert [(job.path, job.since) for job in table.manifest.jobs(State.DELETE, LATER, 9)] == [("a", LATER)]
    assert table.manifest.mirror().hold == ""


def test_what_is_held_goes_back_to_how_long_it_waited(table: Table) -> None:
    """Being held does not change since when the delete is wanted."""
    gone(table, "a")
    table.do(rows.hold, "too many", LATER)

    table.do(rows.approve)

    assert table.manifest.jobs(State.DELETE, LATER, 9)[0].since == NOW


def test_a_parked_delete_is_not_held(table: Table) -> None:
    """It waits for a person already."""
    gone(table, "a")
    table.do(rows.fail, "a", "delete", "refused", None)

    table.do(rows.hold, "too many", NOW)

    assert states(table) == {"a": State.DELETE}


def test_trying_again(table: Table) -> None:
    """Everything that is parked or waits is due now, as if it had never failed; the rest is not touched."""
    for path in ("parked", "waits", "due"):
        table.upload(file(path))
    table.do(rows.fail, "parked", "EntityTooLarge", "too large", None)
    table.do(rows.fail, "waits", "HTTP 502", "bad gateway", LATER)
    table.prove(file("proved"))

    count = table.do(rows.retry)

    assert count == 2
    assert {job.path: job.attempts for job in table.manifest.jobs(State.UPLOAD, NOW, 9)} == {
        "parked": 0,
        "waits": 0,
        "due": 0,
    }
    assert table.do(rows.retry) == 0


def note(table: Table, covered: list[str], now: float = NOW, **found: list[str]) -> None:
    """Write down what a look found there, all for the same reason."""
    plan = Plan(
        problems=[Problem(path, "permission denied") for path in found.get("problems", [])],
        skipped=[Skipped(path, "a FIFO") for path in found.get("skipped", [])],
    )
    table.do(rows.note_problems, covered, plan, now)


def troubled(table: Table) -> list[str]:
    """Return the paths that are known to be troubled."""
    return [path for path, *_ in table.report.problems()]


def test_problems_are_noted(table: Table) -> None:
    """What could not be judged stands in the way of equality; what cannot be mirrored does not."""
    note(table, [""], problems=["d"], skipped=["link"])

    assert table.report.problems() == [
        ("d", "permission denied", True, NOW),
        ("link", "a FIFO", False, NOW),
    ]
    assert (table.manifest.has_problems(), table.manifest.is_equal()) == (True, False)


def test_only_skipped_names_are_equal(table: Table) -> None:
    """A symbolic link is never mirrored, and that is that."""
    note(table, [""], skipped=["link"])

    assert (table.manifest.has_problems(), table.manifest.is_equal()) == (True, True)


@pytest.mark.parametrize(
    ("covered", "left"),
    [
        ([""], []),
        (["d"], ["d.png", "dd", "d0", "e"]),
        (["d/e"], ["d", "d.png", "d/ee", "d0", "dd", "e"]),
        (["d", "e"], ["d.png", "d0", "dd"]),
        (["x"], ["d", "d.png", "d/e", "d/e/f", "d/ee", "d0", "dd", "e"]),
        ([], ["d", "d.png", "d/e", "d/e/f", "d/ee", "d0", "dd", "e"]),
    ],
)
def test_a_look_replaces_what_it_covered(table: Table, covered: list[str], left: list[str]) -> None:
    """At and beneath the covered paths, and not beside them."""
    note(table, [""], problems=["d", "d/e", "d/e/f", "d/ee", "d.png", "d0", "dd", "e"])

    note(table, covered)

    assert troubled(table) == sorted(left)


def test_a_problem_that_lasts_is_old(table: Table) -> None:
    """It is told since when it is there, not since when it was last seen; a new one is new."""
    note(table, [""], problems=["d"])

    note(table, [""], LATER, problems=["d", "e"])
    note(table, [], LATER + 60, problems=["e"])

    assert [(path, since) for path, _, _, since in table.report.problems()] == [("d", NOW), ("e", LATER)]


def test_a_problem_outweighs_a_skipped_name(table: Table) -> None:
    """Where a path is both, it could not be judged."""
    note(table, [""], problems=["a"], skipped=["a"])

    assert table.report.blocking_problems() == 1


def test_names_that_are_no_text(table: Table) -> None:
    """Bytes that are no UTF-8 go in and come out as they are, and are covered like others."""
    note(table, [""], skipped=["d\udcff/a\udcfe", "d\udcff"])
    noted = troubled(table)

    note(table, ["d\udcff"])

    assert noted == ["d\udcff", "d\udcff/a\udcfe"]
    assert troubled(table) == []


def test_problems_of_another_mirror_stay(table: Table) -> None:
    """Each mirror has its own."""
    plan = Plan(problems=[Problem("a", "permission denied")])
    table.do_for(2, rows.note_problems, [""], plan, NOW)

    note(table, [""])

    assert table.connection.execute("SELECT mirror, path FROM problem").fetchall() == [(2, b"a")]


def test_times_of_the_mirror(table: Table) -> None:
    """When the whole tree was looked at, by which rules, and when both sides were last equal."""
    table.do(rows.scanned, "0123456789abcdef", NOW)
    table.do(rows.equal, LATER)

    row = table.manifest.mirror()
    assert (row.rules, row.last_scan_at, row.last_equal_at) == ("0123456789abcdef", NOW, LATER)
    assert table.report.times() == (NOW, LATER)
