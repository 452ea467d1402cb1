"""Decides whether deletes may go, or wait for a person. Predicates over counts; no disk, no clock, no cloud.

The disasters that this guards against look like honest deletes: a volume that is not mounted leaves an empty
directory, a build that failed leaves half of one. A wrong hold costs a command; a wrong delete costs the files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WINDOW_SECONDS = 600.0
"""Deletes of the last ten minutes count together: a disaster that arrives in portions is still one."""


@dataclass(frozen=True, slots=True)
class Guard:
    """How many deletes may go without asking, at once or within a sliding window. None: any number."""

    max_deletes: int | None = 1000
    max_delete_percent: float | None = 50.0

    @property
    def has_limits(self) -> bool:
        """Whether there is any number of deletes that may not go."""
        return self.max_deletes is not None or self.max_delete_percent is not None


def hold_reason(guard: Guard, *, deletes: int, recent: int, files: int) -> str | None:
    """Say why `deletes` must be held, or None where they may go.

    `recent` were let go within the window just past; `files` are those that the mirror still has on disk.
    """
    if not deletes:
        return None
    if not files:
        return f"the root holds no files any more; {_objects(deletes)} would be deleted"
    together = deletes + recent
    if guard.max_deletes is not None and together > guard.max_deletes:
        return f"{_told(deletes, recent, '')}; the limit is {guard.max_deletes} (guard.max_deletes)"
    percent = 100 * together / (together + files)
    if guard.max_delete_percent is not None and percent > guard.max_delete_percent:
        return (
            f"{_told(deletes, recent, f' of {together + files} ({percent:.0f} %)')}; "
            f"the limit is {guard.max_delete_percent:g} % (guard.max_delete_percent)"
        )
    return None


def remounted(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """List the paths, the root ("") among them, at which another volume lies than before, or none any more.

    Both map a path to what is mounted there.
    """
    return sorted({path for path, _ in before.items() ^ now.items()})


def away_reason(root: str, paths: Iterable[str]) -> str:
    """Say why deletes beneath `paths` must be held: another volume lies there than the one they were mirrored from."""
    places = ", ".join(f"{root}/{path}".rstrip("/") for path in paths)
    return f"another file system is at {places} than before; is the volume mounted?"


def listing_of(paths: Iterable[str]) -> str:
    """Give a short name for a list of held deletes, whatever its order: so an approval can say which one it means."""
    return hashlib.sha256("\0".join(sorted(paths)).encode()).hexdigest()[:8]


def _told(deletes: int, recent: int, share: str) -> str:
    if not recent:
        return f"{_objects(deletes)}{share} would be deleted"
    return f"{_objects(deletes)} would be deleted after {recent} within ten minutes, together {deletes + recent}{share}"


def _objects(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"
