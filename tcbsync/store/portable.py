"""The manifest as JSON lines, so that nobody is ever locked in: written out, and merged into another.

The first line is `{"tcbsync manifest": 1, "rows": N}`. Each further one is a row: `mirror`, `env`, `prefix`, `path`
(texts), `file_id` (or null: nothing was ever sent), `size` (bytes), `md5` (hex, while the cloud surely holds it; else
null), `fingerprint` (`mtime_ns`, `ctime_ns`, `inode`), `state` (proved, upload, delete, held, kept) and, only where the
disk spells the path in other bytes, `local`. What is unknown in a line is ignored: later versions may say more.

Rule: nothing is merged unless every line is sound; and what was here already is not made worse by it.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import StateError
from tcbsync.core.keys import key_problem, normal
from tcbsync.core.model import State, join, split
from tcbsync.store.reader import open_reader
from tcbsync.store.restore import register
from tcbsync.store.rows import AT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMAT = 1
_TITLE = "tcbsync manifest"
_SHOWN = 50
"""At most so many mistakes are listed."""
_FLUSH = 10_000
_ROWS = """
    FROM file JOIN mirror ON mirror.id = file.mirror WHERE ?1 = '' OR mirror.name = ?1
"""
_COLUMNS = """
    SELECT mirror.name, env, prefix, directory, file.name, file_id, size, hex(digest), mtime_ns, ctime_ns, file.inode,
        state, local
"""
_STATES = {state.name.lower(): state for state in State}
_KNOWN = """
    SELECT mirror.id, file_id, file.mirror IS NOT NULL FROM mirror LEFT JOIN file
    ON file.mirror = mirror.id AND directory = ? AND file.name = ? WHERE (mirror.name, env, prefix) = (?, ?, ?)
