"""Which mirrors a person has paused, and since when: a small file in the state directory, beside the manifest.

It outlives a restart, and a manifest that is restored from an older copy. Rule: what cannot be read pauses nothing,
and the log says so.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tcbsync.store import notes

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

FILE_NAME = "paused.json"


def paused(state_dir: Path) -> dict[str, float]:
    """Give the names of the mirrors that are paused, with the time since when (unix seconds)."""
    path = state_dir / FILE_NAME
    try:
        return {str(name): float(since) for name, since in notes.read(path).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("which mirrors are paused cannot be read from %s: %s; none is", path, error)
        return {}


def pause(state_dir: Path, names: list[str], now: float) -> list[str]:
    """Write down that these mirrors are paused; gives those that were not. Raises StateError."""
    known = paused(state_dir)
    new = [name for name in names if name not in known]
    if new:
        notes.write(state_dir / FILE_NAME, known | dict.fromkeys(new, now))
    return new


def resume(state_dir: Path, names: list[str]) -> list[str]:
    """Write down that these mirrors go on; gives those that were paused. Raises StateError."""
    known = paused(state_dir)
    ended = [name for name in names if name in known]
    if ended:
        notes.write(state_dir / FILE_NAME, {name: since for name, since in known.items() if name not in ended})
    return ended
