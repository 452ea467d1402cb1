"""A model of the watcher: which hints a mirror gets of what happens on the disk, when, and which it never gets.

The rule is local/watches': a creation is not quiet, everything else is; chmod, utimes, truncate and mappings say
nothing. Lost events are answered by one hint for the root, blind directories are told of, and a root that goes away
and comes back is noticed within a second or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


class Watch:
    """`at(seconds, work)` does something later; `tell(hints)` reaches the mirror that lives then, if one does."""

    def __init__(
        self,
        dice: Random,
        at: Callable[[float, Callable[[], None]], None],
        tell: Callable[[list[tuple[str, bool]]], None],
    ) -> None:
        self._dice = dice
        self._at = at
        self._tell = tell
        self._pending: dict[str, bool] = {}
        self.blind: tuple[str, ...] = ()
        self.is_losing = False
        self.has_lost = False
        self.lag_seconds = 0.0
        self.is_attached = True
        self._life = 0

    def restart(self, *, is_there: bool) -> None:
        """Begin anew with a new life: what was on its way is forgotten."""
        self._life += 1
        self.is_attached = is_there
        self._pending.clear()
        self.has_lost = False

    def event(self, path: str, is_quiet: bool) -> None:
        """Notice what happened at `path`."""
        if not self.is_attached or any(path.startswith(f"{blind}/") for blind in self.blind):
            return
        if self.is_losing:
            self.has_lost = True
            return
        if not self._pending:
            self._soon(self._dice.random() ** 4 * 0.2 + self.lag_seconds, self._deliver)
        self._pending[path] = is_quiet

    def end_loss(self) -> None:
        """See again; the kernel has said that something is missing."""
        self.is_losing = False
        if self.has_lost:
            self.has_lost = False
            self._soon(self._dice.uniform(0.0, 5.0), self._everything)

    def root_changed(self, *, is_there: bool) -> None:
        """Notice, at the next poll, that another directory is at the root, or none."""
        self.is_attached = False
        self._soon(self._dice.uniform(0.0, 1.5), self._attach if is_there else self._everything)

    def _attach(self) -> None:
        self.is_attached = True
        self._everything()

    def _everything(self) -> None:
        self._tell([("", False)])

    def _deliver(self) -> None:
        hints = list(self._pending.items())
        self._pending.clear()
        self._tell(hints)

    def _soon(self, seconds: float, work: Callable[[], None]) -> None:
        life = self._life

        def if_alive() -> None:
            if life == self._life:
                work()

        self._at(seconds, if_alive)
