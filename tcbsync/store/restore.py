"""Restores a manifest from its newest good copy and the ledgers since. What they name is in doubt, and is proved anew.

Rule: nothing is thrown away. The damaged file is moved aside, after the new one is complete and on the disk; killed at
any moment, a start finds either a file that is damaged or missing, and begins anew, or the restored one. Where there is
nothing to restore from, or nothing left that could say what was lost, it refuses: an empty manifest would forget every
object.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.core.model import split
from tcbsync.store import shelf
from tcbsync.store.database import NO_ROOM, explained, open_database
from tcbsync.store.health import Health, examine
from tcbsync.store.ledger import doubts, last_seq

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

log = logging.getLogger(__name__)

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database. With another database in its place, it would be taken for that one's."""
NEXT = (
    "do not delete it: it is the only record of what is in the cloud. Put a backup of it in its place; or move it away,"
    " and begin with what `tcbsync manifest import` takes from an export"
)
_DOUBT = """
    INSERT INTO file (mirror, directory, name, size, mtime_ns, ctime_ns, inode, state, since, file_id)
    SELECT id, ?, ?, 0, 0, 0, -1, 1, ?, ? FROM mirror WHERE (name, env, prefix) = (?, ?, ?)
    ON CONFLICT DO UPDATE SET
        inode = -1, state = 1, digest = NULL, since = excluded.since, file_id = coalesce(excluded.file_id, file_id),
        attempts = 0, due_at = 0, parked = 0, approved = 0, code = '', reason = ''
"""
"""An upload of no file that can be there: a look at the disk says whether it becomes one, or a delete."""


class Replay(NamedTuple):
    """What the ledgers had to say: so many lines; and whether some of them, and so paths, are missing."""

    lines: int
    has_gap: bool


def replay(connection: sqlite3.Connection, folder: Path, now: float) -> Replay:
    """Put in doubt what the ledgers name and these rows do not know of. Belongs into a transaction."""
    (known,) = connection.execute("SELECT seq FROM ledger").fetchone()
    last, lines, has_gap = known, 0, False
    mirrors = set()
    for doubt in doubts(folder, known):
        mirror = doubt[1:4]
        if mirror not in mirrors:
            register(connection, *mirror)
            mirrors.add(mirror)
        connection.execute(_DOUBT, (*split(doubt.path), now, doubt.file_id, *mirror))
        has_gap |= doubt.seq > last + 1
        last, lines = max(last, doubt.seq), lines + 1
    connection.execute("UPDATE ledger SET seq = ?", (last,))
    return Replay(lines, has_gap)


class Sound(NamedTuple):
    """A copy that was looked at, and what is known of it."""

    copy: shelf.Copy
    health: Health


def newest_sound(folder: Path, *, whole: bool = True) -> Sound | None:
    """Give the newest copy that is sound; `whole`: see `examine`. The log says which ones are not."""
    for copy in shelf.copies(folder):
        health = examine(copy.path, whole=whole, is_copy=True)
        if not health.wrong:
            return Sound(copy, health)
        log.warning("the copy %s is damaged: %s", copy.path, health.wrong)
    return None


def can_restore(folder: Path) -> bool:
    """Whether there is anything on the shelf that speaks of objects in the cloud."""
    return bool(shelf.copies(folder)) or last_seq(folder) > 0


def restore(path: Path, why: str, now: float) -> None:
    """Put a manifest that is damaged or missing together anew, in its place. Raises StateDamaged, StateError."""
    folder = path.with_name(shelf.FOLDER)
    if not can_restore(folder):
        raise StateDamaged(f"the manifest {path} {why}, and there is no copy to restore it from", hint=NEXT)
    log.warning("the manifest %s %s; it is restored from what is in %s", path, why, folder)
    made = path.with_name(f"{path.name}.restoring")
    try:
        words = _make(made, folder, now)
        shelf.sync_file(made)
        _set_aside(path, now)
        made.replace(path)
        shelf.sync_file(path.parent)
    except OSError as error:
        raise StateError(f"the manifest {path} cannot be restored: {error.strerror}", hint=NO_ROOM) from error
    finally:
        _remove(made)
    log.warning("the manifest was %s", words)


