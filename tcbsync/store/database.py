"""Opens the manifest's SQLite file: pragmas, schema, migrations. Knows nothing of mirrors or of what rows mean.

WAL with synchronous=FULL: a commit that returned survives a power cut. A file that cannot be opened is never
replaced or deleted here; the error says what to do.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateDamaged, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "manifest.db"

MIGRATIONS = (
    """
    CREATE TABLE mirror (
        id            INTEGER PRIMARY KEY,
        name          TEXT NOT NULL,
        env           TEXT NOT NULL,
        prefix        TEXT NOT NULL,
        rules         TEXT NOT NULL DEFAULT '',  -- digest of the ignore rules of the last full scan
        hold          TEXT NOT NULL DEFAULT '',  -- why deletes are held, in words; empty: they are not
        hold_since    REAL,                      -- unix seconds, as all times here
        last_scan_at  REAL,                      -- end of the last full scan
        last_equal_at REAL,                      -- when disk and cloud were last known to be equal
        UNIQUE (name, env, prefix)
    );
    CREATE TABLE file (
        mirror    INTEGER NOT NULL REFERENCES mirror (id),
        directory TEXT NOT NULL,                 -- NFC, relative to the root, which is ''
        name      TEXT NOT NULL,                 -- NFC
        size      INTEGER NOT NULL,
        mtime_ns  INTEGER NOT NULL,
        ctime_ns  INTEGER NOT NULL,
        inode     INTEGER NOT NULL,
        state     INTEGER NOT NULL,              -- core.model.State
        digest    BLOB,                          -- MD5 that the cloud surely holds, else NULL
        file_id   TEXT,                          -- as the cloud gave it; NULL: nothing was ever sent
        local     TEXT,                          -- the disk's spelling of the path, where it differs
        since     REAL NOT NULL DEFAULT 0,       -- when the state was entered
        attempts  INTEGER NOT NULL DEFAULT 0,
        due_at    REAL NOT NULL DEFAULT 0,       -- not tried before
        parked    INTEGER NOT NULL DEFAULT 0,    -- 1: not tried again until someone acts
        approved  INTEGER NOT NULL DEFAULT 0,    -- 1: a person let this delete go
        code      TEXT NOT NULL DEFAULT '',      -- of the last failure
        reason    TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (mirror, directory, name),
        CHECK (state <> 0 OR digest IS NOT NULL),      -- proved: the cloud surely holds the bytes
        CHECK (digest IS NULL OR file_id IS NOT NULL)  -- and what it holds can be named, so as to be deleted
    ) WITHOUT ROWID;
    CREATE INDEX work ON file (mirror, state, parked, due_at, since, approved) WHERE state IN (1, 2, 3);
    CREATE INDEX sizes ON file (mirror, state, parked, size) WHERE state = 1;
    CREATE TABLE problem (
        mirror INTEGER NOT NULL REFERENCES mirror (id),
        path   BLOB NOT NULL,                    -- as the disk spells it: it may be no valid UTF-8
        reason TEXT NOT NULL,
        blocks INTEGER NOT NULL,                 -- 1: could not be judged; 0: looked at, and cannot be mirrored
        since  REAL NOT NULL,
        PRIMARY KEY (mirror, path)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE mirror ADD COLUMN volumes TEXT NOT NULL DEFAULT '';  -- JSON: what was mounted at and below the root
    ALTER TABLE mirror ADD COLUMN hold_away INTEGER NOT NULL DEFAULT 0;  -- 1: held until these volumes are back
    ALTER TABLE mirror ADD COLUMN restored TEXT NOT NULL DEFAULT '';  -- from which copy these rows are; '': none
    CREATE TABLE released (
        mirror INTEGER NOT NULL REFERENCES mirror (id),
        at     REAL NOT NULL,                    -- when deletes were carried out that no person had approved
        count  INTEGER NOT NULL
    );
    CREATE TABLE ledger (seq INTEGER NOT NULL);      -- number of the last line that these rows know of: store/ledger
    INSERT INTO ledger SELECT count(*) FROM file;    -- rows from before the first line: without a copy there is a gap
    ALTER TABLE mirror ADD COLUMN gap INTEGER NOT NULL DEFAULT 0;  -- 1: rows were lost; every delete needs approval
    """,
)
"""One script for each schema version, in order; `user_version` counts those that were applied."""

WORK = "state IN (1, 2, 3)"
"""What wants something: the condition of the index `work`, which serves only queries that say it in these words."""

NO_ROOM = "make room on that disk or make it writable; nothing was lost, and work goes on by itself"
IN_USE = "another program writes to it; when that is done, work goes on by itself"
DAMAGED = (
    "do not delete it: it is the only record of what is in the cloud; where it is damaged, the next `tcbsync run` or"
    " `tcbsync sync` restores it from its newest good copy"
)
HINTS = {
    sqlite3.SQLITE_FULL: NO_ROOM,
    sqlite3.SQLITE_IOERR: NO_ROOM,
    sqlite3.SQLITE_READONLY: NO_ROOM,
    sqlite3.SQLITE_PERM: NO_ROOM,
    sqlite3.SQLITE_CANTOPEN: NO_ROOM,
    sqlite3.SQLITE_BUSY: IN_USE,
    sqlite3.SQLITE_LOCKED: IN_USE,
}
"""What to do, by SQLite's primary result code; DAMAGED for all others."""
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""Result codes that no waiting heals."""


def open_database(path: Path | str) -> sqlite3.Connection:
    """Open, or create, the manifest for reading and writing, and bring its schema up to date. Raises StateError.

    `:memory:` gives one that is gone when it is closed.
    """
    with connecting(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path)
    return connection


@contextlib.contextmanager
def connecting(path: Path | str, *, uri: str = "") -> Iterator[sqlite3.Connection]:
    """Open a connection that the block makes ready; it is closed where that fails. Raises StateError."""
    with contextlib.ExitStack() as stack:
        try:
            connection = sqlite3.connect(
                uri or path, uri=bool(uri), isolation_level=None, check_same_thread=False, timeout=10
            )
            stack.callback(connection.close)
            yield connection
        except sqlite3.Error as error:
            raise unusable(path, error) from error
        stack.pop_all()


@contextlib.contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn SQLite's errors into StateErrors."""
    try:
        yield
    except sqlite3.Error as error:
        raise unusable(path, error) from error


def unusable(path: Path | str, error: sqlite3.Error) -> StateError:
    """Turn SQLite's word into one that says which file, and what to do."""
    code = getattr(error, "sqlite_errorcode", None)  # None: Python's own, such as a connection that is closed
    hint = HINTS.get(code & 0xFF, DAMAGED) if code else ""
    is_no_text = code is None and "decode to UTF-8" in str(error)
    kind = StateDamaged if is_no_text or (code and code & 0xFF in DAMAGE) else StateError
    return kind(f"the manifest {path} cannot be used: {error}", hint=hint)


def check_version(connection: sqlite3.Connection, path: Path | str) -> int:
    """Give the schema's version. Raises StateError where it is newer than this program."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StateError(
            f"the manifest {path} has schema {version}; this version of tcbsync knows up to {len(MIGRATIONS)}",
            hint="upgrade tcbsync, or go back to the version that wrote it",
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path | str) -> None:
    version = check_version(connection, path)
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
