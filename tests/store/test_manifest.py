"""What the engine asks of the rows: by directory, by name, what is due, what stands in the way."""

from __future__ import annotations

import pytest

from tcbsync.core.model import Delete, Keep, Plan, Problem, Record, State
from tcbsync.store import rows
from tests.store.table import NOW, Table, digest_of, file

TREE = [
    *("a", "b", "d/a", "d/e/a", "d/e/f/a", "d.png", "d!/a", "d0/a", "dd/a", "e/a"),
    *("caf\u00e9/a", "图/片/a", "\U0010ffffz/a"),
]


def gone(table: Table, *paths: str, now: float = NOW) -> None:
    """Prove files, and want them gone."""
    for path in paths:
        table.prove(file(path), now)
    table.do(rows.expect, Plan(deletes=[Delete(path, was_sent=True) for path in paths]), now)


@pytest.fixture
def tree(table: Table) -> Table:
    """Return rows in many directories, and the same in another mirror."""
    for path in TREE:
        table.upload(file(path))
    for path in ("elsewhere/x", "d/another/x"):
        table.send(file(path), mirror=2)
    return table


def test_the_rows_of_a_directory(tree: Table) -> None:
    """By name, without those of the directories in it."""
    assert tree.manifest.records("").keys() == {"a", "b", "d.png"}
    assert tree.manifest.records("d/e").keys() == {"a"}
    assert tree.manifest.records("missing") == {}
    assert tree.manifest.records("elsewhere") == {}


def test_a_record_holds_what_reconcile_needs(table: Table) -> None:
    """The fingerprint, the state, what the cloud surely holds, and whether anything was ever sent."""
    table.upload(file("new", moment=3))
    table.prove(file("proved", moment=4))
    table.prove(file("sent", moment=5))
    table.send(file("sent", moment=6))

    assert table.manifest.records("") == {
        "new": Record(*file("new", moment=3).fingerprint, State.UPLOAD, None, was_sent=False),
        "proved": Record(*file("proved", moment=4).fingerprint, State.PROVED, digest_of("one"), was_sent=True),
        "sent": Record(*file("sent", moment=6).fingerprint, State.UPLOAD, None, was_sent=True),
    }


def test_only_what_is_proved_equals_a_file(table: Table) -> None:
    """The rows as a directory's list have every name, and the inode of no file where something is to be done."""
    table.prove(file("proved"))
    for path in ("upload", "touched"):
        table.prove(file(path))
        table.upload(file(path))
    for path in ("gone", "kept"):
        table.prove(file(path))
    table.do(rows.expect, Plan(deletes=[Delete("gone", was_sent=True)], keeps=[Keep("kept")]), NOW)

    lines = {name: inode for name, *_, inode in table.manifest.lines("")}

    assert lines == {"proved": file("").fingerprint.inode, **dict.fromkeys(["upload", "touched", "gone", "kept"], -1)}


def test_the_rows_of_some_names(tree: Table) -> None:
    """Only those that there are."""
    assert tree.manifest.records_named("", ["a", "d.png", "missing", "d"]).keys() == {"a", "d.png"}
    assert tree.manifest.records_named("d", []) == {}
    assert tree.manifest.records_named("missing", ["a"]) == {}


def test_more_names_than_fit_into_one_question(table: Table) -> None:
    """A directory that was replaced by another, say."""
    names = [f"{number:04}" for number in range(1000)]
    for name in names[::2]:
        table.upload(file(f"d/{name}"))

    assert table.manifest.records_named("d", names) == table.manifest.records("d")
    assert len(table.manifest.records("d")) == 500


def test_one_row(tree: Table) -> None:
    """By its path."""
    record = tree.manifest.record("d/e/f/a")

    assert record is not None
    assert record[:4] == file("d/e/f/a").fingerprint
    assert tree.manifest.record("d/e/f") is None
    assert tree.manifest.record("elsewhere/x") is None


