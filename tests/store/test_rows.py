"""The life of an upload and of a delete in the rows: what each step writes, and what it leaves alone."""

from __future__ import annotations

import sqlite3

import pytest

from tcbsync.core.model import Delete, Keep, Plan, State, Upload
from tcbsync.core.plan import decide
from tcbsync.store import rows
from tests.store.table import NOW, Table, digest_of, file, file_id

LATER = NOW + 60
FRESH = {"attempts": 0, "due_at": 0, "parked": 0, "approved": 0, "code": "", "reason": ""}


def fingerprint(row: dict[str, object]) -> tuple[object, ...]:
    """Return the columns that say which state of the file a row speaks about."""
    return tuple(row[part] for part in ("size", "mtime_ns", "ctime_ns", "inode"))


def known(table: Table, path: str) -> dict[str, object]:
    """Return a row that has to be there."""
    row = table.row(path)
    assert row is not None
    return row


def forget(path: str, *, was_sent: bool) -> Plan:
    """Return a plan that wants a path gone."""
    return Plan(deletes=[Delete(path, was_sent=was_sent)])


def test_a_new_file_is_wanted(table: Table) -> None:
    """Nothing is known of the cloud: no id, no digest."""
    table.upload(file("d/a.png"))

    row = known(table, "d/a.png")
    assert row | FRESH == row
    assert (row["directory"], row["name"], row["local"]) == ("d", "a.png", None)
    assert (row["state"], row["since"], row["digest"], row["file_id"]) == (State.UPLOAD, NOW, None, None)
    assert fingerprint(row) == file("d/a.png").fingerprint


def test_a_file_in_the_root(table: Table) -> None:
    """Its directory is the empty string."""
    table.upload(file("a.png"))

    assert (known(table, "a.png")["directory"], known(table, "a.png")["name"]) == ("", "a.png")


def test_the_disks_own_spelling_is_kept(table: Table) -> None:
    """Where it differs from the path; and it goes when the name on disk does not differ any more."""
    found = file("caf\u00e9")

    table.upload(type(found)(found.path, found.fingerprint, "cafe\u0301"))
    decomposed = known(table, "caf\u00e9")["local"]
    table.upload(found)

    assert (decomposed, known(table, "caf\u00e9")["local"]) == ("cafe\u0301", None)


def test_a_changed_file_is_wanted_and_what_the_cloud_holds_is_still_known(table: Table) -> None:
    """Until a byte leaves, the cloud surely holds the old ones."""
    table.prove(file("a", "one"))

    table.upload(file("a", "two", moment=2), LATER)

    row = known(table, "a")
    assert (row["state"], row["since"], row["digest"]) == (State.UPLOAD, LATER, digest_of("one"))
    assert row["file_id"] == file_id("a")
    assert fingerprint(row) == file("a", "two", moment=2).fingerprint


def test_an_upload_that_waits_keeps_its_place(table: Table) -> None:
    """A file that changes again and again is waited for since it changed first."""
    table.upload(file("a"))

    table.upload(file("a", moment=2), LATER)

    assert known(table, "a")["since"] == NOW


def test_a_changed_file_is_tried_anew(table: Table) -> None:
    """What went wrong with the old content says nothing about the new."""
    table.upload(file("a"))
    table.do(rows.fail, "a", "EntityTooLarge", "too large", None)

    table.upload(file("a", moment=2), LATER)

    row = known(table, "a")
    assert row | FRESH == row


def test_a_touch_changes_only_the_fingerprint(table: Table) -> None:
    """The cloud holds these bytes, and goes on holding them."""
    table.prove(file("a"))

    table.touch(file("a", moment=2), LATER)

    row = known(table, "a")
    assert (row["state"], row["digest"], row["file_id"]) == (State.PROVED, digest_of("one"), file_id("a"))
    assert fingerprint(row) == file("a", moment=2).fingerprint


def test_a_touch_takes_a_delete_back(table: Table) -> None:
    """The file is there again, as it was."""
    table.prove(file("a"))
    table.do(rows.expect, forget("a", was_sent=True), NOW)
    table.do(rows.fail, "a", "delete", "refused", None)

    table.touch(file("a"), LATER)

    row = known(table, "a")
    assert row | FRESH == row
    assert row["state"] == State.PROVED


def test_a_touch_that_comes_after_the_delete_is_an_upload(table: Table) -> None:
    """Between plan and row the object went: nothing may claim that it is there."""
    table.touch(file("a"))

    row = known(table, "a")
    assert (row["state"], row["digest"], row["file_id"]) == (State.UPLOAD, None, None)


def test_a_touch_that_comes_after_doubt_is_an_upload(table: Table) -> None:
    """Between plan and row the delete left, and whether it arrived is not known."""
    table.prove(file("a"))
    table.do(rows.expect, forget("a", was_sent=True), NOW)
    table.do(rows.deleting, ["a"])

    table.touch(file("a"), LATER)

    row = known(table, "a")
    assert (row["state"], row["digest"], row["file_id"]) == (State.UPLOAD, None, file_id("a"))


