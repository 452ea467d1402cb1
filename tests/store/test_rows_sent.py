"""What each step of sending and deleting writes down, before it is done and after, and what no row can ever say."""

from __future__ import annotations

import dataclasses
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import Keep, Plan, State, Upload
from tcbsync.core.plan import decide
from tcbsync.store import rows
from tests.store.table import FRESH, LATER, NOW, Table, digest_of, file, file_id, fingerprint, forget, known

if TYPE_CHECKING:
    from collections.abc import Callable


def test_before_the_first_byte_leaves(table: Table) -> None:
    """The id is known, the digest is not sure any more, and the wait goes on."""
    table.prove(file("a", "one"))
    table.upload(file("a", "two", moment=2), LATER)
    table.do(rows.fail, "a", "HTTP 502", "bad gateway", LATER)

    table.do(rows.sending, file("a", "two", moment=3), "cloud://env.other/a")

    row = known(table, "a")
    assert (row["state"], row["digest"], row["file_id"]) == (State.UPLOAD, None, "cloud://env.other/a")
    assert (row["since"], row["attempts"], row["code"]) == (LATER, 1, "HTTP 502")
    assert fingerprint(row) == file("a", "two", moment=3).fingerprint
    assert row["local"] is None


@pytest.mark.parametrize(
    "decide_otherwise",
    [
        pytest.param(lambda table: table.do(rows.expect, forget("a", was_sent=True), LATER), id="to be deleted"),
        pytest.param(lambda table: table.do(rows.expect, Plan(keeps=[Keep("a")]), LATER), id="kept"),
        pytest.param(lambda table: table.connection.execute("DELETE FROM file"), id="forgotten"),
    ],
)
def test_nothing_leaves_that_is_not_wanted_any_more(table: Table, decide_otherwise: Callable[[Table], None]) -> None:
    """A look decided so just before the upload took the path: neither the first byte nor a proof overrules it."""
    table.prove(file("a"))
    table.upload(file("a", "two", moment=2))
    decide_otherwise(table)
    before = table.row("a")

    is_sent = table.do(rows.sending, file("a", "two", moment=2), file_id("a"))
    is_proved = table.do(rows.prove, file("a", "two", moment=2), LATER)

    assert (is_sent, is_proved) == (False, False)
    assert table.row("a") == before


def test_proof_ends_it(table: Table) -> None:
    """The cloud's own answer: these bytes, for this fingerprint; failures are forgotten."""
    table.upload(file("a"))
    table.send(file("a"))
    table.do(rows.fail, "a", "HTTP 502", "bad gateway", LATER)

    table.do(rows.prove, file("a", "two", moment=2), LATER)

    row = known(table, "a")
    assert row | FRESH == row
    assert (row["state"], row["since"], row["digest"]) == (State.PROVED, LATER, digest_of("two"))
    assert fingerprint(row) == file("a", "two", moment=2).fingerprint


def test_a_failed_attempt_is_tried_again_later(table: Table) -> None:
    """It is counted, with what was said; what the cloud holds is as sure as before."""
    table.prove(file("a"))
    table.upload(file("a", "two", moment=2))

    table.do(rows.fail, "a", "-501001", "system error", LATER)
    table.do(rows.fail, "a", "HTTP 502", "bad gateway", LATER + 60)

    row = known(table, "a")
    assert (row["attempts"], row["due_at"], row["parked"]) == (2, LATER + 60, 0)
    assert (row["code"], row["reason"], row["digest"]) == ("HTTP 502", "bad gateway", digest_of("one"))


def test_a_final_failure_parks(table: Table) -> None:
    """Nobody tries again until someone acts."""
    table.upload(file("a"))

    table.do(rows.fail, "a", "-501007", "parameter error", None)

    row = known(table, "a")
    assert (row["parked"], row["due_at"], table.manifest.jobs(State.UPLOAD, LATER, 9)) == (1, 0, [])


def test_a_file_that_was_not_found_is_another_when_it_is(table: Table) -> None:
    """Under another spelling of its name, say, and with the fingerprint that it had: it is to be sent from there."""
    found = file("a", None)
    table.upload(found)

    table.do(rows.vanished, "a")

    decision = decide(found, table.manifest.record("a"))
    assert (known(table, "a")["state"], decision) == (State.UPLOAD, Upload(found, replaces=False))


def test_what_nobody_wants_to_send_cannot_vanish(table: Table) -> None:
    """A row that is proved, or wants a delete, keeps its fingerprint."""
    table.prove(file("a"))

    table.do(rows.vanished, "a")

    assert fingerprint(known(table, "a")) == file("a").fingerprint


def test_before_a_delete_leaves(table: Table) -> None:
    """The digests are not sure any more; the ids are given of those rows only that still want it."""
    for path in ("gone", "d/gone", "back", "held"):
        table.prove(file(path))
    for path in ("gone", "d/gone", "held"):
        table.do(rows.expect, forget(path, was_sent=True), NOW)
    table.connection.execute("UPDATE file SET state = 3 WHERE name = 'held'")

    ready = table.do(rows.deleting, ["gone", "back", "held", "d/gone", "unknown"])

    assert ready == [("gone", file_id("gone")), ("d/gone", file_id("d/gone"))]
    assert {path: known(table, path)["digest"] for path in ("gone", "d/gone", "back", "held")} == {
        "gone": None,
        "d/gone": None,
        "back": digest_of("one"),
        "held": digest_of("one"),
    }


