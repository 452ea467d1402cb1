"""Answers queries from the last commit. Opens nothing that is not there, and changes nothing.

Rule: one query at a time on a connection, and each to its end. A statement that is still open keeps the connection, and
so every other thread's query, at the moment when it began: answers would be older than what is known already.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.store.database import MIGRATIONS, check_version, connecting, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

CACHE_KIB = 2_000
"""A look at the whole tree reads each page once: more would be memory for nothing."""


class Reader:
    """A manifest that is open for queries, from any thread. All of them raise StateError."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path | str = "",
        on_damage: Callable[[StateDamaged], None] = lambda _error: None,
    ) -> None:
        """Answer from `connection`. `on_damage` is called where the file is found damaged."""
        self._connection = connection
        self._path = path
        self._on_damage = on_damage
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Give every row of the answer."""
        with self._lock:
            try:
                return self._execute(query, values)
            except sqlite3.Error as error:
                told = unusable(self._path, error)
                if isinstance(told, StateDamaged):
                    self._on_damage(told)
                raise told from error

    def _execute(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except UnicodeEncodeError:  # a name that is no valid UTF-8 has no row; as bytes it equals no text
            return self._connection.execute(query, [_bindable(value) for value in values]).fetchall()

    def stream(self, query: str, values: Sequence[object] = ()) -> Iterator[Any]:
        """Give the rows of an answer one by one. Only for a reader that nobody else uses until it is over."""
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error

    def row(self, query: str, values: Sequence[object] = ()) -> Any:
        """Give the first row of the answer, or None."""
        return next(iter(self.rows(query, values)), None)

    def value(self, query: str, values: Sequence[object] = ()) -> Any:
        """Give the only value of an answer of one row."""
        ((value,),) = self.rows(query, values)
        return value

    def version(self) -> tuple[int, int]:
        """Give what is never the same again once anybody has committed: others, or this connection itself."""
        return self.value("PRAGMA data_version"), self._connection.total_changes


def open_reader(path: Path, on_damage: Callable[[StateDamaged], None] = lambda _error: None) -> Reader:
    """Open an existing manifest for queries only; see Reader. Raises StateError."""
    with connecting(path, uri=f"{path.absolute().as_uri()}?{_mode(path)}") as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        version = check_version(connection, path)
        if version < len(MIGRATIONS):
            raise StateError(
                f"the manifest {path} has schema {version}; this version of tcbsync reads {len(MIGRATIONS)}",
                hint="`tcbsync run` or `tcbsync sync` brings it up to date",
            )
    return Reader(connection, path, on_damage)


def _mode(path: Path) -> str:
    """Choose how SQLite opens a file that it must never make: even to read, WAL wants to write beside it."""
    if os.access(path.parent, os.W_OK):
        return "mode=rw"
    is_in_use = path.with_name(f"{path.name}-wal").exists()
    return "mode=ro" if is_in_use else "mode=ro&immutable=1"


def _bindable(value: object) -> object:
    is_text = not isinstance(value, str) or not any("\ud800" <= character <= "\udfff" for character in value)
    return value if is_text else str(value).encode("utf-8", "surrogatepass")
