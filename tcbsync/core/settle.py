"""Decides when a changed path is quiet enough to look at. Pure: the time is an argument (seconds, monotonic).

- A writer that is done (closed, moved in, deleted) is looked at almost at once; the few milliseconds let a file that
  is written and renamed be seen once, under its final name.
- A writer that may not be done (created, touched a moment ago) has to leave the path alone for `quiet_seconds`,
  and for no longer than `patience_seconds` in all.
- One path is looked at no more often than every `calm_seconds`, however often it is saved.
- More than `max_paths` waiting paths become one: the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tcbsync.core.model import covers, is_beneath


@dataclass(frozen=True, slots=True)
class Delays:
    """How long paths wait, in seconds."""

    blink_seconds: float = 0.015
    calm_seconds: float = 0.25
    quiet_seconds: float = 2.0
    patience_seconds: float = 60.0


@dataclass(slots=True)
class _Waiting:
    first_at: float
    due_at: float


class Settle:
    """The paths that changed and wait to be looked at."""

    def __init__(self, delays: Delays | None = None, *, max_paths: int = 50_000) -> None:
        self.delays = delays or Delays()
        self._max_paths = max_paths
        self._waiting: dict[str, _Waiting] = {}
        self._looked_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, path: str) -> bool:
        return path in self._waiting

    def __repr__(self) -> str:
        return f"<Settle {len(self._waiting)} waiting>"

    def hint(self, path: str, now: float, *, is_quiet: bool, noticed_at: float | None = None) -> None:
        """Note that something happened at or beneath `path`. `is_quiet`: the writer is done.

        `noticed_at`: where that is long known, and could not be looked at before.
        """
        waiting = self._waiting.get(path)
        if waiting is None:
            if len(self._waiting) >= self._max_paths:
                path = ""
                oldest = min(self._waiting.values(), key=lambda each: each.first_at)
                self._waiting = {path: _Waiting(oldest.first_at, max(oldest.due_at, self._calm_at(path)))}
            waiting = self._waiting.setdefault(path, _Waiting(now, inf))
        if noticed_at is not None:
            waiting.first_at = min(waiting.first_at, noticed_at)
        if is_quiet:  # counted from the first close: one that follows at once does not put the look off
            waiting.due_at = min(waiting.due_at, max(now + self.delays.blink_seconds, self._calm_at(path)))
        else:
            waiting.due_at = now + self.delays.quiet_seconds
        waiting.due_at = min(waiting.due_at, waiting.first_at + self.delays.patience_seconds)

    def _calm_at(self, path: str) -> float:
        return self._looked_at.get(path, -inf) + self.delays.calm_seconds

    def defer(self, path: str, now: float) -> None:
        """Look at `path` once it had time to become quiet, unless it waits already."""
        if path not in self._waiting:
            self.hint(path, now, is_quiet=False)

    def waits_since(self) -> float | None:
        """Since when the path waits that was hinted first, or None where nothing waits."""
        return min((waiting.first_at for waiting in self._waiting.values()), default=None)

    def due_in(self, path: str, now: float) -> float | None:
        """How many seconds until `path` is looked at, by itself or with something above it; None: it does not wait."""
        due = [waiting.due_at for waiter, waiting in self._waiting.items() if covers(waiter, path)]
        return max(0.0, min(due) - now) if due else None

    def next_at(self) -> float | None:
        """When the next path is due, or None where nothing waits."""
        return min((waiting.due_at for waiting in self._waiting.values()), default=None)

    def due(self, now: float) -> list[str]:
        """Take the paths that are quiet now. None of them lies beneath another."""
        paths = {path for path, waiting in self._waiting.items() if waiting.due_at <= now}
        for path in paths:
            del self._waiting[path]
        calm_since = now - self.delays.calm_seconds
        self._looked_at = {path: at for path, at in self._looked_at.items() if at > calm_since}
        self._looked_at.update(dict.fromkeys(paths, now))
        return sorted(path for path in paths if not is_beneath(path, paths))
