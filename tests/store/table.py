"""The rows of one mirror in a database of its own, for tests that need no process and no thread."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from tcbsync.core.model import Delete, Fingerprint, Found, Plan, Record, Touch, Upload, split
from tcbsync.core.plan import reconcile
from tcbsync.store import rows
from tcbsync.store.database import open_database
from tcbsync.store.manifest import Manifest
from tcbsync.store.reader import Reader
from tcbsync.store.report import Report
from tests.core.values import snapshot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

NOW = 1_000.0
LATER = NOW + 60
FRESH = {"attempts": 0, "due_at": 0, "parked": 0, "approved": 0, "code": "", "reason": ""}
"""What a row says that nothing has happened to."""


def digest_of(content: str) -> bytes:
    """Return what stands for the MD5 of a content."""
    return content.encode().ljust(16, b"-")


def file_id(path: str) -> str:
    """Return the id that the cloud gives to a path."""
    return f"cloud://env.6d79-env-1300000000/{path}"


class Table:
    """Mirror number 1 of a database in memory; each command runs in a transaction, as the writer runs it."""

    def __init__(self, mirrors: int = 1) -> None:
        self.connection = open_database(":memory:")
        for number in range(1, mirrors + 1):
            self.connection.execute(
                "INSERT INTO mirror (id, name, env, prefix) VALUES (?, ?, 'e', '')", (number, number)
            )
        self.reader = Reader(self.connection)
        self.manifest = Manifest(self.reader, 1)
        self.report = Report(self.reader, 1)

    def close(self) -> None:
        """Forget it all."""
        self.connection.close()

    def do(
        self,
        command: Callable[Concatenate[sqlite3.Connection, int, Arguments], Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Carry out a command for mirror 1."""
        return self.do_for(1, command, *arguments, **named)

    def do_for(
        self,
        mirror: int,
        command: Callable[Concatenate[sqlite3.Connection, int, Arguments], Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Carry out a command for any mirror."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = command(self.connection, mirror, *arguments, **named)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return result

    def row(self, path: str) -> dict[str, Any] | None:
        """Return a whole row by column, or None."""
        cursor = self.connection.execute(f"SELECT * FROM file WHERE {rows.AT}", (1, *split(path)))
        values = cursor.fetchone()
        return (
            None
            if values is None
            else {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
        )

    def records(self) -> dict[str, Record]:
        """Return every row as `reconcile` sees it, by path."""
        paths = self.connection.execute("SELECT directory || iif(directory = '', '', '/') || name FROM file")
        return {path: record for (path,) in paths.fetchall() if (record := self.manifest.record(path))}

    # -- the steps of a file's life -----------------------------------------------------------------------------------

    def upload(self, found: Found, now: float = NOW) -> None:
        """Want an upload."""
        self.do(rows.expect, Plan(uploads=[Upload(found, replaces=False)]), now)

    def send(self, found: Found, mirror: int = 1) -> None:
        """Want an upload, unless one is wanted already, and let the first byte leave."""
        if not self.do_for(mirror, rows.sending, found, file_id(found.path)):
            self.do_for(mirror, rows.expect, Plan(uploads=[Upload(found, replaces=False)]), NOW)
            assert self.do_for(mirror, rows.sending, found, file_id(found.path))

    def prove(self, found: Found, now: float = NOW) -> None:
        """Take a file from nothing to proved."""
        self.upload(found, now)
        self.send(found)
        self.do(rows.prove, found, now)

    def touch(self, found: Found, now: float = NOW) -> None:
        """Note that the cloud holds these bytes already."""
        self.do(rows.expect, Plan(touches=[Touch(found)]), now)

    def look(self, disk: Mapping[str, Fingerprint], now: float = NOW, *, deletes: bool = True) -> None:
        """Compare everything with what is on the disk, and write down what that wants."""
        self.do(rows.expect, self.plan(disk, deletes=deletes), now)

    def plan(self, disk: Mapping[str, Fingerprint], *, deletes: bool = True) -> Plan:
        """Compare everything with what is on the disk."""
        directories: defaultdict[str, dict[str, Fingerprint]] = defaultdict(dict)
        for path, fingerprint in disk.items():
            directory, name = split(path)
            directories[directory][name] = fingerprint
        plan = Plan()
        for directory in sorted(directories.keys() | set(self.manifest.directories(""))):
            seen = snapshot(directories[directory], directory=directory)
            part = reconcile(seen, self.manifest.records(directory), deletes=deletes)
            for kind in ("uploads", "touches", "deletes", "keeps"):
                getattr(plan, kind).extend(getattr(part, kind))
        return plan


def file(path: str, content: str | None = "one", moment: int = 1) -> Found:
    """Return a file with a content that somebody has read, or (None) that nobody has."""
    fingerprint = Fingerprint(len(content or ""), moment, moment, 6 + moment)
    return Found(path, fingerprint, path, None if content is None else digest_of(content))


def fingerprints(files: Iterable[Found]) -> dict[str, Fingerprint]:
    """Return a disk that holds exactly these files."""
    return {each.path: each.fingerprint for each in files}


def fingerprint(row: dict[str, object]) -> tuple[object, ...]:
    """Return the columns that say which state of the file a row speaks about."""
    return tuple(row[part] for part in ("size", "mtime_ns", "ctime_ns", "inode"))


def known(table: Table, path: str) -> dict[str, object]:
    """Return a row that has to be there."""
    row = table.row(path)
    assert row is not None
    return row


def forget(path: str, *, was_sent: bool) -> Plan:
    """Return a plan that wants a path gone."""
    return Plan(deletes=[Delete(path, was_sent=was_sent)])
