"""Answers queries from the last commit. Opens nothing that is not there, and changes nothing.

Rule: one query at a time on a connection, and each to its end. A statement that is still open keeps the connection, and
so every other thread's query, at the moment when it began: answers would be older than what is known already.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from tcbsync.store.database import check_version, unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CACHE_KIB = 16_000


class Reader:
    """A manifest that is open for queries, from any thread. All of them raise StateError."""

    def __init__(self, connection: sqlite3.Connection, path: Path | str = "") -> None:
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def rows(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        """Give every row of the answer."""
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise unusable(self._path, error) from error

    def row(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> Any:
        """Give the first row of the answer, or None."""
        return next(iter(self.rows(query, values)), None)

    def value(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> Any:
        """Give the only value of an answer of one row."""
        ((value,),) = self.rows(query, values)
        return value


def open_reader(path: Path) -> Reader:
    """Open an existing manifest for queries only. Raises StateError."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        check_version(connection, path)
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    return Reader(connection, path)
