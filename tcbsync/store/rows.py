"""The manifest's SQL, as commands on a connection: what is written, in which words. Runs inside a transaction.

The order of an upload's life, each step durable before the next begins: `expect` (the row wants an upload), `sending`
(the file_id is known, the digest is not sure any more), `prove`. And of a delete's: `expect` (state DELETE), `deleting`
(not sure any more), `remove`. Whatever is cut off in between is found again by its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.model import Found, Plan, State, split
from tcbsync.store.database import WORK

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

AT = "mirror = ? AND directory = ? AND name = ?"

EXPECT_FILE = """
    INSERT INTO file (mirror, directory, name, size, mtime_ns, ctime_ns, inode, local, state, since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
    ON CONFLICT DO UPDATE SET
        size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, inode = excluded.inode,
        local = excluded.local, state = {state},
        since = CASE WHEN state = 1 AND {state} = 1 THEN since ELSE excluded.since END,
        attempts = 0, due_at = 0, parked = 0, approved = 0, code = '', reason = ''
"""
UPLOAD = EXPECT_FILE.format(state="1")
TOUCH = EXPECT_FILE.format(state="CASE WHEN digest IS NULL THEN 1 ELSE 0 END")
"""What a plan calls a touch is an upload where the object went, or stopped being sure, since the plan was made."""

GONE = f"""
    UPDATE file SET state = ?, since = ?, attempts = 0, due_at = 0, parked = 0, approved = 0, code = '', reason = '',
        inode = CASE WHEN state = 1 THEN -1 ELSE inode END  -- of bytes that were never sent: no file may equal it
    WHERE {AT}
"""


def _at(mirror: int, path: str) -> tuple[int, str, str]:
    return (mirror, *split(path))


def _expected(mirror: int, found: Found, now: float) -> tuple[object, ...]:
    local = found.local if found.local != found.path else None
    return (*_at(mirror, found.path), *found.fingerprint, local, now)


def expect(connection: sqlite3.Connection, mirror: int, plan: Plan, now: float) -> None:
    """Write down what `plan` wants. Afterwards the rows alone know what is to be done."""
    connection.executemany(UPLOAD, [_expected(mirror, upload.found, now) for upload in plan.uploads])
    connection.executemany(TOUCH, [_expected(mirror, touch.found, now) for touch in plan.touches])
    forgotten = [_at(mirror, delete.path) for delete in plan.deletes if not delete.was_sent]
    connection.executemany(f"DELETE FROM file WHERE {AT} AND file_id IS NULL", forgotten)
    gone = [(State.DELETE, now, *_at(mirror, delete.path)) for delete in plan.deletes if delete.was_sent]
    gone += [(State.KEPT, now, *_at(mirror, keep.path)) for keep in plan.keeps]
    connection.executemany(GONE, gone)


def sending(connection: sqlite3.Connection, mirror: int, found: Found, file_id: str, now: float) -> None:
    """Write down, before the first byte leaves, that an object may come to be under `file_id`."""
    local = found.local if found.local != found.path else None
    connection.execute(
        """
        INSERT INTO file (mirror, directory, name, size, mtime_ns, ctime_ns, inode, local, state, since, file_id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET
            size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, inode = excluded.inode,
            local = excluded.local, state = excluded.state, file_id = excluded.file_id, digest = NULL
        """,
        (*_at(mirror, found.path), *found.fingerprint, local, State.UPLOAD, now, file_id),
    )


def prove(connection: sqlite3.Connection, mirror: int, found: Found, now: float) -> None:
    """Write down that the cloud surely holds `found.digest`, which is what the file with this fingerprint contains."""
    connection.execute(
        "UPDATE file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, digest = ?, state = ?, since = ?,"
        f" attempts = 0, due_at = 0, parked = 0, approved = 0, code = '', reason = '' WHERE {AT}",
        (*found.fingerprint, found.digest, State.PROVED, now, *_at(mirror, found.path)),
    )


def fail(connection: sqlite3.Connection, mirror: int, path: str, code: str, reason: str, due_at: float | None) -> None:
    """Write down a failed attempt: tried again at `due_at`, or parked where that is None."""
    connection.execute(
        f"UPDATE file SET attempts = attempts + 1, code = ?, reason = ?, due_at = ?, parked = ? WHERE {AT}",
        (code, reason, due_at or 0, due_at is None, *_at(mirror, path)),
    )


def vanished(connection: sqlite3.Connection, mirror: int, path: str) -> None:
    """Write down that the file to send is not where its row says. Whatever is found under that path is another."""
    connection.execute(f"UPDATE file SET inode = -1 WHERE {AT} AND state = ?", (*_at(mirror, path), State.UPLOAD))


def deleting(connection: sqlite3.Connection, mirror: int, paths: Collection[str]) -> list[tuple[str, str]]:
    """Write down, before the call leaves, that these objects may go. Gives (path, file_id) of those still to delete."""
    ready = []
    for path in paths:
        row = connection.execute(
            f"UPDATE file SET digest = NULL WHERE {AT} AND state = ? RETURNING file_id",
            (*_at(mirror, path), State.DELETE),
        ).fetchone()
        if row:
            ready.append((path, row[0]))
    return ready


def remove(connection: sqlite3.Connection, mirror: int, paths: Collection[str]) -> None:
    """Forget rows whose objects the cloud has confirmed to be gone."""
    connection.executemany(
        f"DELETE FROM file WHERE {AT} AND state = ?", ((*_at(mirror, path), State.DELETE) for path in paths)
    )


def hold(connection: sqlite3.Connection, mirror: int, reason: str, now: float) -> None:
    """Hold every delete that no person approved; an empty reason lets them wait their turn again."""
    before, after = (State.DELETE, State.HELD) if reason else (State.HELD, State.DELETE)
    connection.execute(
        "UPDATE file SET state = ?, since = CASE WHEN ? THEN since ELSE ? END"
        f" WHERE mirror = ? AND {WORK} AND state = ? AND approved = 0 AND parked = 0",
        (after, bool(reason), now, mirror, before),
    )
    connection.execute(
        "UPDATE mirror SET hold = ?, hold_since = CASE WHEN ? = '' THEN NULL WHEN hold = '' THEN ? ELSE hold_since END"
        " WHERE id = ?",
        (reason, reason, now, mirror),
    )


def approve(connection: sqlite3.Connection, mirror: int) -> int:
    """Let the held deletes go; they are looked at on disk once more when they do. Gives their number."""
    count = connection.execute(
        f"UPDATE file SET state = ?, approved = 1, due_at = 0 WHERE mirror = ? AND {WORK} AND state = ?",
        (State.DELETE, mirror, State.HELD),
    ).rowcount
    connection.execute("UPDATE mirror SET hold = '', hold_since = NULL WHERE id = ?", (mirror,))
    return count


def retry(connection: sqlite3.Connection, mirror: int) -> int:
    """Try again, now, everything that is parked or waits for its next attempt. Gives their number."""
    return connection.execute(
        "UPDATE file SET parked = 0, due_at = 0, attempts = 0"
        f" WHERE mirror = ? AND {WORK} AND (parked = 1 OR due_at > 0)",
        (mirror,),
    ).rowcount


def note_problems(
    connection: sqlite3.Connection, mirror: int, covered: Collection[str], plan: Plan, now: float
) -> None:
    """Replace what is known to be troubled at or beneath the `covered` paths by what `plan` found there.

    What was known before keeps the time since when.
    """
    since: dict[bytes, float] = {}
    for path in covered:
        where = "" if not path else " AND (path = ? OR (path > ? AND path < ?))"
        beneath = () if not path else (_blob(path), _blob(path + "/"), _blob(path + "0"))
        known = connection.execute(
            f"DELETE FROM problem WHERE mirror = ?{where} RETURNING path, since", (mirror, *beneath)
        )
        since.update(known)
    rows = [(_blob(skipped.path), skipped.reason, 0) for skipped in plan.skipped]
    rows += [(_blob(problem.path), problem.reason, 1) for problem in plan.problems]
    connection.executemany(
        "INSERT INTO problem (mirror, path, reason, blocks, since) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET reason = excluded.reason, blocks = excluded.blocks",
        ((mirror, path, reason, blocks, since.get(path, now)) for path, reason, blocks in rows),
    )


def _blob(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def scanned(connection: sqlite3.Connection, mirror: int, rules: str, now: float) -> None:
    """Write down that the whole tree was looked at, and that all rows obey the ignore rules with this digest.

    An empty one: some may not.
    """
    connection.execute("UPDATE mirror SET rules = ?, last_scan_at = ? WHERE id = ?", (rules, now, mirror))


def distrust_rules(connection: sqlite3.Connection, mirror: int) -> None:
    """Write down that some rows may be there by other ignore rules than those of the last look at the whole tree."""
    connection.execute("UPDATE mirror SET rules = '' WHERE id = ?", (mirror,))


def equal(connection: sqlite3.Connection, mirror: int, now: float) -> None:
    """Write down that disk and cloud are known to be equal now."""
    connection.execute("UPDATE mirror SET last_equal_at = ? WHERE id = ?", (now, mirror))


def distrust(connection: sqlite3.Connection, mirror: int, paths: Collection[str]) -> int:
    """Send these proved files again: the cloud was seen not to hold them as it should. Gives their number."""
    count = 0
    for path in paths:
        count += connection.execute(
            f"UPDATE file SET state = ?, digest = NULL, due_at = 0 WHERE {AT} AND state = ?",
            (State.UPLOAD, *_at(mirror, path), State.PROVED),
        ).rowcount
    return count
