"""What a person asks of the manifest: counts, failed files, held deletes, what is proved. Queries only.

Works beside a running daemon, and without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.model import Fingerprint, State, covers, join, split
from tcbsync.store.answers import Counts, Failure, Held, Leftover, Proved, Row, Stored, Wanting
from tcbsync.store.database import WORK
from tcbsync.store.rows import AT

if TYPE_CHECKING:
    from tcbsync.store.reader import Reader


ALL = -1
"""SQLite: a negative LIMIT is none."""


class Report:
    """The rows of one mirror, to be read."""

    def __init__(self, reader: Reader, mirror: int) -> None:
        self.version = reader.version
        self._reader = reader
        self._mirror = mirror
        self._counted: tuple[tuple[int, int], Counts] | None = None

    def counts(self) -> Counts:
        """Count the rows. Reads the whole index of work, and the table once; nothing where no row was written since."""
        version = self._reader.version()
        if self._counted is None or self._counted[0] != version:
            self._counted = (version, self._count())
        return self._counted[1]

    def _count(self) -> Counts:
        tally: dict[tuple[int, int, bool], int] = {}
        waiting = []
        for state, parked, has_failed, count, since in self._reader.rows(
            "SELECT state, parked, attempts > 0, count(*), min(since) FROM file"
            f" WHERE mirror = ? AND {WORK} GROUP BY 1, 2, 3",
            (self._mirror,),
        ):
            tally[state, parked, bool(has_failed)] = count
            if not parked and state != State.HELD:
                waiting.append(since)
        working = sum(tally.values())
        everything, kept, size = self._reader.row(
            "SELECT count(*), coalesce(sum(state = 4), 0), coalesce(sum(CASE state WHEN 0 THEN size END), 0)"
            " FROM file WHERE mirror = ?",
            (self._mirror,),
        )
        pending_size = self._reader.value(
            "SELECT coalesce(sum(size), 0) FROM file WHERE mirror = ? AND state = 1 AND parked = 0", (self._mirror,)
        )
        return Counts(
            files=everything - working - kept,
            pending_uploads=sum(n for (state, parked, _), n in tally.items() if state == State.UPLOAD and not parked),
            pending_deletes=sum(n for (state, parked, _), n in tally.items() if state == State.DELETE and not parked),
            failed=sum(n for (_, parked, has_failed), n in tally.items() if parked or has_failed),
            held_deletes=sum(n for (state, _, _), n in tally.items() if state == State.HELD),
            kept=kept,
            parked=sum(n for (_, parked, _), n in tally.items() if parked),
            bytes=size,
            pending_bytes=pending_size,
            oldest_pending=min(waiting, default=None),
        )

    def failures(self, limit: int = ALL) -> list[Failure]:
        """List the files that failed: the parked ones, and those that wait for another attempt."""
        rows = self._reader.rows(
            "SELECT directory, name, code, reason, attempts, due_at, parked, since FROM file"
            f" WHERE mirror = ? AND {WORK} AND (parked = 1 OR attempts > 0) ORDER BY directory, name LIMIT ?",
            (self._mirror, limit),
        )
        return [
            Failure(join(directory, name), code, reason, attempts, None if parked else due_at, since)
            for directory, name, code, reason, attempts, due_at, parked, since in rows
        ]

    def wanting(self, scope: str, uploads_until: float, deletes_until: float) -> Wanting:
        """Count what wants something at or beneath `scope` and was noted until then; of what is held, all of it."""
        where, values = _beneath(scope)
        uploads = deletes = later = parked = held = 0
        latest = 0.0
        for state, is_parked, has_failed, count, newest in self._reader.rows(
            "SELECT state, parked, attempts > 0, count(*), max(since) FROM file"
            f" WHERE mirror = ? AND {WORK} AND (state = 3 OR since <= iif(state = 1, ?, ?)){where} GROUP BY 1, 2, 3",
            (self._mirror, uploads_until, deletes_until, *values),
        ):
            latest = max(latest, newest)
            if state == State.HELD:
                held += count
            elif is_parked:
                parked += count
            else:
                uploads += count if state == State.UPLOAD else 0
                deletes += count if state == State.DELETE else 0
                later += count if has_failed else 0
        return Wanting(uploads, deletes, later, parked, held, latest)

    def failures_beneath(self, scope: str, limit: int) -> list[Failure]:
        """List some of the rows at or beneath `scope` that want something, the failed ones first."""
        where, values = _beneath(scope)
        rows = self._reader.rows(
            "SELECT directory, name, code, reason, attempts, due_at, parked, since, state FROM file"
            f" WHERE mirror = ? AND {WORK}{where} ORDER BY parked DESC, attempts DESC, directory, name LIMIT ?",
            (self._mirror, *values, limit),
        )
        return [
            Failure(
                join(directory, name),
                code or State(state).name.lower(),
                reason,
                attempts,
                None if parked else due_at,
                since,
            )
            for directory, name, code, reason, attempts, due_at, parked, since, state in rows
        ]

    def problems_about(self, scope: str, *, blocking: bool) -> list[str]:
        """Say why paths at, beneath or above `scope` could not be judged, or (not `blocking`) not be mirrored."""
        rows = self._reader.rows(
            "SELECT path, reason FROM problem WHERE mirror = ? AND blocks >= ? ORDER BY path", (self._mirror, blocking)
        )
        found = [(path.decode("utf-8", "surrogateescape"), reason) for path, reason in rows]
        return [reason for path, reason in found if covers(scope, path) or covers(path, scope)]

    def row(self, path: str) -> Row | None:
        """Give all that is known of one path, or None."""
        row = self._reader.row(
            "SELECT state, size, mtime_ns, ctime_ns, inode, digest, file_id, local, since, attempts, due_at, parked,"
            f" approved, code, reason FROM file WHERE {AT}",
            (self._mirror, *split(path)),
        )
        if row is None:
            return None
        state, size, mtime_ns, ctime_ns, inode, digest, *rest = row
        file_id, local, since, attempts, due_at, parked, approved, code, reason = rest
        fingerprint = Fingerprint(size, mtime_ns, ctime_ns, inode)
        words = (bool(parked), bool(approved), code, reason)
        return Row(State(state), fingerprint, digest, file_id, local, since, attempts, due_at, *words)

    def problems(self, limit: int = ALL) -> list[tuple[str, str, bool, float]]:
        """List what could not be judged or mirrored: (path, reason, blocks, since)."""
        rows = self._reader.rows(
            "SELECT path, reason, blocks, since FROM problem WHERE mirror = ? ORDER BY blocks DESC, path LIMIT ?",
            (self._mirror, limit),
        )
        return [(path.decode("utf-8", "surrogateescape"), reason, bool(b), since) for path, reason, b, since in rows]

    def held(self, limit: int = ALL) -> list[Held]:
        """List the deletes that wait for approval."""
        rows = self._reader.rows(
            f"SELECT directory, name, file_id, since FROM file WHERE mirror = ? AND {WORK} AND state = ?"
            " ORDER BY directory, name LIMIT ?",
            (self._mirror, State.HELD, limit),
        )
        return [Held(join(directory, name), file_id, since) for directory, name, file_id, since in rows]

    def proved(self, after: str = "", limit: int = 1000) -> list[Proved]:
        """List proved files in the order of (directory, name), from the one after `after` on."""
        directory, name = split(after)
        rows = self._reader.rows(
            "SELECT directory, name, file_id, size, digest FROM file WHERE mirror = ? AND state = 0"
            " AND (directory, name) > (?, ?) ORDER BY directory, name LIMIT ?",
            (self._mirror, directory, name, limit),
        )
        return [Proved(join(row[0], row[1]), *row[2:]) for row in rows]

    def stored(self, path: str) -> Stored | None:
        """Give a file that the cloud surely holds, as the disk spells it, or None."""
        row = self._reader.row(
            f"SELECT local, size, digest FROM file WHERE {AT} AND state = 0", (self._mirror, *split(path))
        )
        return row and Stored(row[0] or path, *row[1:])

    def file_id(self, path: str) -> str | None:
        """Give the id under which the cloud surely holds a path, or None."""
        row = self._reader.row(
            f"SELECT file_id FROM file WHERE {AT} AND digest IS NOT NULL", (self._mirror, *split(path))
        )
        return row[0] if row else None

    def blocking_problems(self) -> int:
        """Count the paths that could not be judged."""
        query = "SELECT count(*) FROM problem WHERE mirror = ? AND blocks = 1"
        count: int = self._reader.value(query, (self._mirror,))
        return count

    def skipped(self) -> int:
        """Count the names that were looked at and cannot be mirrored."""
        query = "SELECT count(*) FROM problem WHERE mirror = ? AND blocks = 0"
        count: int = self._reader.value(query, (self._mirror,))
        return count

    def hold(self) -> str:
        """Say why deletes are held; empty where they are not."""
        reason: str = self._reader.value("SELECT hold FROM mirror WHERE id = ?", (self._mirror,))
        return reason

    def hold_since(self) -> float | None:
        """Say since when deletes are held, or the root cannot be seen; None where neither is so."""
        since: float | None = self._reader.value(
            "SELECT coalesce((SELECT since FROM problem WHERE mirror = id AND path = x'' AND blocks = 1), hold_since)"
            " FROM mirror WHERE id = ?",
            (self._mirror,),
        )
        return since

    def restored(self) -> str:
        """Say from which copy these rows are, and what is in doubt of them; empty where nothing is."""
        words: str = self._reader.value("SELECT restored FROM mirror WHERE id = ?", (self._mirror,))
        return words

    def times(self) -> tuple[float | None, float | None]:
        """Give the end of the last full scan, and when disk and cloud were last known to be equal (unix seconds)."""
        query = "SELECT last_scan_at, last_equal_at FROM mirror WHERE id = ?"
        scan, equal = self._reader.row(query, (self._mirror,))
        return scan, equal


def find_mirror(reader: Reader, name: str, env: str, prefix: str) -> int | None:
    """Give the number of a mirror, or None where nothing was ever written for it."""
    row = reader.row("SELECT id FROM mirror WHERE (name, env, prefix) = (?, ?, ?)", (name, env, prefix))
    return row[0] if row else None


def leftovers(reader: Reader, known: set[tuple[str, str, str]]) -> list[Leftover]:
    """List mirrors with objects in the cloud that are none of the `known` (name, env, prefix)."""
    rows = reader.rows(
        "SELECT name, env, prefix, (SELECT count(*) FROM file WHERE mirror = id AND file_id IS NOT NULL) FROM mirror"
    )
    return [Leftover(*row) for row in rows if row[:3] not in known and row[3]]


def _beneath(scope: str) -> tuple[str, tuple[str, ...]]:
    """Give a condition for rows at or beneath `scope`, and its values."""
    if not scope:
        return "", ()
    where = " AND (directory = ? AND name = ? OR directory = ? OR directory > ? AND directory < ?)"
    return where, (*split(scope), scope, scope + "/", scope + "0")