def test_what_was_never_sent_is_forgotten(table: Table) -> None:
    """No object can be there."""
    table.upload(file("a"))

    table.do(rows.expect, forget("a", was_sent=False), LATER)

    assert table.row("a") is None


def test_what_was_sent_meanwhile_is_not_forgotten(table: Table) -> None:
    """The plan is older than the first byte: the row stays, since there may be an object."""
    table.upload(file("a"))
    table.send(file("a"))

    table.do(rows.expect, forget("a", was_sent=False), LATER)

    assert known(table, "a")["file_id"] == file_id("a")


def test_a_file_that_is_gone_is_to_be_deleted(table: Table) -> None:
    """The object is still surely there, and the fingerprint still that of its bytes."""
    table.prove(file("a"))

    table.do(rows.expect, forget("a", was_sent=True), LATER)

    row = known(table, "a")
    assert (row["state"], row["since"], row["digest"]) == (State.DELETE, LATER, digest_of("one"))
    assert fingerprint(row) == file("a").fingerprint


def test_a_file_that_is_gone_is_kept(table: Table) -> None:
    """By a mirror that never deletes."""
    table.prove(file("a"))

    table.do(rows.expect, Plan(keeps=[Keep("a")]), LATER)

    row = known(table, "a")
    assert (row["state"], row["since"], row["digest"]) == (State.KEPT, LATER, digest_of("one"))


@pytest.mark.parametrize("gone", [forget("a", was_sent=True), Plan(keeps=[Keep("a")])], ids=["deleted", "kept"])
def test_a_change_that_was_never_sent_leaves_no_fingerprint(table: Table, gone: Plan) -> None:
    """Changed, moved away before it was sent, moved back as it was: the cloud still holds what was before."""
    table.prove(file("a", "one"))
    changed = file("a", None, moment=2)
    table.upload(changed)
    table.do(rows.expect, gone, LATER)

    decision = decide(changed, table.manifest.record("a"))

    assert known(table, "a")["digest"] == digest_of("one")
    assert decision == Upload(changed, replaces=True)


def test_before_the_first_byte_leaves(table: Table) -> None:
    """The id is known, the digest is not sure any more, and the wait goes on."""
    table.prove(file("a", "one"))
    table.upload(file("a", "two", moment=2), LATER)
    table.do(rows.fail, "a", "HTTP 502", "bad gateway", LATER)

    table.do(rows.sending, file("a", "two", moment=3), "cloud://env.other/a", LATER + 1)

    row = known(table, "a")
    assert (row["state"], row["digest"], row["file_id"]) == (State.UPLOAD, None, "cloud://env.other/a")
    assert (row["since"], row["attempts"], row["code"]) == (LATER, 1, "HTTP 502")
    assert fingerprint(row) == file("a", "two", moment=3).fingerprint


def test_bytes_may_leave_for_a_row_that_is_gone(table: Table) -> None:
    """The file came back just as its row was forgotten: the object is not without a row for a moment."""
    table.send(file("a"))

    row = known(table, "a")
    assert row | FRESH == row
    assert (row["state"], row["since"], row["file_id"], row["digest"]) == (State.UPLOAD, NOW, file_id("a"), None)


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

    assert (known(table, "a")["parked"], table.manifest.jobs(State.UPLOAD, LATER, 9)) == (1, [])


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


def test_a_confirmed_delete_forgets(table: Table) -> None:
    """Those rows only that still want it."""
    for path in ("gone", "back"):
        table.prove(file(path))
    table.do(rows.expect, forget("gone", was_sent=True), NOW)

    table.do(rows.remove, ["gone", "back", "unknown"])

    assert (table.row("gone"), known(table, "back")["state"]) == (None, State.PROVED)


def test_distrust_sends_again(table: Table) -> None:
    """What was seen to be missing is not sure any more; what is not proved is no news."""
    table.prove(file("a"))
    table.prove(file("b"))
    table.do(rows.expect, forget("b", was_sent=True), NOW)

    count = table.do(rows.distrust, ["a", "b", "unknown"])

    assert count == 1
    assert (known(table, "a")["state"], known(table, "a")["digest"]) == (State.UPLOAD, None)
    assert (known(table, "a")["file_id"], known(table, "b")["digest"]) == (file_id("a"), digest_of("one"))


def test_commands_are_for_one_mirror(table: Table) -> None:
    """The same path in another mirror is another file."""
    for mirror in (1, 2):
        table.do_for(mirror, lambda connection, mirror: rows.sending(connection, mirror, file("a"), "id", NOW))
        table.do_for(mirror, lambda connection, mirror: rows.prove(connection, mirror, file("a"), NOW))
    before = table.connection.execute("SELECT * FROM file WHERE mirror = 2").fetchall()

    table.upload(file("a", moment=2))
    table.do(rows.fail, "a", "code", "reason", None)
    table.do(rows.expect, forget("a", was_sent=True), NOW)
    table.do(rows.hold, "too many", NOW)
    table.do(rows.approve)
    table.do(rows.retry)
    table.do(rows.deleting, ["a"])
    table.do(rows.remove, ["a"])

    assert table.row("a") is None
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