"""
_INSERT = """
    INSERT INTO file (mirror, directory, name, size, mtime_ns, ctime_ns, inode, state, digest, file_id, local, since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(slots=True)
class Merged:
    """What came in, by number of rows."""

    proved: int = 0
    """The cloud surely holds them, as the export says."""
    doubtful: int = 0
    """There may be an object: the next sync sends the file again, or deletes what is left of it."""
    known: int = 0
    """They were here already, and stay as they are."""
    empty: int = 0
    """Nothing was ever sent for them: there is nothing to know."""
    mirrors: set[tuple[str, str, str]] = field(default_factory=set)


def export(path: Path, mirror: str = "") -> Iterator[str]:
    """Give the lines for one mirror or all, as of one moment, whoever writes meanwhile. Raises StateError."""
    with contextlib.closing(open_reader(path)) as reader:
        reader.rows("BEGIN")  # the count and the rows are of one moment
        count = reader.value(f"SELECT count(*) {_ROWS}", (mirror,))
        yield json.dumps({_TITLE: FORMAT, "rows": count})
        for row in reader.stream(f"{_COLUMNS} {_ROWS}", (mirror,)):
            yield _line(row)


def _line(row: Any) -> str:
    mirror, env, prefix, directory, name, file_id, size, md5, mtime_ns, ctime_ns, inode, state, local = row
    document = {
        "mirror": mirror,
        "env": env,
        "prefix": prefix,
        "path": join(directory, name),
        "file_id": file_id,
        "size": size,
        "md5": md5.lower() or None,
        "fingerprint": {"mtime_ns": mtime_ns, "ctime_ns": ctime_ns, "inode": inode},
        "state": State(state).name.lower(),
    }
    return json.dumps(document if local is None else document | {"local": local})


# -- the way back -----------------------------------------------------------------------------------------------------


def check(file: Path) -> None:
    """Read all of an export. Raises StateError that lists every line which is not sound, by number."""
    mistakes: list[str] = []
    promised, count = 0, -1
    for number, line in _lines(file):
        count += 1
        wrong, document = _parsed(line)
        if number == 1 and not wrong:
            wrong = _wrong_header(document)
            promised = -1 if wrong else document["rows"]
        elif not wrong:
            wrong = _wrong_row(document)
        if wrong:
            mistakes.append(f"line {number}: {wrong}")
    if count < 0:
        mistakes.append("line 1: there is none")
    elif promised != count and not mistakes:
        mistakes.append(f"line 1 promises {promised} rows, and there are {count}: was the file cut off?")
    if mistakes:
        more = [f"and {len(mistakes) - _SHOWN} more"] if len(mistakes) > _SHOWN else []
        listed = "\n  ".join(mistakes[:_SHOWN] + more)
        raise StateError(f"{file} is no sound export; nothing was taken from it:\n  {listed}")


def merge(connection: sqlite3.Connection, file: Path, now: float, flush: Callable[[], None]) -> Merged:
    """Take in what is missing here. Belongs into a transaction; `flush` is called now and then to write the ledger."""
    merged = Merged()
    for number, line in _lines(file):
        if number > 1:
            _merge_row(connection, json.loads(line), now, merged)
        if number % _FLUSH == 0:
            flush()
    return merged


def _merge_row(connection: sqlite3.Connection, row: dict[str, Any], now: float, merged: Merged) -> None:
    mirror = (row["mirror"], row["env"], row["prefix"])
    if mirror not in merged.mirrors:
        register(connection, *mirror)
        merged.mirrors.add(mirror)
    at = split(row["path"])
    number, known_id, is_known = connection.execute(_KNOWN, (*at, *mirror)).fetchone()
    file_id, md5, print_of = row["file_id"], row["md5"], row["fingerprint"]
    if file_id is None:
        merged.empty += 1
    elif is_known and known_id is not None:
        merged.known += 1
    elif is_known:
        merged.doubtful += 1
        connection.execute(f"UPDATE file SET file_id = ? WHERE {AT}", (file_id, number, *at))
    else:
        is_proved = row["state"] == "proved" and md5 is not None
        merged.proved += is_proved
        merged.doubtful += not is_proved
        times = (print_of["mtime_ns"], print_of["ctime_ns"], print_of["inode"] if is_proved else -1)
        state, digest = (State.PROVED, bytes.fromhex(md5)) if is_proved else (State.UPLOAD, None)
        values = (number, *at, row["size"], *times, state, digest, file_id, row.get("local"), now)
        connection.execute(_INSERT, values)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with file.open("rb") as lines:
            yield from enumerate(lines, start=1)
    except OSError as error:
        raise StateError(f"{file} cannot be read: {error.strerror}") from error


def _parsed(line: bytes) -> tuple[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return "this is no JSON", None
    return ("", document) if isinstance(document, dict) else ("this is no JSON object", None)


def _wrong_header(document: dict[str, Any]) -> str:
    match document:
        case {"tcbsync manifest": int(number)} if number > FORMAT:
            return f"the export has format {number}; this version of tcbsync reads {FORMAT}"
        case {"tcbsync manifest": int(), "rows": int()}:
            return ""
    return "this is not the first line of an export"


def _wrong_row(document: dict[str, Any]) -> str:
    match document:
        case {
            "mirror": str(mirror),
            "env": str(env),
            "prefix": str(prefix),
            "path": str(path),
            "file_id": str() | None as file_id,
            "size": int(size),
            "md5": str() | None as md5,
            "fingerprint": {"mtime_ns": int(mtime_ns), "ctime_ns": int(ctime_ns), "inode": int(inode)},
            "state": str(state),
        } if mirror and env and isinstance(document.get("local", ""), str):
            return (
                _wrong_path(path, prefix)
                or _wrong_id(file_id, md5)
                or _wrong_numbers(size, mtime_ns, ctime_ns, inode)
                or ("" if state in _STATES else f"there is no state {state!r}")
            )
    return "a field is missing, or of another kind than it should be"


def _wrong_path(path: str, prefix: str) -> str:
    if normal(path) != path:
        return f"path {path!r} is not in NFC"
    return key_problem(path) or key_problem(prefix + path) or ""


def _wrong_id(file_id: str | None, md5: str | None) -> str:
    if file_id is None:
        return "" if md5 is None else "an md5 without a file_id"
    if not file_id.startswith("cloud://"):
        return f"{file_id!r} is no file_id"
    is_md5 = md5 is None or (len(md5) == 32 and not set(md5) - set("0123456789abcdef"))
    return "" if is_md5 else f"{md5!r} is no MD5"


def _wrong_numbers(size: int, *others: int) -> str:
    is_right = size >= 0 and all(-(2**63) <= number < 2**63 for number in (size, *others))
    return "" if is_right else "a number is out of its range"
