"""A manifest that is damaged or missing is put together anew, from a copy and the ledgers since."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateDamaged
from tcbsync.core.model import State
from tcbsync.store import rows, shelf
from tests.store.caring import Place, Work, in_doubt, wanted
from tests.store.table import NOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OTHER = ("other", "env", "o/")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


def damaged(place: Place) -> None:
    """Overwrite some pages."""
    place.damage()


def cut_short(place: Place) -> None:
    """Leave a part."""
    place.database.write_bytes(place.database.read_bytes()[:5000])


def no_database(place: Place) -> None:
    """Put something else in its place."""
    place.database.write_bytes(b"no database" * 1000)


def emptied(place: Place) -> None:
    """Leave no byte."""
    place.database.write_bytes(b"")


def removed(place: Place) -> None:
    """Leave no file."""
    place.database.unlink()


def made_anew(place: Place) -> None:
    """Put an empty database in its place."""
    place.database.unlink()
    connection = sqlite3.connect(place.database)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA user_version = 0; CREATE TABLE t (x); DROP TABLE t;")
    connection.close()


def another_version(version: int) -> Callable[[Place], None]:
    """Change the number in the header that says which schema it has."""

    def change(place: Place) -> None:
        content = bytearray(place.database.read_bytes())
        content[60:64] = version.to_bytes(4, "big")
        place.database.write_bytes(content)

    return change


def other_letters(place: Place) -> None:
    """Change a letter of a name: to SQLite, that is a row as good as the other."""
    connection = sqlite3.connect(place.database)
    connection.execute("UPDATE file SET name = 'olf' WHERE name = 'old'")
    connection.commit()
    connection.close()


def no_text(place: Place) -> None:
    """Change a name into what is no UTF-8."""
    connection = sqlite3.connect(place.database)
    connection.execute("UPDATE file SET name = CAST(x'6fff64' AS TEXT) WHERE name = 'old'")
    connection.commit()
    connection.close()


def another_mirror(place: Place) -> None:
    """Change a letter of the mirror's name."""
    connection = sqlite3.connect(place.database)
    connection.execute("UPDATE mirror SET name = 'sitf'")
    connection.commit()
    connection.close()


def no_index(place: Place) -> None:
    """Take entries out of an index: work would be forgotten."""
    connection = sqlite3.connect(place.database)
    connection.execute("UPDATE file SET state = 1 WHERE name = 'old'")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("DELETE FROM sqlite_master WHERE name = 'work'")
    connection.commit()
    connection.close()


HARM = [
    damaged,
    cut_short,
    no_database,
    emptied,
    removed,
    made_anew,
    another_version(0),
    another_version(1),
    another_version(77),
    other_letters,
    no_text,
    another_mirror,
    no_index,
]


@pytest.mark.parametrize("harm", HARM)
async def test_whatever_happened_to_it_no_object_is_forgotten(place: Place, harm: Callable[[Place], None]) -> None:
    """What the copy knows is as it was; what was sent, changed or deleted since is in doubt; and it is said so."""
    await place.with_copy()
    harm(place)

    async with place.work() as work:
        old = work.row("old")
        doubtful = {path: work.row(path) for path in ("d/new", "changed", "gone")}
        words, gap = work.told()

    assert old is not None
    assert (old.state, old.inode) == (State.PROVED, 7)
    assert all(map(in_doubt, doubtful.values()))
    assert words.startswith("restored from the copy of 20")
    assert words.endswith("Z; 3 paths in doubt")
    assert gap == 0


async def test_what_was_there_is_moved_aside(place: Place) -> None:
    """Never deleted: a person may learn something from it. What SQLite keeps beside it goes with it."""
    await place.with_copy()
    no_database(place)
    before = place.database.read_bytes()
    place.database.with_name("manifest.db-wal").write_bytes(b"a log")

    async with place.work():
        pass

    wal, aside = sorted(place.aside(), key=lambda path: path.name.endswith("Z"))
    assert aside.read_bytes() == before
    assert wal.name == f"{aside.name}-wal"
    assert wal.read_bytes() == b"a log"


