"""The ledger: names each path, outside of the manifest, from the moment when an object of it may come, change or go.

A copy of the manifest is up to a day old; restored alone, it would forget every object that was sent since, and there
is no list call to find one again. What the copy may not know is in the ledgers since: what they name is put in doubt,
and the cloud's own answers prove it anew.

Rule: a line is in the file before the commit that it speaks of, and so before any byte leaves. Lines are numbered
without a hole, and the manifest holds the number of the last one that it knows of: lines that it does not know of, and
lines that are missing, are both seen. A line too many does no harm. The file is synced only when the next ledger begins
and at the end: a power cut may take the last lines. The manifest itself survives that; the hole is seen at the next
start, which makes a copy at once. Only a power cut and a damaged manifest in the same moment could lose a path.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.errors import StateError
from tcbsync.core.model import join
from tcbsync.store.database import NO_ROOM
from tcbsync.store.shelf import ledger_path, ledgers, next_generation, sync_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

_WATCH = """
    CREATE TEMP TRIGGER doubt_of_new AFTER INSERT ON main.file WHEN new.file_id IS NOT NULL
    BEGIN SELECT doubt(new.mirror, new.directory, new.name, new.file_id); END;
    CREATE TEMP TRIGGER doubt_of_old AFTER UPDATE OF digest, file_id ON main.file
    WHEN new.file_id IS NOT old.file_id OR new.digest IS NULL AND old.digest IS NOT NULL
    BEGIN SELECT doubt(new.mirror, new.directory, new.name, new.file_id); END;
"""
_LAST_BYTES = 1024 * 1024
"""The last line of a ledger lies within so many bytes of its end: a path has at most 850."""


class Doubt(NamedTuple):
    """A line: at its time the cloud was not sure any more of what is at this path of this mirror."""

    seq: int
    name: str
    env: str
    prefix: str
    path: str
    file_id: str | None


def doubts(folder: Path, after: int) -> Iterator[Doubt]:
    """Give the lines with a higher number than `after`, in their order. What cannot be read is left out."""
    for ledger in ledgers(folder):
        with ledger.path.open("rb") as file:
            for line in file:
                doubt = _read(line)
                if doubt is not None and doubt.seq > after:
                    yield doubt


def last_seq(folder: Path) -> int:
    """Give the number of the last line, or 0 where there is none."""
    for ledger in reversed(ledgers(folder)):
        with ledger.path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            numbers = [doubt.seq for line in file if (doubt := _read(line))]
        if numbers:
            return max(numbers)
    return 0


def _read(line: bytes) -> Doubt | None:
    if not line.endswith(b"\n"):
        return None  # the write was cut off, and so there was no commit
    try:
        match json.loads(line):
            case [int(seq), str(name), str(env), str(prefix), str(path), str() | None as file_id]:
                return Doubt(seq, name, env, prefix, path, file_id)
    except ValueError:
        pass
    return None


class Ledger:
    """The ledger that is written now. All errors are StateErrors."""

    def __init__(self, folder: Path, schema: int, seq: int) -> None:
        """Go on with the newest ledger, or begin the first; `seq` is the last number that was given to a line."""
        self._folder = folder
        self._schema = schema
        self._seq = seq
        self._descriptor = -1
        self._noted: list[tuple[int, str, str, str | None]] = []
        self._mirrors: dict[int, tuple[str, str, str]] = {}
        known = ledgers(folder)
        with _explained(folder):
            if known and known[-1].schema == schema:
                self._descriptor = os.open(known[-1].path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
                _cut_torn_end(self._descriptor)
            else:
                self.begin()

    def watch(self, connection: sqlite3.Connection) -> None:
        """Note from now on whatever this connection makes unsure."""
        connection.create_function("doubt", 4, lambda *row: self._noted.append(row))
        connection.executescript(_WATCH)

    def begin(self) -> int:
        """Begin the next generation; what was written so far survives a power cut. Gives the generation."""
        with _explained(self._folder):
            generation = next_generation(self._folder)
            path = ledger_path(self._folder, generation, self._schema)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.close()
            self._descriptor = descriptor
            sync_file(self._folder)
        return generation

    def write(self, connection: sqlite3.Connection) -> None:
        """Append what was noted since the last time. Belongs into the transaction, as its last step."""
        if not self._noted:
            return
        seq = self._seq
        lines = [self._line(connection, seq + number, *row) for number, row in enumerate(self._noted, start=1)]
        self._append("".join(lines).encode())
        self._seq += len(lines)  # also if there is no commit: these numbers are taken
        connection.execute("UPDATE ledger SET seq = ?", (self._seq,))
        self._noted.clear()

    def forget(self) -> None:
        """Drop what was noted: the transaction is undone."""
        self._noted.clear()
        self._mirrors.clear()

    def close(self) -> None:
        """Make what was written survive a power cut, and close the file."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with contextlib.suppress(OSError):  # lines are there for the day when the manifest is not
                os.fsync(descriptor)
            os.close(descriptor)

    def _line(
        self, connection: sqlite3.Connection, seq: int, mirror: int, directory: str, name: str, file_id: str | None
    ) -> str:
        if mirror not in self._mirrors:
            row = connection.execute("SELECT name, env, prefix FROM mirror WHERE id = ?", (mirror,)).fetchone()
            self._mirrors[mirror] = row
        return json.dumps([seq, *self._mirrors[mirror], join(directory, name), file_id]) + "\n"

    def _append(self, lines: bytes) -> None:
        with _explained(self._folder):
            size = os.fstat(self._descriptor).st_size
            try:
                left = memoryview(lines)
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, size)
                raise


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(f"the ledger in {folder} cannot be written: {error.strerror}", hint=NO_ROOM) from error


def _cut_torn_end(descriptor: int) -> None:
    """Take off what a kill in the middle of a write has left: the next line begins a line."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LAST_BYTES)
    end = os.pread(descriptor, size - start, start)
    whole = end.rfind(b"\n") + 1
    if whole < len(end):
        os.ftruncate(descriptor, start + whole)