@pytest.mark.parametrize("name", ["a\udcff", "\udcff/a", "d/\udcff"])
def test_a_name_that_is_no_text_has_no_row(tree: Table, name: str) -> None:
    """It can be asked about like any other: events come for such names, too."""
    assert tree.manifest.record(name) is None
    assert tree.manifest.records(name) == {}
    assert tree.manifest.records_named("", [name, "a"]).keys() == {"a"}
    assert tree.manifest.directories(name) == []


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("", {"", "d", "d/e", "d/e/f", "d!", "d0", "dd", "e", "caf\u00e9", "图/片", "\U0010ffffz"}),
        ("d", {"d", "d/e", "d/e/f"}),
        ("d/e", {"d/e", "d/e/f"}),
        ("d/e/f", {"d/e/f"}),
        ("图", {"图/片"}),
        ("a", set()),
        ("missing", set()),
        ("elsewhere", set()),
    ],
)
def test_directories_at_and_beneath_a_scope(tree: Table, scope: str, expected: set[str]) -> None:
    """Those that have rows, each once; names that only begin alike are not among them."""
    directories = tree.manifest.directories(scope)

    assert set(directories) == expected
    assert len(directories) == len(expected)


def test_jobs_are_the_due_rows_of_a_state(table: Table) -> None:
    """Not those that are parked, wait for another attempt, or want something else."""
    for path in ("d/due", "parked", "waits", "was waiting"):
        table.upload(file(path))
    table.do(rows.fail, "parked", "code", "reason", None)
    table.do(rows.fail, "waits", "code", "reason", NOW + 1)
    table.do(rows.fail, "was waiting", "code", "reason", NOW)
    gone(table, "gone")
    table.prove(file("proved"))

    assert {job.path for job in table.manifest.jobs(State.UPLOAD, NOW, 99)} == {"d/due", "was waiting"}
    assert {job.path for job in table.manifest.jobs(State.UPLOAD, NOW + 1, 99)} == {"d/due", "was waiting", "waits"}
    assert {job.path for job in table.manifest.jobs(State.DELETE, NOW, 99)} == {"gone"}
    assert table.manifest.jobs(State.HELD, NOW, 99) == []


def test_a_job_says_what_is_needed_to_do_it(table: Table) -> None:
    """Where the file is on the disk, and what the cloud holds of it."""
    found = file("caf\u00e9/a", "four")
    table.prove(found)
    changed = type(found)(found.path, found.fingerprint._replace(size=7), "cafe\u0301/a")
    table.upload(changed, NOW + 5)
    table.do(rows.fail, found.path, "code", "reason", NOW + 6)

    (job,) = table.manifest.jobs(State.UPLOAD, NOW + 6, 99)

    assert (job.path, job.local, job.size, job.digest) == (found.path, "cafe\u0301/a", 7, digest_of("four"))
    assert (job.attempts, job.since, bool(job.is_approved)) == (1, NOW + 5, False)


def test_jobs_come_in_portions_and_those_who_waited_first(table: Table) -> None:
    """What is due for the first time goes before what failed, and what waited longer before what came later."""
    for age, path in enumerate(["c", "a", "b", "d/a"]):
        table.upload(file(path), NOW + age)
    table.do(rows.fail, "c", "code", "reason", NOW + 9)

    jobs = table.manifest.jobs(State.UPLOAD, NOW + 9, 3)

    assert [job.path for job in jobs] == ["a", "b", "d/a"]
    assert [job.path for job in table.manifest.jobs(State.UPLOAD, NOW + 9, 99)] == ["a", "b", "d/a", "c"]


def test_the_next_attempt(table: Table) -> None:
    """The earliest of those that wait: uploads and deletes, and not what is parked or held."""
    for path, due_at in {"later": 30.0, "sooner": 20.0, "parked": None, "due": 0.0}.items():
        table.upload(file(path))
        table.do(rows.fail, path, "code", "reason", None if due_at is None else NOW + due_at)
    gone(table, "gone", "held")
    table.do(rows.fail, "gone", "delete", "refused", NOW + 10)
    table.do(rows.fail, "held", "delete", "refused", NOW + 5)
    table.connection.execute("UPDATE file SET state = 3 WHERE name = 'held'")

    assert table.manifest.next_due_at(NOW) == NOW + 10
    assert table.manifest.next_due_at(NOW + 10) == NOW + 20
    assert table.manifest.next_due_at(NOW + 30) is None


def test_the_deletes_that_are_due(table: Table) -> None:
    """How many that nobody approved, how many that somebody did, and since when they wait."""
    gone(table, "held")
    table.do(rows.hold, "too many", NOW)
    table.do(rows.approve)
    gone(table, "a", now=NOW + 1)
    gone(table, "b", "waits", "parked", now=NOW + 9)
    table.do(rows.fail, "waits", "delete", "refused", NOW + 60)
    table.do(rows.fail, "parked", "delete", "refused", None)

    assert table.manifest.delete_window(NOW + 10) == (2, 1, NOW, NOW + 9)


