"""One mirror's rows, as the engine needs them: queries answer from the last commit, commands are durable when done.

The manifest is the only record of what is in the cloud (there is no list call). Queries block, most for microseconds,
and are called in worker threads. What a person asks is in `report`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, TypeVar

from tcbsync.core.model import Record, State, join, split
from tcbsync.store.database import WORK

if TYPE_CHECKING:
    import asyncio
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from tcbsync.core.model import Line
    from tcbsync.store.reader import Reader
    from tcbsync.store.writer import Writer

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_RECORD = "name, size, mtime_ns, ctime_ns, inode, state, digest, file_id IS NOT NULL"
_DUE = f"mirror = ? AND {WORK} AND state = ? AND parked = 0 AND due_at <= ?"
_ABOVE_ALL = b""
"""SQLite sorts every BLOB behind every text."""
_NAMES = 200
"""At most so many names in one query."""


class Job(NamedTuple):
    """A row that wants something done now."""

    path: str
    local: str
    size: int
    digest: bytes | None
    attempts: int
    since: float
    is_approved: bool


class DeleteWindow(NamedTuple):
    """The deletes that are due: how many, and between which times they were noted."""

    unapproved: int
    approved: int
    oldest: float
    newest: float


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """What is known of the mirror as a whole. Times are unix seconds."""

    rules: str
    hold: str
    hold_since: float | None
    hold_away: int
    """1: the hold ends when the volumes are back that were mounted at and below the root before."""
    volumes: str
    """What was mounted there when deletes were last trusted, as JSON; empty: never."""
    last_scan_at: float | None
    last_equal_at: float | None
    restored: str
    """From which copy these rows are, and what is in doubt of them, in words; empty: they are as they were written."""
    gap: int
    """1: rows were lost. Every delete needs a person's approval."""