def _make(made: Path, folder: Path, now: float) -> str:
    """Make the restored manifest. Gives in words how."""
    source = "rebuilt from the ledger alone"
    _remove(made)
    if sound := newest_sound(folder):
        made.touch(mode=0o600)
        shutil.copyfile(sound.copy.path, made)
        source = f"restored from the copy of {shelf.spoken(sound.copy.made_at)}"
    connection = open_database(made)
    with contextlib.closing(connection), explained(made):
        connection.execute("BEGIN IMMEDIATE")
        found = replay(connection, folder, now)
        has_gap = found.has_gap or lacks_ledger(folder, sound.copy if sound else None) or not (sound or found.lines)
        if has_gap and not connection.execute("SELECT EXISTS (SELECT 1 FROM mirror)").fetchone()[0]:
            raise StateDamaged(f"nothing in {folder} is left that the manifest could be restored from", hint=NEXT)
        say(connection, source, has_gap=has_gap)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")  # nothing of it may be beside it when it is moved
    return source + (", with gaps" if has_gap else "")


def say(connection: sqlite3.Connection, source: str, *, has_gap: bool) -> None:
    """Tell each mirror where its rows come from. What a person approved was said of other rows."""
    connection.execute("UPDATE file SET approved = 0 WHERE approved = 1")
    for mirror, name, had_gap in connection.execute("SELECT id, name, gap FROM mirror").fetchall():
        (count,) = connection.execute(
            "SELECT count(*) FROM file WHERE mirror = ? AND state IN (1, 2, 3) AND state = 1 AND inode = -1", (mirror,)
        ).fetchone()
        words = f"{source}; {count:,} {'path' if count == 1 else 'paths'} in doubt"
        if is_lost := has_gap or bool(had_gap):  # a gap that no person has seen does not close by itself
            words += f"; it does not know of everything that was sent since: deletes are held. {_advice(name)}"
        connection.execute("UPDATE mirror SET restored = ?, gap = ? WHERE id = ?", (words, is_lost, mirror))
        log.log(logging.ERROR if is_lost else logging.WARNING, "%s: %s", name, words)


def register(connection: sqlite3.Connection, name: str, env: str, prefix: str) -> None:
    """Write a mirror down, which is known by these three, before its first row; where it is known, do nothing.

    Beside one that has lost rows it may be one that has lost all of them.
    """
    (has_gap,) = connection.execute("SELECT EXISTS (SELECT 1 FROM mirror WHERE gap = 1)").fetchone()
    begun = f"begun beside mirrors that have lost rows, and maybe rows of its own; {_advice(name)}" if has_gap else ""
    connection.execute(
        "INSERT OR IGNORE INTO mirror (name, env, prefix, restored, gap) VALUES (?, ?, ?, ?, ?)",
        (name, env, prefix, begun, has_gap),
    )


def _advice(name: str) -> str:
    return f"`tcbsync verify --repair`, then `tcbsync approve {name}`"


def lacks_ledger(folder: Path, used: shelf.Copy | None) -> bool:
    """Whether a ledger is gone that began together with a copy, the `used` one or a later: its lines left no hole."""
    begun = {copy.generation for copy in shelf.copies(folder) if used is None or copy.generation >= used.generation}
    return not begun <= {ledger.generation for ledger in shelf.ledgers(folder)}


def _set_aside(path: Path, now: float) -> None:
    """Move the damaged file away, with what belongs to it. It may be the last thing that a person can learn from."""
    aside = path.with_name(f"{path.name}.damaged-{shelf.stamp(now)}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{shelf.stamp(now)}-{number}")
    for suffix in ("", *BESIDE):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")  # noqa: PTH104 - of a name, not of a path
    shelf.sync_file(path.parent)


def _remove(path: Path) -> None:
    for suffix in ("", *BESIDE):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink()
