"""Opens the manifest as a process that will write to it must: checked, restored where need be, and watched.

Rule: where a manifest once was, none that is empty takes its place.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.store import database, shelf, snapshots
from tcbsync.store.health import Health, examine, take_mark
from tcbsync.store.ledger import Ledger, last_seq
from tcbsync.store.restore import NEXT, can_restore, lacks_ledger, newest_sound, replay, restore, say

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A manifest that is sound and open for writing."""

    connection: sqlite3.Connection
    ledger: Ledger
    checked_at: float
    """When every page of it was last read (unix seconds)."""
    is_copy_due: bool
    """A copy should be made soon: a part of the ledger is missing."""


def open_manifest(path: Path, now: float) -> Opened:
    """Open the manifest at `path`; the caller holds the state directory. Raises StateDamaged, StateError."""
    folder = path.with_name(shelf.FOLDER)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        shelf.tidy(folder)
        checked_at = _heal(path, folder, now)
        _copy_before_migration(path, folder, now)
        with contextlib.ExitStack() as stack:
            path.touch(mode=0o600)
            connection = database.open_database(path)
            stack.callback(connection.close)
            is_whole = _catch_up(connection, path, now, was_read=checked_at == now)
            ledger = Ledger(folder, len(database.MIGRATIONS), _seq(connection))
            ledger.watch(connection)
            stack.pop_all()
    except OSError as error:
        raise StateError(
            f"the state directory {path.parent} cannot be used: {error.strerror}", hint=database.NO_ROOM
        ) from error
    return Opened(connection, ledger, checked_at, is_copy_due=not is_whole)


def _heal(path: Path, folder: Path, now: float) -> float:
    """See that what is at `path` is sound, or restore it. Gives when it was last read as a whole."""
    checked_at = take_mark(path, now)
    if not path.exists() or not path.stat().st_size:
        _refuse_to_forget(path, folder)
        if can_restore(folder):
            restore(path, "is missing" if not path.exists() else "is empty", now)
        return now
    newest = max((ledger.schema for ledger in shelf.ledgers(folder)), default=None)
    health = examine(path, whole=checked_at is None, newest=newest)
    if wrong := health.wrong or _unlike_copy(health, folder):
        restore(path, f"is damaged ({wrong})", now)
    return now if wrong or checked_at is None else checked_at


def _unlike_copy(health: Health, folder: Path) -> str:
    """Compare with the newest copy that is sound what no page tells by itself."""
    known = newest_sound(folder, whole=bool(health.mixed))
    return "" if known is None else health.unlike(known.health)


def _refuse_to_forget(path: Path, folder: Path) -> None:
    aside = sorted(path.parent.glob(f"{path.name}.damaged-*"))
    if aside and not can_restore(folder):
        raise StateDamaged(
            f"the manifest {path} is missing, there is no copy of it, and a damaged one is at {aside[-1]}", hint=NEXT
        )


def _copy_before_migration(path: Path, folder: Path, now: float) -> None:
    """Keep what an older version wrote, as it is, before its schema is changed."""
    if not path.exists() or not path.stat().st_size:
        return
    with database.connecting(path) as connection, contextlib.closing(connection):
        version = database.check_version(connection, path)
    if 0 < version < len(database.MIGRATIONS):
        ledger = Ledger(folder, len(database.MIGRATIONS), 0)
        generation = ledger.begin()
        ledger.close()
        kept = snapshots.take(path, generation, now)
        log.info("the manifest is brought up to date; %s is a copy of it as it was", kept)


def _catch_up(connection: sqlite3.Connection, path: Path, now: float, *, was_read: bool) -> bool:
    """Put in doubt what the ledger names and the rows do not know of. Gives whether copy and ledgers tell of all rows.

    That is what a stop between the line and its commit leaves; or commits that were acknowledged and are lost. The copy
    is read as a whole when the manifest itself `was_read` as one, and where the ledger that began with it is gone too.
    """
    folder = path.with_name(shelf.FOLDER)
    known, last = _seq(connection), last_seq(folder)
    if last > known:
        with database.explained(path):
            connection.execute("BEGIN IMMEDIATE")
            lines, has_gap = replay(connection, folder, now)
            if has_gap:
                say(connection, "put back from elsewhere", has_gap=True)
            connection.execute("COMMIT")
        log.warning("the manifest did not know of %d lines of the ledger: these paths are proved anew", lines)
    if last >= known:
        return True
    newest = next(iter(shelf.copies(folder)), None)  # the last line that it knows of may be the last of all
    copy = newest_sound(folder, whole=was_read or (newest is not None and lacks_ledger(folder, newest)))
    return copy is not None and copy.health.seq >= known


def _seq(connection: sqlite3.Connection) -> int:
    seq: int = connection.execute("SELECT seq FROM ledger").fetchone()[0]
    return seq
