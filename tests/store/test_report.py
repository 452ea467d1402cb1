"""What a person asks: counts, failures, held deletes, problems, what is proved, what is left over."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import Delete, Keep, Plan, Problem, State, Upload
from tcbsync.store import rows
from tcbsync.store.answers import Counts, Held, Leftover, Proved, Stored
from tcbsync.store.database import open_database
from tcbsync.store.reader import open_reader
from tcbsync.store.report import Report, find_mirror, leftovers
from tcbsync.store.restore import register
from tests.store.table import NOW, Table, digest_of, file, file_id

if TYPE_CHECKING:
    from pathlib import Path


def gone(table: Table, *paths: str) -> None:
    """Prove files, and want them gone."""
    for path in paths:
        table.prove(file(path))
    table.do(rows.expect, Plan(deletes=[Delete(path, was_sent=True) for path in paths]), NOW)


def numbers(counts: Counts) -> Counts:
    """Leave sizes and times out."""
    return replace(counts, bytes=0, pending_bytes=0, oldest_pending=None)


@pytest.fixture
def busy(table: Table) -> Table:
    """Return rows of every kind: each count is another."""
    for number in range(9):
        table.prove(file(f"proved/{number}"))
    for number in range(6):
        table.upload(file(f"upload/{number}"))
    gone(table, *(f"held/{number}" for number in range(4)))
    table.do(rows.hold, "4 objects would be deleted", NOW)
    gone(table, *(f"gone/{number}" for number in range(3)))
    table.prove(file("kept"))
    table.do(rows.expect, Plan(keeps=[Keep("kept")]), NOW)
    return table


def test_counts(busy: Table) -> None:
    """Each kind of row is counted once."""
    assert numbers(busy.report.counts()) == Counts(
        files=9, pending_uploads=6, pending_deletes=3, failed=0, held_deletes=4, kept=1
    )


def test_failures_are_counted_beside(busy: Table) -> None:
    """What waits for another attempt is still pending; what is parked is not."""
    busy.do(rows.fail, "upload/0", "HTTP 502", "bad gateway", NOW + 60)
    busy.do(rows.fail, "upload/1", "-501007", "parameter error", None)
    busy.do(rows.fail, "gone/0", "delete", "refused", NOW + 60)
    busy.do(rows.fail, "gone/1", "delete", "refused", None)

    assert numbers(busy.report.counts()) == Counts(
        files=9, pending_uploads=5, pending_deletes=2, failed=4, held_deletes=4, kept=1, parked=2
    )


def test_sizes(table: Table) -> None:
    """The bytes that the cloud holds, and those that are to be sent; what is parked is neither."""
    table.prove(file("a", "four"))
    table.upload(file("b", "three"))
    table.upload(file("c", "parked"))
    table.do(rows.fail, "c", "-501007", "parameter error", None)

    counts = table.report.counts()

    assert (counts.bytes, counts.pending_bytes) == (4, 5)


def test_the_oldest_of_what_waits(table: Table) -> None:
    """Since when it waits. What waits for a person, parked or held, is none of it."""
    gone(table, "held")
    table.do(rows.hold, "1 object would be deleted", NOW)
    for moment, name in enumerate(("parked", "b", "c")):
        table.upload(file(name), NOW + moment)
    table.do(rows.fail, "parked", "-501007", "parameter error", None)

    assert table.report.counts().oldest_pending == NOW + 1


def test_what_was_counted_is_counted_anew_after_a_commit(busy: Table) -> None:
    """And until then it is not: counting reads every row."""
    before = busy.report.counts()
    again = busy.report.counts()
    busy.prove(file("more"))

    after = busy.report.counts()

    assert again is before
    assert after.files == before.files + 1


def test_lists_may_be_short(busy: Table) -> None:
    """The first of them, in the same order."""
    for number in range(6):
        busy.do(rows.fail, f"upload/{number}", "HTTP 502", "bad gateway", NOW + 60)

    assert busy.report.failures(2) == busy.report.failures()[:2]
    assert busy.report.held(3) == busy.report.held()[:3]


def test_what_is_stored(busy: Table) -> None:
    """Only of a file that is proved now: where the disk has it, its size, and the MD5 that the cloud holds."""
    assert busy.report.stored("proved/0") == Stored("proved/0", 3, digest_of("one"))
    assert [busy.report.stored(path) for path in ("kept", "held/0", "upload/0", "missing", "a\udcff")] == [None] * 5


def test_counts_are_those_of_the_last_commit(tmp_path: Path) -> None:
    """Whoever has written, and however often they were asked for before."""
    with contextlib.closing(open_database(tmp_path / "manifest.db")) as writer:
        register(writer, "site", "env", "")
        report = Report(open_reader(tmp_path / "manifest.db"), 1)
        seen = [report.counts().pending_uploads, report.counts().pending_uploads]
        for number in range(2):
            rows.expect(writer, 1, Plan(uploads=[Upload(file(f"{number}"), replaces=False)]), NOW)
            seen += [report.counts().pending_uploads, report.counts().pending_uploads]

    assert seen == [0, 0, 1, 1, 2, 2]


def test_no_rows(table: Table) -> None:
    """Nothing is counted."""
    assert table.report.counts() == Counts()


def test_failures(busy: Table) -> None:
    """With what was said, how often, and when it is tried again: never where it is parked."""
    busy.do(rows.fail, "upload/1", "HTTP 502", "bad gateway", NOW + 60)
    busy.do(rows.fail, "upload/0", "HTTP 502", "bad gateway", NOW + 60)
    busy.do(rows.fail, "upload/0", "-501007", "parameter error", None)

    assert busy.report.failures() == [
        ("upload/0", "-501007", "parameter error", 2, None, NOW),
        ("upload/1", "HTTP 502", "bad gateway", 1, NOW + 60, NOW),
    ]


def test_what_succeeded_is_no_failure_any_more(table: Table) -> None:
    """Neither listed nor counted."""
    table.upload(file("a"))
    table.do(rows.fail, "a", "HTTP 502", "bad gateway", NOW + 60)

    table.prove(file("a"))

    assert (table.report.failures(), table.report.counts().failed) == ([], 0)


def test_held(busy: Table) -> None:
    """In the order of their paths, with the id and since when they are gone."""
    held = busy.report.held()

    assert held[0] == Held("held/0", file_id("held/0"), NOW)
    assert [each.path for each in held] == [f"held/{number}" for number in range(4)]
    assert busy.report.hold() == "4 objects would be deleted"


def test_proved_in_pages(busy: Table) -> None:
    """From the one after on: by directory, then by name; each file once."""
    busy.prove(file("a"))
    busy.prove(file("z"))
    pages, after = [], ""

    while page := busy.report.proved(after, limit=4):
        pages.append([each.path for each in page])
        after = page[-1].path

    assert pages == [
        ["a", "z", "proved/0", "proved/1"],
        ["proved/2", "proved/3", "proved/4", "proved/5"],
        ["proved/6", "proved/7", "proved/8"],
    ]
    assert busy.report.proved("proved/7") == [Proved("proved/8", file_id("proved/8"), 3, digest_of("one"))]


@pytest.mark.parametrize(
    ("path", "is_known"),
    [("proved/0", True), ("kept", True), ("held/0", True), ("upload/0", False), ("missing", False), ("a\udcff", False)],
)
def test_the_id_of_a_path(busy: Table, path: str, *, is_known: bool) -> None:
    """Where the cloud surely holds it."""
    assert busy.report.file_id(path) == (file_id(path) if is_known else None)


def test_a_file_that_is_being_replaced_has_no_sure_id(table: Table) -> None:
    """Between the first byte and the proof, nobody knows which bytes are there."""
    table.prove(file("a"))
    table.upload(file("a", "two", moment=2))
    before = table.report.file_id("a")

    table.send(file("a", "two", moment=2))

    assert (before, table.report.file_id("a")) == (file_id("a"), None)


def test_a_mirror_is_found_by_all_three(table: Table) -> None:
    """Name, env and prefix."""
    table.connection.execute("INSERT INTO mirror (id, name, env, prefix) VALUES (7, 'site', 'env', 'p/')")

    assert find_mirror(table.reader, "site", "env", "p/") == 7
    assert find_mirror(table.reader, "site", "env", "") is None


def test_leftovers(table: Table) -> None:
    """Mirrors that nobody names any more, if they have objects: those that may be there count as well."""
    table.prove(file("a"))
    table.send(file("b"))
    table.upload(file("never sent"))
    table.do_for(2, rows.expect, Plan(), NOW)

    assert leftovers(table.reader, known=set()) == [Leftover("1", "e", "", 2)]
    assert leftovers(table.reader, known={("1", "e", "")}) == []
    assert leftovers(table.reader, known={("1", "e", "p/")}) == [Leftover("1", "e", "", 2)]


def test_a_report_is_of_one_mirror(busy: Table) -> None:
    """The other one has nothing to tell of this."""
    other = Report(busy.reader, 2)
    busy.do(rows.fail, "upload/0", "HTTP 502", "bad gateway", NOW)
    busy.do(rows.note_problems, [""], Plan(problems=[Problem("d", "permission denied")]), NOW)

    assert len(busy.report.failures()) == busy.report.blocking_problems() == len(busy.report.problems()) == 1
    assert other.counts() == Counts()
    assert (other.failures(), other.held(), other.problems(), other.proved()) == ([], [], [], [])
    assert (other.hold(), other.times(), other.blocking_problems()) == ("", (None, None), 0)


def test_states_are_what_sql_calls_them() -> None:
    """The numbers stand in the schema, in indexes and in files that people have."""
    assert {state.name: int(state) for state in State} == {"PROVED": 0, "UPLOAD": 1, "DELETE": 2, "HELD": 3, "KEPT": 4}
