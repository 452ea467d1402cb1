"""The manifest's SQL, as commands on a connection: what is written, in which words. Runs inside a transaction.

The order of an upload's life, each step durable before the next begins: `expect` (the row wants an upload), `sending`
(the file_id is known, the digest is not sure any more), `prove`. And of a delete's: `expect` (state DELETE), `deleting`
(not sure any more), `remove`. Whatever is cut off in between is found again by its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.errors import StateError
from tcbsync.core.model import Found, Plan, State, join, split
from tcbsync.core.safety import WINDOW_SECONDS, listing_of
from tcbsync.store.database import WORK

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

AT = "mirror = ? AND directory = ? AND name = ?"

EXPECT_FILE = """
    INSERT INTO file (mirror, directory, name, size, mtime_ns, ctime_ns, inode, local, state, since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
    ON CONFLICT DO UPDATE SET
        size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, inode = excluded.inode,
        local = excluded.local, state = {state},
        since = CASE WHEN state = {state} THEN since ELSE excluded.since END,
        attempts = CASE WHEN {waits} THEN attempts ELSE 0 END, due_at = CASE WHEN {waits} THEN due_at ELSE 0 END,
        code = CASE WHEN {waits} THEN code ELSE '' END, reason = CASE WHEN {waits} THEN reason ELSE '' END,
        parked = 0, approved = 0
"""
UPLOAD = EXPECT_FILE.format(state="1", waits="state = 1 AND code = 'changing'")
"""That a file which changes all the time has changed once more is no news: it waits for its next attempt."""
TOUCH = EXPECT_FILE.format(state="CASE WHEN digest IS NULL THEN 1 ELSE 0 END", waits="FALSE")
"""What a plan calls a touch is an upload where the object went, or stopped being sure, since the plan was made."""

GONE = f"""
    UPDATE file SET state = ?, since = ?, attempts = 0, due_at = 0, parked = 0, approved = 0, code = '', reason = '',
        inode = CASE WHEN state = 1 THEN -1 ELSE inode END  -- of bytes that were never sent: no file may equal it
    WHERE {AT}
"""
FAILED = f"UPDATE file SET attempts = attempts + 1, code = ?, reason = ?, due_at = ?, parked = ? WHERE {AT}"


def _at(mirror: int, path: str) -> tuple[int, str, str]:
    return (mirror, *split(path))


def _expected(mirror: int, found: Found, now: float) -> tuple[object, ...]:
    local = found.local if found.local != found.path else None
    return (*_at(mirror, found.path), *found.fingerprint, local, now)


def expect(connection: sqlite3.Connection, mirror: int, plan: Plan, now: float) -> None:
    """Write down what `plan` wants. Afterwards the rows alone know what is to be done.

    There may be a million deletes, so no list is made of them.
    """
    connection.executemany(UPLOAD, [_expected(mirror, upload.found, now) for upload in plan.uploads])
    connection.executemany(TOUCH, [_expected(mirror, touch.found, now) for touch in plan.touches])
    forgotten = (_at(mirror, delete.path) for delete in plan.deletes if not delete.was_sent)
    connection.executemany(f"DELETE FROM file WHERE {AT} AND file_id IS NULL", forgotten)
    gone = ((State.DELETE, now, *_at(mirror, delete.path)) for delete in plan.deletes if delete.was_sent)
    connection.executemany(GONE, gone)
    kept = ((State.KEPT, now, *_at(mirror, keep.path)) for keep in plan.keeps)
    connection.executemany(GONE, kept)


def sending(connection: sqlite3.Connection, mirror: int, found: Found, file_id: str) -> bool:
    """Write down, before the first byte leaves, that an object may come to be under `file_id`.

    Gives whether the row still wants that; where a look has decided otherwise meanwhile, nothing may leave.
    """
    local = found.local if found.local != found.path else None
    return (
        connection.execute(
            "UPDATE file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, local = ?, file_id = ?, digest = NULL"
            f" WHERE {AT} AND state = ?",
            (*found.fingerprint, local, file_id, *_at(mirror, found.path), State.UPLOAD),
        ).rowcount
        > 0
    )


def prove(connection: sqlite3.Connection, mirror: int, found: Found, now: float) -> bool:
    """Write down that the cloud surely holds `found.digest`, which is what the file with this fingerprint contains.

    Gives whether the row still wanted that; where a look has decided otherwise meanwhile, its word stands.
    """
    return (
        connection.execute(
            "UPDATE file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, digest = ?, state = ?, since = ?,"
            f" attempts = 0, due_at = 0, parked = 0, approved = 0, code = '', reason = '' WHERE {AT} AND state = ?",
            (*found.fingerprint, found.digest, State.PROVED, now, *_at(mirror, found.path), State.UPLOAD),
        ).rowcount
        > 0
    )


def fail(connection: sqlite3.Connection, mirror: int, path: str, code: str, reason: str, due_at: float | None) -> None:
    """Write down a failed attempt: tried again at `due_at`, or parked where that is None."""
    connection.execute(FAILED, (code, reason, due_at or 0, due_at is None, *_at(mirror, path)))


def fail_upload(
    connection: sqlite3.Connection, mirror: int, path: str, code: str, reason: str, due_at: float | None
) -> None:
    """Write down a failed upload, unless a look has found meanwhile that there is nothing to send any more."""
    values = (code, reason, due_at or 0, due_at is None, *_at(mirror, path), State.UPLOAD)
    connection.execute(f"{FAILED} AND state = ?", values)


def vanished(connection: sqlite3.Connection, mirror: int, path: str) -> None:
    """Write down that the file to send is not where its row says. Whatever is found under that path is another."""
    connection.execute(f"UPDATE file SET inode = -1 WHERE {AT} AND state = ?", (*_at(mirror, path), State.UPLOAD))


def deleting(
    connection: sqlite3.Connection, mirror: int, paths: Collection[str], decided: Mapping[str, float] | None = None
) -> list[tuple[str, str]]:
    """Write down, before the call leaves, that these objects may go. Gives (path, file_id) of those still to delete.

    `decided`: when each delete was decided. One that was decided since is another, which nobody has judged yet.
    """
    ready = []
    for path in paths:
        since = None if decided is None else decided[path]
        row = connection.execute(
            f"UPDATE file SET digest = NULL WHERE {AT} AND state = ? AND (? IS NULL OR since = ?) RETURNING file_id",
            (*_at(mirror, path), State.DELETE, since, since),
        ).fetchone()
        if row:
            ready.append((path, row[0]))
    return ready


def remove(connection: sqlite3.Connection, mirror: int, paths: Collection[str], now: float) -> None:
    """Forget rows whose objects the cloud has confirmed to be gone; remember how many of them nobody had approved."""
    unapproved = 0
    for path in paths:
        row = connection.execute(
            f"DELETE FROM file WHERE {AT} AND state = ? RETURNING approved", (*_at(mirror, path), State.DELETE)
        ).fetchone()
        unapproved += row is not None and not row[0]
    if unapproved:
        connection.execute("DELETE FROM released WHERE mirror = ? AND at < ?", (mirror, now - WINDOW_SECONDS))
        connection.execute("INSERT INTO released (mirror, at, count) VALUES (?, ?, ?)", (mirror, now, unapproved))


def excuse_moved(connection: sqlite3.Connection, mirror: int, now: float) -> int:
    """Let those deletes go whose bytes have come to be in the cloud under a new path meanwhile: they were renamed.

    One new path excuses one delete. Gives the number of deletes.
    """
    return connection.execute(
        f"""
        UPDATE file SET approved = 1 WHERE mirror = ?1 AND {WORK} AND state = 2 AND (directory, name) IN (
            WITH gone AS (
                SELECT directory, name, digest, row_number() OVER (PARTITION BY digest) AS nth
                FROM file WHERE mirror = ?1 AND {WORK} AND state = 2 AND approved = 0 AND digest IS NOT NULL),
            come AS (
                SELECT digest, count(*) AS copies FROM file
                WHERE mirror = ?1 AND state = 0 AND since >= ?2 AND digest IN (SELECT digest FROM gone) GROUP BY digest)
            SELECT directory, name FROM gone JOIN come USING (digest) WHERE nth <= copies)
        """,
        (mirror, now - WINDOW_SECONDS),
    ).rowcount


def hold(connection: sqlite3.Connection, mirror: int, reason: str, now: float, *, away: Collection[str] = ()) -> None:
    """Hold every delete that no person approved.

    `away` are paths at which another volume lies than before: only what is beneath them is held, until that is back.
    """
    (is_old,) = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM file WHERE mirror = ? AND {WORK} AND state = 3)", (mirror,)
    ).fetchone()  # else the one before ended when its files came back, and nobody has written that down
    for path in away or ("",):
        where = " AND (directory = ? OR (directory > ? AND directory < ?))" if path else ""
        beneath = (path, path + "/", path + "0") if path else ()
        connection.execute(
            f"UPDATE file SET state = 3 WHERE mirror = ? AND {WORK} AND state = 2 AND approved = 0 AND parked = 0"
            + where,
            (mirror, *beneath),
        )
    connection.execute(
        "UPDATE mirror SET hold = ?, hold_since = CASE WHEN hold = '' OR NOT ? THEN ? ELSE hold_since END,"
        " hold_away = max(hold_away, ?) WHERE id = ?",
        (reason, is_old, now, bool(away), mirror),
    )


def end_hold(connection: sqlite3.Connection, mirror: int, now: float) -> None:
    """Let what is still held wait its turn again, from now on: the guard judges it anew."""
    connection.execute(f"UPDATE file SET state = 2, since = ? WHERE mirror = ? AND {WORK} AND state = 3", (now, mirror))
    connection.execute(NO_HOLD, (mirror,))


NO_HOLD = "UPDATE mirror SET hold = '', hold_since = NULL, hold_away = 0 WHERE id = ?"


def approve(connection: sqlite3.Connection, mirror: int, listing: str = "") -> int:
    """Let the held deletes go; they are looked at on disk once more when they do. Gives their number.

    `listing` names the list that a person has seen. Raises StateError where others are held by now.
    """
    if listing:
        held = connection.execute(
            f"SELECT directory, name FROM file WHERE mirror = ? AND {WORK} AND state = 3", (mirror,)
        )
        if listing != listing_of(join(*row) for row in held):
            raise StateError(
                "other deletes are held now than those that were listed; nothing was approved",
                hint="look at `tcbsync held` once more",
            )
    count = connection.execute(
        f"UPDATE file SET state = 2, approved = 1, due_at = 0 WHERE mirror = ? AND {WORK} AND state = 3", (mirror,)
    ).rowcount
    connection.execute(NO_HOLD, (mirror,))
    connection.execute("UPDATE mirror SET gap = 0 WHERE id = ?", (mirror,))
    return count


def trust(connection: sqlite3.Connection, mirror: int, volumes: str) -> None:
    """Write down what is mounted at and below the root, as JSON: deletes that are seen there are believed."""
    connection.execute("UPDATE mirror SET volumes = ? WHERE id = ?", (volumes, mirror))


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


def settled(connection: sqlite3.Connection, mirror: int) -> bool:
    """Write down that nothing is in doubt any more of what was restored. Gives whether that is news."""
    query = "UPDATE mirror SET restored = '' WHERE id = ? AND gap = 0 AND restored <> ''"
    return connection.execute(query, (mirror,)).rowcount > 0


def distrust(connection: sqlite3.Connection, mirror: int, paths: Collection[str]) -> int:
    """Send these proved files again: the cloud was seen not to hold them as it should. Gives their number."""
    count = 0
    for path in paths:
        count += connection.execute(
            f"UPDATE file SET state = ?, digest = NULL, due_at = 0 WHERE {AT} AND state = ?",
            (State.UPLOAD, *_at(mirror, path), State.PROVED),
        ).rowcount
    return count
