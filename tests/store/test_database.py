"""The manifest's file: made, brought up to date, or refused with a word about which file and what next."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError
from tcbsync.store import database
from tcbsync.store.database import MIGRATIONS, open_database, unusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECOND = "ALTER TABLE mirror ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the manifest is, or will be."""
    return tmp_path / "manifest.db"


def pragma(connection: sqlite3.Connection, name: str) -> object:
    """Ask for a setting."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_manifest_has_the_newest_schema(path: Path) -> None:
    """Opened once more, it stays as it is."""
    open_database(path).close()

    connection = open_database(path)

    assert pragma(connection, "user_version") == len(MIGRATIONS)
    assert connection.execute("SELECT count(*) FROM file").fetchone() == (0,)
    connection.close()


def test_what_returned_from_a_commit_survives_a_power_cut(path: Path) -> None:
    """Write-ahead log, synced with every commit; and rows belong to a mirror."""
    connection = open_database(path)

    assert pragma(connection, "journal_mode") == "wal"
    assert pragma(connection, "synchronous") == 2  # FULL
    assert pragma(connection, "foreign_keys") == 1
    connection.close()


def test_an_older_manifest_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the steps that are missing are made, and what it holds stays."""
    connection = open_database(path)
    connection.execute("INSERT INTO mirror (name, env, prefix) VALUES ('site', 'env', '')")
    connection.close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, SECOND))

    connection = open_database(path)

    assert connection.execute("SELECT name, note FROM mirror").fetchall() == [("site", "none")]
    assert pragma(connection, "user_version") == len(MIGRATIONS) + 1
    connection.close()


def test_a_step_that_fails_is_not_made_by_half(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest stays at the version before, and the older program goes on with it."""
    open_database(path).close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, f"{SECOND}; CREATE TABLE mirror (id INTEGER)"))

    with pytest.raises(StateError, match="table mirror already exists"):
        open_database(path)

    monkeypatch.undo()
    connection = open_database(path)
    columns = [column[1] for column in connection.execute("PRAGMA table_info(mirror)")]
    assert "note" not in columns
    connection.close()


def newer(path: Path) -> None:
    """Make a manifest as a later version leaves it."""
    connection = open_database(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def no_database(path: Path) -> None:
    """Make a file of another kind."""
    path.write_bytes(b"this is no database, but somebody may need it\n" * 100)


def overwritten(path: Path) -> None:
    """Make a manifest whose first pages are overwritten, as by a faulty disk."""
    open_database(path).close()
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = b"\xa5" * (len(content) // 2 - 100)
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    """Make a manifest of which only a part is left."""
    open_database(path).close()
    path.write_bytes(path.read_bytes()[:5000])


DAMAGED = "do not delete it: it is the only record of what is in the cloud"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (newer, [f"has schema {len(MIGRATIONS) + 1}", f"knows up to {len(MIGRATIONS)}", "upgrade tcbsync"]),
        (no_database, ["file is not a database", DAMAGED]),
        (overwritten, [DAMAGED]),
        (cut_short, ["malformed", DAMAGED]),
    ],
)
def test_what_cannot_be_opened_is_left_alone(path: Path, make: Callable[[Path], None], words: list[str]) -> None:
    """The error names the file and says what next; not a byte of it is changed."""
    make(path)
    before = path.read_bytes()

    with pytest.raises(StateError) as caught:
        open_database(path)

    assert all(word in str(caught.value) for word in [str(path), *words]), str(caught.value)
    assert path.read_bytes() == before


def test_a_directory_in_its_place(path: Path) -> None:
    """It is named; nothing is made or removed."""
    path.mkdir()

    with pytest.raises(StateError, match="unable to open database file"):
        open_database(path)

    assert path.is_dir()


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """The manifest's directory is not the manifest's to make."""
    with pytest.raises(StateError, match="unable to open database file"):
        open_database(tmp_path / "missing" / "manifest.db")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "make room"),
        (sqlite3.SQLITE_IOERR_WRITE, "make room"),
        (sqlite3.SQLITE_READONLY, "make it writable"),
        (sqlite3.SQLITE_CANTOPEN, "make it writable"),
        (sqlite3.SQLITE_BUSY, "another program writes to it"),
        (sqlite3.SQLITE_CORRUPT, "do not delete it"),
        (sqlite3.SQLITE_NOTADB, "do not delete it"),
        (sqlite3.SQLITE_ERROR, "do not delete it"),
    ],
)
def test_the_next_step_depends_on_what_went_wrong(path: Path, code: int, words: str) -> None:
    """SQLite's result code decides, extended or not, and never the words of its message."""
    error = sqlite3.OperationalError("a message that may be worded otherwise")
    error.sqlite_errorcode = code

    told = unusable(path, error)

    assert words in told.hint
    assert str(told).startswith(f"the manifest {path} cannot be used: a message")


def test_an_error_that_is_not_sqlites_has_no_advice(path: Path) -> None:
    """A connection that was closed is no damage."""
    connection = open_database(path)
    connection.close()

    with pytest.raises(sqlite3.ProgrammingError) as caught:
        connection.execute("SELECT 1")

    assert unusable(path, caught.value).hint == ""


def test_somebody_else_writes(path: Path) -> None:
    """A manifest that another program has locked is not damaged."""
    other = open_database(path)
    other.execute("BEGIN IMMEDIATE")
    connection = open_database(path)
    connection.execute("PRAGMA busy_timeout = 1")

    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("BEGIN IMMEDIATE")

    assert "another program writes to it" in unusable(path, caught.value).hint
    connection.close()
    other.close()
