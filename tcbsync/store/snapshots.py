"""Makes copies of the manifest, by SQLite's own backup, while work goes on: the writer is never held up.

Rule: a copy counts only when it has been read as a whole and found sound, and is on the disk under its final name.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.store import shelf
from tcbsync.store.database import NO_ROOM, connecting
from tcbsync.store.health import examine

if TYPE_CHECKING:
    from pathlib import Path

COPY_SECONDS = 24 * 3600.0
"""A copy is made after so long, if anything was in doubt since the last one."""
MANY_SECONDS = 3600.0
MANY_BYTES = 4 * 1024 * 1024
"""Or after an hour, where the ledger has grown so far (some 30,000 paths): all that would be sent again."""
PAGES = 256
PAUSE_SECONDS = 0.001
"""A mebibyte at a time, and then a moment for others."""


def is_due(folder: Path, now: float) -> bool:
    """Whether it is time for another copy."""
    newest = next(iter(shelf.copies(folder)), None)
    since = newest.generation if newest else 0
    size = sum(ledger.path.stat().st_size for ledger in shelf.ledgers(folder) if ledger.generation >= since)
    if not size:
        return False
    age = now - newest.made_at if newest else COPY_SECONDS
    return not 0 <= age < (MANY_SECONDS if size >= MANY_BYTES else COPY_SECONDS)


def take(path: Path, generation: int, now: float) -> Path:
    """Copy the manifest; the ledger of this generation has begun. Blocks. Raises StateError.

    Raises StateDamaged where the manifest itself turns out to be damaged.
    """
    folder = path.with_name(shelf.FOLDER)
    final = shelf.copy_path(folder, generation, now)
    made = shelf.unfinished(final)
    try:
        os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        _copy(path, made)
        if wrong := examine(made, is_copy=True).wrong:
            if wrong := examine(path).wrong:
                raise StateDamaged(f"the manifest {path} is damaged: {wrong}")
            raise StateError(f"the copy {final} came out damaged: {wrong}", hint="is that disk sound?")
        shelf.sync_file(made)
        made.replace(final)
        shelf.sync_file(folder)
        shelf.tidy(folder)
    except OSError as error:
        raise StateError(f"no copy of the manifest can be made in {folder}: {error.strerror}", hint=NO_ROOM) from error
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
    return final


def _copy(path: Path, made: Path) -> None:
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with (
        connecting(path, uri=uri) as source,
        contextlib.closing(source),
        connecting(made) as target,
        contextlib.closing(target),
    ):
        target.execute("PRAGMA synchronous = OFF")  # synced as a whole, when it is complete
        target.execute("PRAGMA journal_mode = OFF")
        source.execute("BEGIN")  # a backup begins anew with each commit, unless it reads from one moment
        source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        source.backup(target, pages=PAGES, sleep=PAUSE_SECONDS)
        source.execute("COMMIT")