def test_no_deletes_are_due(table: Table) -> None:
    """Then there are none, since no time."""
    table.prove(file("a"))

    assert table.manifest.delete_window(NOW) == (0, 0, 0, 0)


def test_the_oldest_upload(table: Table) -> None:
    """Of those that are due now: what waits for another attempt or a person holds nothing up."""
    assert table.manifest.oldest_upload(NOW) is None
    for age, path in enumerate(["parked", "waits", "due", "young"]):
        table.upload(file(path), NOW + age)
    table.do(rows.fail, "parked", "code", "reason", None)
    table.do(rows.fail, "waits", "code", "reason", NOW + 60)

    assert table.manifest.oldest_upload(NOW + 10) == NOW + 2
    assert table.manifest.oldest_upload(NOW + 60) == NOW + 1


def test_an_upload_of_the_same_size(table: Table) -> None:
    """It may be the same bytes under a new name, and holds the delete of the old one back, also while it waits."""
    table.upload(file("a", "12345"))
    table.upload(file("parked", "123"))
    table.do(rows.fail, "a", "code", "reason", NOW + 60)
    table.do(rows.fail, "parked", "code", "reason", None)
    table.prove(file("proved", "1234567"))

    assert table.manifest.upload_sizes([3, 5, 7, 5]) == {5}


def test_files_are_those_on_the_disk(table: Table) -> None:
    """Proved or to be sent; not what is gone from it."""
    table.prove(file("a"))
    table.upload(file("b"))
    gone(table, "gone", "held")
    table.connection.execute("UPDATE file SET state = 3 WHERE name = 'held'")

    assert table.manifest.files() == 2


@pytest.mark.parametrize(
    ("state", "expected"),
    [(State.PROVED, True), (State.KEPT, True), (State.UPLOAD, False), (State.DELETE, False), (State.HELD, False)],
)
@pytest.mark.parametrize("parked", [0, 1])
def test_when_both_sides_are_equal(table: Table, state: State, parked: int, *, expected: bool) -> None:
    """No row wants anything, be it parked or held."""
    table.prove(file("a"))
    table.connection.execute("UPDATE file SET state = ?, parked = ?", (state, parked))

    assert table.manifest.is_equal() is expected


def test_another_mirrors_work_is_its_own(table: Table) -> None:
    """Neither its rows nor its problems count here."""
    problem = Plan(problems=[Problem("a", "permission denied")])
    table.send(file("a"), mirror=2)
    table.do_for(2, rows.note_problems, [""], problem, NOW)

    assert table.manifest.is_equal()
    assert not table.manifest.has_problems()
    assert table.manifest.jobs(State.UPLOAD, NOW, 9) == []
    assert not table.manifest.upload_sizes([3])
    assert (table.manifest.oldest_upload(NOW), table.manifest.files()) == (None, 0)


def test_a_mirror_that_never_ran(table: Table) -> None:
    """Nothing is known of it."""
    row = table.manifest.mirror()

    assert (row.rules, row.hold, row.hold_since, row.last_scan_at, row.last_equal_at) == ("", "", None, None, None)


def test_questions_about_work_do_not_read_the_whole_tree(table: Table) -> None:
    """A million files that are proved do not slow down the few that are not: each question goes by an index of work."""
    plans: list[str] = []

    def on_statement(statement: str) -> None:
        if statement.startswith("SELECT") and " file " in statement:
            plans.append(statement)

    table.connection.set_trace_callback(on_statement)
    table.manifest.jobs(State.UPLOAD, NOW, 9)
    table.manifest.next_due_at(NOW)
    table.manifest.delete_window(NOW)
    table.manifest.oldest_upload(NOW)
    table.manifest.upload_sizes([7])
    table.manifest.is_equal()
    table.connection.set_trace_callback(None)

    ways = [[step[3] for step in table.connection.execute(f"EXPLAIN QUERY PLAN {plan}")] for plan in plans]

    steps = [step for way in ways for step in way if "file" in step]
    assert len(plans) == len(steps) == 6
    assert all("INDEX work (mirror=? AND state=?" in step or "INDEX sizes (" in step for step in steps), steps
