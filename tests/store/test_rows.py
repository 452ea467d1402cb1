"""What a plan writes into the rows, and what it leaves alone: the cloud has not heard of it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import Keep, Plan, State, Upload
from tcbsync.core.plan import decide
from tcbsync.store import rows
from tests.store.table import FRESH, LATER, NOW, Table, digest_of, file, file_id, fingerprint, forget, known

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_a_file_that_changes_all_the_time_goes_on_waiting(table: Table) -> None:
    """That it changed once more is no news: attempts, time and reason stay. Once proved, or gone, it is tried anew."""
    table.upload(file("a"))
    table.do(rows.fail, "a", "changing", "it changed while it was read", LATER)
    failed = known(table, "a")

    table.upload(file("a", "longer", moment=2), NOW + 1)

    row = known(table, "a")
    kept = ("attempts", "due_at", "code", "reason", "since")
    assert {name: row[name] for name in kept} == {name: failed[name] for name in kept}
    assert fingerprint(row) == file("a", "longer", moment=2).fingerprint

    table.prove(file("a", "longer", moment=2))
    table.upload(file("a", moment=3), LATER)
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


DIRTY = "attempts = 3, due_at = 9e9, parked = 1, approved = 1, code = 'delete', reason = 'refused'"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(lambda table: table.upload(file("a", "two", moment=2)), id="to be sent"),
        pytest.param(lambda table: table.touch(file("a", moment=2)), id="touched"),
        pytest.param(lambda table: table.do(rows.expect, forget("a", was_sent=True), NOW), id="to be deleted"),
        pytest.param(lambda table: table.do(rows.expect, Plan(keeps=[Keep("a")]), NOW), id="kept"),
    ],
)
def test_a_change_of_mind_starts_anew(table: Table, command: Callable[[Table], None]) -> None:
    """What failed, waited, was parked or approved before has nothing to do with what is wanted now."""
    table.prove(file("a"))
    table.connection.execute(f"UPDATE file SET {DIRTY}")

    command(table)

    row = known(table, "a")
    assert row | FRESH == row


def test_an_upload_that_fails_late_does_not_postpone_a_delete(table: Table) -> None:
    """A look has found meanwhile that the file is gone: what wants to be done now was not tried yet."""
    table.prove(file("a"))
    table.do(rows.expect, forget("a", was_sent=True), LATER)

    table.do(rows.fail_upload, "a", "vanished", "a is gone", LATER + 60)

    row = known(table, "a")
    assert (row["state"], row["attempts"], row["due_at"], row["code"]) == (State.DELETE, 0, 0, "")


def test_an_upload_that_fails_is_noted(table: Table) -> None:
    """With its code, its reason and when it is tried again, as long as it is wanted."""
    table.upload(file("a"))

    table.do(rows.fail_upload, "a", "HTTP 502", "bad gateway", LATER)

    row = known(table, "a")
    assert (row["attempts"], row["due_at"], row["parked"], row["code"]) == (1, LATER, 0, "HTTP 502")