async def test_a_copy_that_is_damaged_too_is_passed_over(place: Place) -> None:
    """An older one and more of the ledgers say the same."""
    async with place.work() as work:
        await work.prove("first")
        await work.copy()
        await work.prove("second")
        await work.copy()
        await work.prove("third")
    newest, oldest = shelf.copies(place.folder)
    newest.path.write_bytes(newest.path.read_bytes()[:6000])
    place.damage()

    async with place.work() as work:
        rows_now = {path: work.row(path) for path in ("first", "second", "third")}
        words, gap = work.told()

    first = rows_now["first"]
    assert first is not None
    assert first.state == State.PROVED
    assert in_doubt(rows_now["second"])
    assert in_doubt(rows_now["third"])
    assert shelf.spoken(oldest.made_at) in words
    assert gap == 0


async def test_without_any_copy_the_ledger_is_enough(place: Place) -> None:
    """It names all that was ever sent, as long as there was no copy."""
    async with place.work() as work:
        await work.prove("a", "b")
    place.damage()

    async with place.work() as work:
        found = [work.row(path) for path in ("a", "b")]
        told = work.told()

    assert all(map(in_doubt, found))
    assert told == ("rebuilt from the ledger alone; 2 paths in doubt", 0)


def spoiled(copy: shelf.Copy) -> None:
    """Damage a copy."""
    copy.path.write_bytes(copy.path.read_bytes()[:6000])


async def test_where_nothing_is_left_it_refuses(place: Place) -> None:
    """The only copy is damaged too, and the ledger behind it is empty: an empty manifest would forget every object."""
    async with place.work() as work:
        await work.prove("a", "b", "c")
        await work.copy()
    spoiled(*shelf.copies(place.folder))
    place.damage()
    before = place.database.read_bytes()

    for _ in range(2):
        with pytest.raises(StateDamaged, match=r"nothing in .* is left") as refusal:
            async with place.work():
                pass

        assert "do not delete it" in refusal.value.hint
    assert place.database.read_bytes() == before
    assert not place.aside()


@pytest.mark.parametrize("has_copy", [False, True])
async def test_a_gap_holds_for_a_mirror_of_which_nothing_is_left(place: Place, *, has_copy: bool) -> None:
    """It is registered as if it were new: its deletes are held too, and it says so."""
    async with place.work() as work:
        await work.prove("a")
        await work.copy()
        if not has_copy:
            spoiled(*shelf.copies(place.folder))
        other = Work(work.store, await work.store.manifest(*OTHER))
        await other.prove("lost")
        await work.prove("b")
    ledger = shelf.ledgers(place.folder)[-1].path
    ledger.write_text("".join(line for line in ledger.read_text().splitlines(keepends=True) if "lost" not in line))
    place.damage()

    async with place.work() as work:
        (_, gap), (words, other_gap) = work.told(), Work(work.store, await work.store.manifest(*OTHER)).told()

    assert (gap, other_gap) == (1, 1)
    assert words.endswith("rows of its own; `tcbsync verify --repair`, then `tcbsync approve other`")


async def test_a_mirror_that_is_new_beside_whole_ones_has_no_gap(place: Place) -> None:
    """Nothing was lost: nothing is said of it."""
    await place.with_copy()
    place.damage()

    async with place.work() as work:
        told = Work(work.store, await work.store.manifest(*OTHER)).told()

    assert told == ("", 0)


async def test_a_gap_stays_when_the_manifest_is_restored_once_more(place: Place) -> None:
    """From a copy that has the gap, and whole ledgers: no person has seen it yet."""
    await place.with_copy()
    for ledger in shelf.ledgers(place.folder):
        ledger.path.unlink()
    place.damage()
    async with place.work() as work:
        await work.copy()
        await work.prove("new")
    place.damage()

    async with place.work() as work:
        words, gap = work.told()

    assert gap == 1
    assert "deletes are held" in words


async def test_a_ledger_that_is_missing_is_noticed(place: Place) -> None:
    """What was sent in that time is not known: every delete needs a person's word, and it is said what to do."""
    async with place.work() as work:
        await work.prove("first")
        await work.copy()
        await work.prove("lost")
        await work.copy()
        await work.prove("last")
    shelf.copies(place.folder)[0].path.unlink()
    shelf.ledgers(place.folder)[0].path.unlink()
    place.damage()

    async with place.work() as work:
        lost, last = work.row("lost"), work.row("last")
        words, gap = work.told()

    assert lost is None
    assert in_doubt(last)
    assert gap == 1
    assert "deletes are held. `tcbsync verify --repair`, then `tcbsync approve site`" in words