class Manifest:
    """The rows of one mirror, which is known by its name, env and prefix together."""

    def __init__(self, reader: Reader, mirror: int, writer: Writer | None = None) -> None:
        """Read through `reader`; without a `writer`, that is all there is."""
        self._reader = reader
        self._mirror = mirror
        self._writer = writer

    def close(self) -> None:
        """Close what queries are answered from."""
        self._reader.close()

    def write(
        self,
        command: Callable[Concatenate[sqlite3.Connection, int, Arguments], Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> asyncio.Future[Result]:
        """Carry out one of the commands of `rows`; it is durable when the future is done. Raises StateError."""
        assert self._writer is not None, "opened for reading only"
        return self._writer.submit(lambda connection: command(connection, self._mirror, *arguments, **named))

    def records(self, directory: str) -> dict[str, Record]:
        """Give the rows of one directory by name."""
        rows = self._reader.rows(
            f"SELECT {_RECORD} FROM file WHERE mirror = ? AND directory = ?", (self._mirror, directory)
        )
        return {row[0]: Record._make(row[1:]) for row in rows}

    def lines(self, directory: str) -> list[Line]:
        """Give the rows of one directory as a list of its files. A row that is not proved is equal to no file."""
        rows: list[Line] = self._reader.rows(
            "SELECT name, size, mtime_ns, ctime_ns, iif(state = 0, inode, -1) FROM file"
            " WHERE mirror = ? AND directory = ?",
            (self._mirror, directory),
        )
        return rows

    def records_named(self, directory: str, names: Sequence[str]) -> dict[str, Record]:
        """Give the rows of some names of one directory."""
        found: dict[str, Record] = {}
        for start in range(0, len(names), _NAMES):
            some = names[start : start + _NAMES]
            rows = self._reader.rows(
                f"SELECT {_RECORD} FROM file WHERE mirror = ? AND directory = ? AND name IN"
                f" ({','.join('?' * len(some))})",
                (self._mirror, directory, *some),
            )
            found.update((row[0], Record._make(row[1:])) for row in rows)
        return found

    def records_at(self, paths: Iterable[str]) -> dict[str, Record]:
        """Give the rows of some paths."""
        names: defaultdict[str, list[str]] = defaultdict(list)
        for path in paths:
            directory, name = split(path)
            names[directory].append(name)
        return {
            join(directory, name): record
            for directory, some in names.items()
            for name, record in self.records_named(directory, some).items()
        }

    def directories(self, scope: str) -> list[str]:
        """Give every directory at or beneath `scope` that has rows."""
        lowest, highest = (scope + "/", scope + "0") if scope else ("", _ABOVE_ALL)
        rows = self._reader.rows(  # one index seek a directory, however many rows it has
            """
            WITH RECURSIVE step (directory) AS (
                SELECT min(directory) FROM file WHERE mirror = ?1 AND directory >= ?2 AND directory < ?3
                UNION ALL
                SELECT (SELECT min(directory) FROM file
                        WHERE mirror = ?1 AND directory > step.directory AND directory < ?3)
                FROM step WHERE step.directory IS NOT NULL)
            SELECT directory FROM step WHERE directory IS NOT NULL
            """,
            (self._mirror, lowest, highest),
        )
        directories = [row[0] for row in rows]
        if scope and self._reader.rows(
            "SELECT 1 FROM file WHERE mirror = ? AND directory = ? LIMIT 1", (self._mirror, scope)
        ):
            directories.append(scope)
        return directories

    def jobs(self, state: State, now: float, limit: int) -> list[Job]:
        """Give rows in `state` that are due, first those that have waited longest."""
        rows = self._reader.rows(
            "SELECT directory, name, local, size, digest, attempts, since, approved FROM file"
            f" WHERE {_DUE} ORDER BY due_at, since LIMIT ?",
            (self._mirror, state, now, limit),
        )
        return [
            Job(join(directory, name), local or join(directory, name), *rest) for directory, name, local, *rest in rows
        ]

    def has_held(self) -> bool:
        """Whether deletes are held."""
        return bool(
            self._reader.rows(
                f"SELECT 1 FROM file WHERE mirror = ? AND {WORK} AND state = ? AND parked = 0 LIMIT 1",
                (self._mirror, State.HELD),
            )
        )

    def next_due_at(self, now: float) -> float | None:
        """When the next row that waits for another attempt is due, or None."""
        due_at: float | None = self._reader.value(
            f"SELECT min(due_at) FROM file WHERE mirror = ? AND {WORK} AND state <> ? AND parked = 0 AND due_at > ?",
            (self._mirror, State.HELD, now),
        )
        return due_at

    def delete_window(self, now: float) -> DeleteWindow:
        """Describe the deletes that are due."""
        return DeleteWindow(
            *self._reader.row(
                "SELECT coalesce(sum(1 - approved), 0), coalesce(sum(approved), 0),"
                f" coalesce(min(since), 0), coalesce(max(since), 0) FROM file WHERE {_DUE}",
                (self._mirror, State.DELETE, now),
            )
        )

    def unapproved_deletes(self) -> list[str]:
        """Give the directories of deletes that wait, and that no person has approved."""
        rows = self._reader.rows(
            f"SELECT DISTINCT directory FROM file WHERE mirror = ? AND {WORK} AND state = ? AND approved = 0",
            (self._mirror, State.DELETE),
        )
        return [row[0] for row in rows]

    def released(self, since: float, until: float) -> int:
        """Count the deletes within a time that were carried out without anybody's approval."""
        count: int = self._reader.value(
            "SELECT coalesce(sum(count), 0) FROM released WHERE mirror = ? AND at BETWEEN ? AND ?",
            (self._mirror, since, until),
        )
        return count

    def oldest_upload(self, now: float) -> float | None:
        """Since when the longest waiting upload that is due now waits, or None where none is."""
        since: float | None = self._reader.value(
            f"SELECT min(since) FROM file WHERE {_DUE}", (self._mirror, State.UPLOAD, now)
        )
        return since

    def upload_sizes(self, sizes: Iterable[int]) -> set[int]:
        """Of these sizes, give those of which a file still wants to be sent: it may be the bytes of a renamed one."""
        asked, found = list(set(sizes)), set[int]()
        for start in range(0, len(asked), _NAMES):
            some = asked[start : start + _NAMES]
            rows = self._reader.rows(
                "SELECT DISTINCT size FROM file WHERE mirror = ? AND state = 1 AND parked = 0 AND size IN"
                f" ({','.join('?' * len(some))})",
                (self._mirror, *some),
            )
            found.update(row[0] for row in rows)
        return found

    def has_doubts(self) -> bool:
        """Whether an upload is left of which the cloud may hold other bytes, or none; but for those that are parked."""
        return bool(
            self._reader.rows(
                f"SELECT 1 FROM file WHERE mirror = ? AND {WORK} AND state = 1 AND parked = 0"
                " AND digest IS NULL AND file_id IS NOT NULL LIMIT 1",
                (self._mirror,),
            )
        )

    def record(self, path: str) -> Record | None:
        """Give one row."""
        directory, name = split(path)
        return self.records_named(directory, [name]).get(name)

    def files(self) -> int:
        """Count the files that the mirror has on disk, as far as is known: proved ones and those to be sent."""
        count: int = self._reader.value(
            "SELECT count(*) FROM file WHERE mirror = ? AND state IN (0, 1)", (self._mirror,)
        )
        return count

    def is_equal(self) -> bool:
        """Whether no row wants anything and nothing is held, parked or could not be judged."""
        work = f"SELECT 1 FROM file WHERE mirror = ?1 AND {WORK}"
        problems = "SELECT 1 FROM problem WHERE mirror = ?1 AND blocks = 1"
        query = f"SELECT EXISTS ({work}) OR EXISTS ({problems})"
        return not self._reader.value(query, (self._mirror,))

    def has_problems(self) -> bool:
        """Whether any path is known that could not be judged or mirrored."""
        query = "SELECT EXISTS (SELECT 1 FROM problem WHERE mirror = ?)"
        return bool(self._reader.value(query, (self._mirror,)))

    def mirror(self) -> MirrorRow:
        """Give what is known of the mirror as a whole."""
        return MirrorRow(
            *self._reader.row(
                "SELECT rules, hold, hold_since, hold_away, volumes, last_scan_at, last_equal_at, restored, gap"
                " FROM mirror WHERE id = ?",
                (self._mirror,),
            )
        )
