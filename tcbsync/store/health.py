"""Judges a manifest's file: is it what was written? Looks only; changes and repairs nothing.

Header and schema are looked at every time. The whole of it, every page, index and name, is read (about a second for a
million rows) after every stop that was not a clean one, after somebody else touched the file, and otherwise once a day:
a clean stop leaves a mark that says which file it left, and when that was last read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from tcbsync.core.errors import StateDamaged
from tcbsync.core.model import join
from tcbsync.store import database
from tcbsync.store.shelf import sync_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MARK = "manifest.clean"
CHECK_SECONDS = 24 * 3600.0
ODD = "odd"
_MAGIC = b"SQLite format 3\0"


class Health(NamedTuple):
    """What was found. `wrong` says in words what makes the file unusable; empty where it is sound."""

    wrong: str = ""
    mirrors: frozenset[tuple[int, str, str, str]] = frozenset()
    places: frozenset[tuple[int, str]] = frozenset()
    """By mirror: what is before the path in its file_ids; ODD where one does not end in its path."""
    seq: int = 0
    """The number of the last line of the ledger that it knows of."""

    @property
    def mixed(self) -> set[int]:
        """The mirrors whose objects are in more than one place, which is unusual."""
        numbers = [number for number, _ in self.places]
        return {number for number in numbers if numbers.count(number) > 1}

    def unlike(self, copy: Health) -> str:
        """Say what cannot have come about by itself since the copy was made: no page tells that letters changed."""
        if lost := copy.mirrors - self.mirrors:
            return f"mirror {min(lost)[1]} is not in it any more"
        new = {number for number, _ in self.places - copy.places}
        return "a file_id in it is not that of its path" if new & self.mixed else ""


def examine(path: Path, *, whole: bool = True, is_copy: bool = False, newest: int | None = None) -> Health:
    """Look at a manifest. Raises StateError where it cannot be looked at.

    `whole`: everything is read; else the header and the schema. `is_copy`: nobody writes to it, and nothing may appear
    beside it. `newest`: the newest schema that was ever in use here, where that is known. A later one in the file is
    damage then.
    """
    header = _header(path)
    if not header.startswith(_MAGIC) or header[18] not in (1, 2) or header[19] not in (1, 2):
        return Health("file is not a database")
    mode = "mode=ro&immutable=1" if is_copy else "mode=rw"
    try:
        uri = f"{path.absolute().as_uri()}?{mode}"
        with database.connecting(path, uri=uri) as connection, contextlib.closing(connection):
            if wrong := _wrong_schema(connection, newest) or (_wrong_pages(connection) if whole else ""):
                return Health(wrong)
            return Health("", _mirrors(connection), _places(connection) if whole else frozenset(), _seq(connection))
    except StateDamaged as error:
        return Health(str(error.__cause__))
    except UnicodeDecodeError:
        return Health("a text in it is no text")


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(100).ljust(100, b"\0")
    except OSError as error:
        cause = sqlite3.OperationalError("unable to open database file")
        cause.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise database.unusable(path, cause) from error


def _wrong_schema(connection: sqlite3.Connection, newest: int | None) -> str:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(database.MIGRATIONS):  # a later program's, which is refused in another way
        return "" if newest is None or newest >= version else f"it says that it has schema {version}"
    if not version and newest is not None:
        return "it is empty"
    query = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    with contextlib.closing(sqlite3.connect(":memory:")) as model:
        model.executescript(";".join(database.MIGRATIONS[:version]))
        wanted, found = _schema(model.execute(query)), _schema(connection.execute(query))
    wrong = {name for _, name, _ in wanted - found} | {name for kind, name, _ in found - wanted if kind == "table"}
    return f"in schema {version}, {min(wrong)} is not as it should be" if wrong else ""


def _schema(rows: Iterable[tuple[str, str, str | None]]) -> set[tuple[str, str, str]]:
    """Give what a schema says, without its remarks: a later program may word them better."""
    return {(kind, name, " ".join(re.sub("--[^\n]*", "", sql or "").split())) for kind, name, sql in rows}


def _wrong_pages(connection: sqlite3.Connection) -> str:
    (word,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if word != "ok":
        return str(word).splitlines()[-1]
    if lost := connection.execute("PRAGMA foreign_key_check").fetchone():
        return f"a row of {lost[0]} belongs to no mirror"
    has_ledger = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger'").fetchone()
    is_numbered = not has_ledger or connection.execute("SELECT typeof(seq) FROM ledger").fetchall() == [("integer",)]
    return "" if is_numbered else "it does not know how far the ledger was written"


_UNLIKELY = """
    SELECT directory, name, file_id, local, code, reason FROM file
    WHERE mirror = ? AND (file_id IS NULL OR local IS NOT NULL OR code <> '' OR reason <> ''
        OR file_id <> ? || directory || iif(directory = '', '', '/') || name)
"""


def _places(connection: sqlite3.Connection) -> frozenset[tuple[int, str]]:
    """Give the places of all objects, by mirror: see Health.

    Reads as well every text that is compared with nothing, so that letters which are none show.
    """
    if not connection.execute("PRAGMA user_version").fetchone()[0]:
        return frozenset()  # made a moment ago, by a start that was cut off: it holds nothing yet
    connection.execute("SELECT reason FROM problem").fetchall()
    places = set()
    for number, _, _, prefix in _mirrors(connection):
        first = connection.execute(
            "SELECT directory, name, file_id FROM file WHERE mirror = ? AND file_id IS NOT NULL LIMIT 1", (number,)
        ).fetchone()
        if first:
            place = _place(prefix, *first)
            places.add((number, place))
            for directory, name, file_id, *_ in connection.execute(_UNLIKELY, (number, place + prefix)):
                if file_id is not None:
                    places.add((number, _place(prefix, directory, name, file_id)))
    return frozenset(places)


def _place(prefix: str, directory: str, name: str, file_id: str) -> str:
    key = prefix + join(directory, name)
    return file_id.removesuffix(key) if file_id.endswith(key) else ODD


def _mirrors(connection: sqlite3.Connection) -> frozenset[tuple[int, str, str, str]]:
    if not connection.execute("PRAGMA user_version").fetchone()[0]:
        return frozenset()
    return frozenset(connection.execute("SELECT id, name, env, prefix FROM mirror"))


def _seq(connection: sqlite3.Connection) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger'").fetchone():
        return 0
    (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM ledger WHERE typeof(seq) = 'integer'").fetchone()
    return int(seq)


# -- the mark of a clean stop -----------------------------------------------------------------------------------------


def take_mark(path: Path, now: float) -> float | None:
    """Take the mark away. Gives when the file that it speaks of, which is this one, was last read as a whole, or None.

    None as well where that is more than a day ago, or where the file is not as it was left.
    """
    mark = path.with_name(MARK)
    try:
        document = json.loads(mark.read_bytes())
        mark.unlink()
        sync_file(path.parent)
        checked_at = float(document["checked_at"])
        is_ours = document["file"] == _file(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return checked_at if is_ours and 0 <= now - checked_at < CHECK_SECONDS else None


def leave_mark(path: Path, checked_at: float) -> None:
    """Say that the file was left in order. Where that cannot be written, the next start reads all of it."""
    mark = path.with_name(MARK)
    with contextlib.suppress(OSError):
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            return
        descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"checked_at": checked_at, "file": _file(path)}, file)


def _file(path: Path) -> list[Any]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]