async def test_where_every_ledger_is_gone_it_is_noticed(place: Place) -> None:
    """A copy alone does not know what was sent since: deletes are held, and it is said so."""
    await place.with_copy()
    for ledger in shelf.ledgers(place.folder):
        ledger.path.unlink()
    place.damage()

    async with place.work() as work:
        words, gap = work.told()

    assert gap == 1
    assert "it does not know of everything that was sent since: deletes are held" in words


async def test_the_newest_ledger_is_missed_by_the_copy_that_began_with_it(place: Place) -> None:
    """Though that copy is damaged, and an older one with whole ledgers is taken."""
    async with place.work() as work:
        await work.prove("first")
        await work.copy()
        await work.prove("second")
        await work.copy()
        await work.prove("lost")
    newest = shelf.copies(place.folder)[0]
    newest.path.write_bytes(newest.path.read_bytes()[:6000])
    shelf.ledgers(place.folder)[-1].path.unlink()
    place.damage()

    async with place.work() as work:
        second, gap = work.row("second"), work.told()[1]

    assert in_doubt(second)
    assert gap == 1


async def test_a_copy_that_is_damaged_stands_for_no_lines(place: Place) -> None:
    """It says that it knows of the last one, and could not be restored: a copy is made at once."""
    async with place.work() as work:
        await work.prove(*(f"directory {number}/file" for number in range(1000)))
        await work.copy()
    for ledger in shelf.ledgers(place.folder):
        ledger.path.unlink()
    copy = shelf.copies(place.folder)[0].path
    content = copy.read_bytes()
    copy.write_bytes(content[: len(content) // 2] + b"\xa5" * 20_000 + content[len(content) // 2 + 20_000 :])

    async with place.work() as work:
        is_due = work.store._is_copy_due

    assert is_due


async def test_lines_that_a_power_cut_took_are_noticed(place: Place) -> None:
    """A copy is made at once at the next start; until there is one, a restored manifest knows of the gap."""
    async with place.work() as work:
        await work.prove("first")
        await work.copy()
        await work.prove("lost")
    ledger = shelf.ledgers(place.folder)[-1].path
    ledger.write_bytes(b"")

    async with place.work() as work:
        is_due = work.store._is_copy_due
        await work.prove("last")
    place.damage()
    async with place.work() as work:
        gap = work.told()[1]

    assert is_due
    assert gap == 1


async def test_an_old_backup_in_its_place_is_brought_up_to_date(place: Place) -> None:
    """By the ledgers, as far as they go back."""
    async with place.work() as work:
        await work.prove("first")
    backup = place.database.read_bytes()
    await place.with_copy()
    place.database.write_bytes(backup)

    async with place.work() as work:
        found = {path: work.row(path) for path in ("first", "old", "d/new")}
        gap = work.told()[1]

    first = found["first"]
    assert first is not None
    assert first.state == State.PROVED
    assert in_doubt(found["d/new"])
    assert (found["old"] is None) == bool(gap)


async def test_what_a_person_approved_is_asked_again(place: Place) -> None:
    """The approval was for deletes of another moment."""
    async with place.work() as work:
        await work.prove("a")
        await work.manifest.write(rows.expect, wanted("a"), NOW)
        await work.manifest.write(rows.hold, "too many", NOW)
        await work.manifest.write(rows.approve)
        await work.copy()
    place.damage()

    async with place.work() as work:
        (job,) = work.manifest.jobs(State.DELETE, NOW + 1, 10)

    assert not job.is_approved


async def test_it_says_in_the_log_what_it_did(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """What was wrong, and where the rows come from."""
    await place.with_copy()
    place.damage()

    with caplog.at_level(logging.WARNING):
        async with place.work():
            pass

    assert f"the manifest {place.database} is damaged" in caplog.text
    assert "site: restored from the copy of" in caplog.text
