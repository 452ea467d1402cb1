"""What a start does with the manifest that it finds: trusts it, checks it, restores it, or refuses."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.core.model import State
from tcbsync.store import database, health, opening, rows, shelf
from tcbsync.store.database import MIGRATIONS
from tests.store.caring import Place, in_doubt, wanted
from tests.store.table import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of each look at the manifest whether it was read as a whole."""
    checks: list[bool] = []

    def examine(path: Path, *, whole: bool = True, is_copy: bool = False, newest: int | None = None) -> health.Health:
        if not is_copy:
            checks.append(whole)
        return health.examine(path, whole=whole, is_copy=is_copy, newest=newest)

    monkeypatch.setattr(opening, "examine", examine)
    return checks


# -- when it is read as a whole ---------------------------------------------------------------------------------------


async def test_after_a_clean_stop_it_is_not_read_again(place: Place, checks: list[bool]) -> None:
    """`sync` over a million files that did not change stays fast."""
    for _ in range(3):
        async with place.work():
            pass

    assert checks == [False, False]


async def test_after_a_day_it_is(place: Place, checks: list[bool]) -> None:
    """Not a day after the last stop: a day after it was last read, however often it was opened since."""
    async with place.work():
        pass
    mark = place.state / health.MARK
    document = json.loads(mark.read_text())
    mark.write_text(json.dumps(document | {"checked_at": time.time() - health.CHECK_SECONDS - 1}))

    for _ in range(2):
        async with place.work():
            pass

    assert checks == [True, False]


async def test_without_a_clean_stop_it_is(place: Place, checks: list[bool]) -> None:
    """The mark of the stop before counts for one start."""
    async with place.work() as work:
        await work.prove("a")
    async with place.work():
        assert not (place.state / health.MARK).exists()
        checks.clear()
    (place.state / health.MARK).unlink()

    async with place.work():
        pass

    assert checks == [True]


async def test_a_file_that_somebody_else_has_touched_is(place: Place, checks: list[bool]) -> None:
    """It was put back from a backup, say."""
    async with place.work():
        pass
    content = place.database.read_bytes()
    place.database.unlink()
    place.database.write_bytes(content)

    async with place.work():
        pass

    assert checks == [True]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"checked_at": "soon"}', b'{"checked_at": 1e12, "file": []}'])
async def test_a_mark_that_says_nothing_is_none(place: Place, checks: list[bool], content: bytes) -> None:
    """Whatever is in it."""
    async with place.work():
        pass
    (place.state / health.MARK).write_bytes(content)

    async with place.work():
        pass

    assert checks == [True]


# -- restored ---------------------------------------------------------------------------------------------------------


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


# -- refused ----------------------------------------------------------------------------------------------------------


async def test_with_nothing_to_restore_from_it_refuses(place: Place) -> None:
    """It says what next; not a byte of the file is changed; and a second start says the same."""
    async with place.work():
        pass
    place.damage()
    before = place.database.read_bytes()

    for _ in range(2):
        with pytest.raises(StateDamaged, match="there is no copy to restore it from") as caught:
            async with place.work():
                pass

    assert "manifest import" in caught.value.hint
    assert place.database.read_bytes() == before
    assert place.aside() == []


async def test_where_a_damaged_one_stood_no_empty_one_begins(place: Place) -> None:
    """Not even when all else is gone."""
    await place.with_copy()
    place.damage()
    async with place.work():
        pass
    place.database.unlink()
    for path in place.folder.iterdir():
        path.unlink()

    with pytest.raises(StateDamaged, match=r"is missing, there is no copy of it, and a damaged one is at .*damaged-"):
        async with place.work():
            pass

    assert not place.database.exists()


async def test_a_newer_schema_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no damage: the newer version goes on with it as it is."""
    with monkeypatch.context() as newer:
        newer.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x)"))
        async with place.work() as work:
            await work.prove("a")

    with pytest.raises(StateError, match=f"has schema {len(MIGRATIONS) + 1}; this version of tcbsync knows up to"):
        async with place.work():
            pass

    assert place.aside() == []


# -- migrated ---------------------------------------------------------------------------------------------------------


def test_there_is_a_fixture_for_every_schema() -> None:
    """As the version that had it left a manifest. A new schema comes with its own."""
    found = {int(path.stem) for path in FIXTURES.glob("*.sql")}

    assert found == set(range(1, len(MIGRATIONS) + 1))


def dumped(path: Path, table: str) -> list[dict[str, object]]:
    """Read a whole table, by column."""
    connection = sqlite3.connect(path)
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    found = [dict(zip(columns, row, strict=True)) for row in cursor]
    connection.close()
    return found


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
async def test_every_schema_migrates_with_all_rows(place: Place, version: int) -> None:
    """Each column of each row is as it was; and what it was is kept as a copy."""
    place.state.mkdir()
    connection = sqlite3.connect(place.database)
    connection.executescript((FIXTURES / f"{version}.sql").read_text())
    connection.close()
    before = {table: dumped(place.database, table) for table in ("mirror", "file", "problem")}

    async with place.work():
        pass

    after = {table: dumped(place.database, table) for table in before}
    after["mirror"] = [row for row in after["mirror"] if row["id"] != 3]  # the mirror of this test
    for table, found in before.items():
        assert [{column: row[column] for column in found[0]} for row in after[table]] == found
    copies = shelf.copies(place.folder)
    assert len(copies) == (0 if version == len(MIGRATIONS) else 1)
    assert all(dumped(copy.path, "file") == before["file"] for copy in copies)


async def test_a_migration_without_room_for_a_copy_waits(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest stays as it was; with room, the start succeeds."""
    place.state.mkdir()
    connection = sqlite3.connect(place.database)
    connection.executescript((FIXTURES / "1.sql").read_text())
    connection.close()

    def no_room(*_paths: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tcbsync.store.snapshots._copy", no_room)
        with pytest.raises(StateError, match="no copy of the manifest can be made"):
            async with place.work():
                pass
    version = sqlite3.connect(place.database).execute("PRAGMA user_version").fetchone()
    async with place.work():
        pass

    assert version == (1,)
    assert len(shelf.copies(place.folder)) == 1


async def test_it_says_in_the_log_what_it_did(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """What was wrong, and where the rows come from."""
    await place.with_copy()
    place.damage()

    with caplog.at_level(logging.WARNING):
        async with place.work():
            pass

    assert f"the manifest {place.database} is damaged" in caplog.text
    assert "site: restored from the copy of" in caplog.text
