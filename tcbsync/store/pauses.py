"""Which mirrors a person has paused, and since when: a small file in the state directory, beside the manifest.

It outlives a restart, and a manifest that is restored from an older copy. Rule: it is replaced as a whole, durably, by
whoever holds the state directory; anybody may read it. What cannot be read pauses nothing, and the log says so, once.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateError
from tcbsync.store.database import NO_ROOM
from tcbsync.store.shelf import sync_file

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

FILE_NAME = "paused.json"
_told: dict[Path, str] = {}
"""What could not be read, and why, as the log has it already: it is read again and again."""


def paused(state_dir: Path) -> dict[str, float]:
    """Give the names of the mirrors that are paused, with the time since when (unix seconds)."""
    path = state_dir / FILE_NAME
    try:
        document = json.loads(path.read_text("utf-8"))
        known = {str(name): float(since) for name, since in document.items()}
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if _told.get(path) != str(error):
            log.warning("which mirrors are paused cannot be read from %s: %s; none is", path, error)
        _told[path] = str(error)
        return {}
    _told.pop(path, None)
    return known


def pause(state_dir: Path, names: list[str], now: float) -> list[str]:
    """Write down that these mirrors are paused; gives those that were not. Raises StateError."""
    known = paused(state_dir)
    new = [name for name in names if name not in known]
    if new:
        _write(state_dir, known | dict.fromkeys(new, now))
    return new


def resume(state_dir: Path, names: list[str]) -> list[str]:
    """Write down that these mirrors go on; gives those that were paused. Raises StateError."""
    known = paused(state_dir)
    ended = [name for name in names if name in known]
    if ended:
        _write(state_dir, {name: since for name, since in known.items() if name not in ended})
    return ended


def _write(state_dir: Path, known: dict[str, float]) -> None:
    path = state_dir / FILE_NAME
    unfinished = path.with_suffix(".new")
    try:
        unfinished.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        unfinished.chmod(0o600)
        sync_file(unfinished)
        unfinished.replace(path)
        sync_file(state_dir)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}", hint=NO_ROOM) from error