def test_a_delete_that_was_decided_anew_is_another(table: Table) -> None:
    """A path that came back, went up and went away again while its batch waited has a grace of its own."""
    for path in ("same", "anew"):
        table.prove(file(path))
        table.do(rows.expect, forget(path, was_sent=True), NOW)
    decided = {job.path: job.since for job in table.manifest.jobs(State.DELETE, NOW, 9)}
    table.prove(file("anew"))
    table.do(rows.expect, forget("anew", was_sent=True), NOW + 5)

    ready = table.do(rows.deleting, ["same", "anew"], decided)

    assert ready == [("same", file_id("same"))]


def test_a_confirmed_delete_forgets(table: Table) -> None:
    """Those rows only that still want it."""
    for path in ("gone", "back"):
        table.prove(file(path))
    table.do(rows.expect, forget("gone", was_sent=True), NOW)

    table.do(rows.remove, ["gone", "back", "unknown"], LATER)

    assert (table.row("gone"), known(table, "back")["state"]) == (None, State.PROVED)


def test_distrust_sends_again(table: Table) -> None:
    """What was seen to be missing is not sure any more; what is not proved is no news."""
    table.prove(file("a"))
    table.prove(file("b"))
    table.do(rows.fail, "a", "present", "it was there again", LATER)
    table.do(rows.expect, forget("b", was_sent=True), NOW)

    count = table.do(rows.distrust, ["a", "b", "unknown"])

    assert (count, known(table, "a")["due_at"]) == (1, 0)
    assert (known(table, "a")["state"], known(table, "a")["digest"]) == (State.UPLOAD, None)
    assert (known(table, "a")["file_id"], known(table, "b")["digest"]) == (file_id("a"), digest_of("one"))


def test_the_first_byte_leaves_from_where_the_file_is_now(table: Table) -> None:
    """Renamed to another spelling since it was looked at, the file is opened under that one from now on."""
    table.upload(file("caf\u00e9"))
    found = file("caf\u00e9", moment=2)

    table.send(type(found)(found.path, found.fingerprint, "cafe\u0301"))

    row = known(table, "caf\u00e9")
    assert row["local"] == "cafe\u0301"
    assert fingerprint(row) == found.fingerprint


def test_commands_are_for_one_mirror(table: Table) -> None:
    """The same paths in another mirror are other files, whatever state they are in."""
    for mirror, state in ((1, 0), *((2, state) for state in range(5))):
        path = "a" if state == 0 else f"d/{state}"
        table.send(file(path), mirror)
        table.do_for(mirror, rows.prove, file(path), NOW)
        table.connection.execute("UPDATE file SET state = ? WHERE mirror = 2 AND name = ?", (state, str(state)))
    table.connection.execute("UPDATE file SET attempts = 1, due_at = 9e9 WHERE mirror = 2 AND state = 1")
    before = table.connection.execute("SELECT * FROM file WHERE mirror = 2").fetchall()

    table.upload(file("a", moment=2))
    table.do(rows.fail, "a", "code", "reason", None)
    table.do(rows.expect, forget("a", was_sent=True), NOW)
    table.do(rows.hold, "too many", NOW)
    table.do(rows.approve)
    table.do(rows.retry)
    table.do(rows.deleting, ["a", "d/2"])
    table.do(rows.remove, ["a", "d/2"], LATER)

    assert table.row("a") is None
    assert len(before) == 5
    assert table.connection.execute("SELECT * FROM file WHERE mirror = 2").fetchall() == before


@pytest.mark.parametrize(
    ("state", "digest", "known_as"),
    [
        pytest.param(State.PROVED, None, "cloud://env/a", id="proved, and not sure of any bytes"),
        pytest.param(State.PROVED, None, None, id="proved, and never sent"),
        pytest.param(State.UPLOAD, bytes(16), None, id="sure of bytes that were never sent"),
        pytest.param(State.KEPT, bytes(16), None, id="kept, and never sent"),
    ],
)
def test_rows_that_cannot_be(table: Table, state: State, digest: bytes | None, known_as: str | None) -> None:
    """The database itself refuses a row that claims too much."""
    table.upload(file("a"))

    with pytest.raises(sqlite3.IntegrityError):
        table.connection.execute("UPDATE file SET state = ?, digest = ?, file_id = ?", (state, digest, known_as))


def test_the_largest_numbers(table: Table) -> None:
    """Inodes and times use all the bits that there are."""
    largest = 2**63 - 1
    found = file("a")
    huge = type(found)("a", found.fingerprint._replace(mtime_ns=largest, ctime_ns=largest, inode=largest), "a")

    table.upload(huge)

    assert fingerprint(known(table, "a")) == huge.fingerprint


def test_a_file_is_sent_from_where_the_disk_has_it(table: Table) -> None:
    """Under its path, unless the disk spells that otherwise."""
    table.upload(file("d/a"))
    table.upload(dataclasses.replace(file("d/caf\u00e9"), local="d/cafe\u0301"))

    jobs = table.manifest.jobs(State.UPLOAD, LATER, 9)

    assert {(job.path, job.local) for job in jobs} == {("d/a", "d/a"), ("d/caf\u00e9", "d/cafe\u0301")}
