"""The shelf beside the manifest: `snapshots/` in the state directory, with copies of it and ledgers, by generation.

A copy and the ledger of the same generation begin together: what that ledger and the later ones name is all that the
copy may not know. Nothing here reads what is in them.
"""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "snapshots"
KEEP = 3
"""So many copies stay, and the ledgers that they need."""

_COPY = re.compile(r"(\d{6,})-(\d{8}T\d{6}Z)\.db")
_LEDGER = re.compile(r"(\d{6,})-v(\d+)\.ledger")
_STAMP = "%Y%m%dT%H%M%SZ"
_UNFINISHED = ".unfinished"


class Copy(NamedTuple):
    """A copy of the manifest, as of `made_at` (unix seconds)."""

    generation: int
    made_at: float
    path: Path


class LedgerFile(NamedTuple):
    """A ledger, and the manifest's schema when it was begun."""

    generation: int
    schema: int
    path: Path


def copies(folder: Path) -> list[Copy]:
    """Give the copies, the newest first."""
    found = [(match, path) for path in _files(folder) if (match := _COPY.fullmatch(path.name))]
    return sorted((Copy(int(match[1]), _seconds(match[2]), path) for match, path in found), reverse=True)


def ledgers(folder: Path) -> list[LedgerFile]:
    """Give the ledgers, the oldest first."""
    found = [(match, path) for path in _files(folder) if (match := _LEDGER.fullmatch(path.name))]
    return sorted(LedgerFile(int(match[1]), int(match[2]), path) for match, path in found)


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def next_generation(folder: Path) -> int:
    """Give a number that no copy and no ledger has yet."""
    taken = [copy.generation for copy in copies(folder)] + [ledger.generation for ledger in ledgers(folder)]
    return 1 + max(taken, default=0)


def copy_path(folder: Path, generation: int, now: float) -> Path:
    """Say how a copy is called."""
    return folder / f"{generation:06}-{stamp(now)}.db"


def ledger_path(folder: Path, generation: int, schema: int) -> Path:
    """Say how a ledger is called."""
    return folder / f"{generation:06}-v{schema}.ledger"


def unfinished(path: Path) -> Path:
    """Say how a file is called while it is written."""
    return path.with_name(path.name + _UNFINISHED)


def tidy(folder: Path) -> None:
    """Remove what is not needed any more: the oldest copies, the ledgers from before them, and unfinished files."""
    kept = copies(folder)[:KEEP]
    for copy in copies(folder)[KEEP:]:
        copy.path.unlink(missing_ok=True)
    for ledger in ledgers(folder):
        if kept and ledger.generation < kept[-1].generation:
            ledger.path.unlink(missing_ok=True)
    for path in _files(folder):
        if _UNFINISHED in path.name:
            path.unlink(missing_ok=True)


def stamp(now: float) -> str:
    """Write a time as file names hold it."""
    return datetime.fromtimestamp(now, UTC).strftime(_STAMP)


def spoken(now: float) -> str:
    """Write a time as people read it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        return datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp()
    return 0.0


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut; or, of a directory, the names in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
