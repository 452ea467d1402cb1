"""Gives up the rows of a mirror that nobody looks after any more. Runs inside a transaction, as `rows` does.

Rule: a row whose object may exist goes only when the cloud has confirmed the delete, when a mirror that lives knows the
same object, or when a person has said that the object may be forgotten. The mirror's own row stays, as if new: numbers
are never given twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.model import join, split
from tcbsync.store.rows import AT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection

ROWS = 10_000
"""At most so many in one transaction: others want to write too."""
OBJECTS = 50
"""So many are doomed at once: what one call deletes."""


class Living(NamedTuple):
    """A mirror that is looked after, and where its objects are."""

    name: str
    env: str
    prefix: str


class Object(NamedTuple):
    """An object that may be in the cloud under `file_id`."""

    path: str
    file_id: str


def doom(
    connection: sqlite3.Connection, mirror: int, may_go: Callable[[str], bool], after: str, now: float
) -> tuple[list[Object], str]:
    """Write down that the next objects behind `after`, in the order of (directory, name), may go.

    `may_go` is asked about each path; a row that it refuses stays as it is. Gives the objects, and the last path that
    was asked about ("": there are no more).
    """
    rows = _sent(connection, mirror, after, OBJECTS)
    doomed = [row for row in rows if may_go(join(*row[:2]))]
    connection.executemany(
        f"UPDATE file SET state = 2, digest = NULL, since = ?, approved = 0 WHERE {AT}",
        [(now, mirror, *row[:2]) for row in doomed],
    )
    return [Object(join(*row[:2]), row[2]) for row in doomed], join(*rows[-1][:2]) if rows else ""


def drop(connection: sqlite3.Connection, mirror: int, paths: Collection[str]) -> None:
    """Forget rows whose objects the cloud has confirmed to be gone."""
    connection.executemany(f"DELETE FROM file WHERE {AT} AND state = 2", [(mirror, *split(path)) for path in paths])


def drop_known(connection: sqlite3.Connection, mirror: int, prefix: str, living: Living, after: str) -> tuple[int, str]:
    """Forget those of the next objects behind `after` that a living mirror knows too, in the order of `doom`.

    Gives their number, and the last path that was looked at ("": there are no more). What that mirror comes to know
    later lies where it puts its own objects, and stays.
    """
    number = connection.execute("SELECT id FROM mirror WHERE (name, env, prefix) = (?, ?, ?)", living).fetchone()
    rows = _sent(connection, mirror, after, ROWS) if number else []
    known = []
    for directory, name, _ in rows:
        key = prefix + join(directory, name)
        if key.startswith(living.prefix):
            other = (number[0], *split(key.removeprefix(living.prefix)))
            if connection.execute(f"SELECT 1 FROM file WHERE {AT} AND file_id IS NOT NULL", other).fetchone():
                known.append((mirror, directory, name))
    connection.executemany(f"DELETE FROM file WHERE {AT}", known)
    return len(known), join(*rows[-1][:2]) if rows else ""


def _sent(connection: sqlite3.Connection, mirror: int, after: str, most: int) -> list[tuple[str, str, str]]:
    """Give (directory, name, file_id) of the next rows behind `after` whose objects may exist."""
    return connection.execute(
        "SELECT directory, name, file_id FROM file WHERE mirror = ? AND file_id IS NOT NULL"
        " AND (directory, name) > (?, ?) ORDER BY directory, name LIMIT ?",
        (mirror, *split(after), most),
    ).fetchall()


def drop_unsent(connection: sqlite3.Connection, mirror: int) -> int:
    """Forget some rows for which nothing was ever sent. Gives their number; 0: there are no more."""
    return _drop_some(connection, mirror, " AND file_id IS NULL")


def drop_all(connection: sqlite3.Connection, mirror: int) -> int:
    """Forget some rows, whatever is in the cloud. Gives their number; 0: there are no more."""
    return _drop_some(connection, mirror, "")


def _drop_some(connection: sqlite3.Connection, mirror: int, where: str) -> int:
    return connection.execute(
        "DELETE FROM file WHERE mirror = ?1 AND (directory, name) IN"
        f" (SELECT directory, name FROM file WHERE mirror = ?1{where} LIMIT ?2)",
        (mirror, ROWS),
    ).rowcount


def close(connection: sqlite3.Connection, mirror: int) -> bool:
    """Make the mirror as if new, if it has no rows left. Gives whether it has none."""
    if connection.execute("SELECT 1 FROM file WHERE mirror = ? LIMIT 1", (mirror,)).fetchone():
        return False
    connection.execute("DELETE FROM problem WHERE mirror = ?", (mirror,))
    connection.execute("DELETE FROM released WHERE mirror = ?", (mirror,))
    connection.execute(
        "UPDATE mirror SET rules = '', hold = '', hold_since = NULL, hold_away = 0, volumes = '', last_scan_at = NULL,"
        " last_equal_at = NULL, restored = '', gap = 0 WHERE id = ?",
        (mirror,),
    )
    return True
