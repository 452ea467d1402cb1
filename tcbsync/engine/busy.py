"""Which paths are being worked on. At most one operation on one key at a time; whoever comes meanwhile looks later.

A decision about a path is made from its row and its file. If an operation was under way for it at any moment while the
two were read, the row may have been an old one: the decision is void, and the path is looked at again.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Busy:
    """The paths of one mirror that an operation is under way for. They are its alone: nobody else writes their rows."""

    def __init__(self, look_again: Callable[[str, float], None]) -> None:
        """`look_again` gets a path, and since when it should have been looked at again (seconds, monotonic)."""
        self._paths: set[str] = set()
        self._again: dict[str, float] = {}
        self._witnesses: list[set[str]] = []
        self._look_again = look_again

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"<Busy {len(self._paths)} paths, {len(self._again)} to be looked at again>"

    def some(self, count: int) -> tuple[str, ...]:
        """Name so many of them at most. May be asked from another thread."""
        return tuple(list(self._paths)[:count])

    @contextlib.contextmanager
    def holding(self, paths: Iterable[str]) -> Iterator[None]:
        """Work on `paths`. Whatever was decided about them meanwhile is looked at again afterwards."""
        held = set(paths)
        assert not held & self._paths, "two operations on one key"
        self._paths |= held
        try:
            yield
        finally:
            self._paths -= held
            for ended in self._witnesses:
                ended.update(held)
            for path in held & self._again.keys():
                self._look_again(path, self._again.pop(path))

    @contextlib.contextmanager
    def witness(self) -> Iterator[set[str]]:
        """Give a set that collects, until the end of the block, the paths whose operations have ended."""
        ended: set[str] = set()
        self._witnesses.append(ended)
        try:
            yield ended
        finally:
            self._witnesses = [other for other in self._witnesses if other is not ended]

    def claims(self, path: str, now: float) -> bool:
        """Whether an operation is under way for `path`. If so, it is looked at again when that is done."""
        if path not in self._paths:
            return False
        self._again.setdefault(path, now)
        return True
