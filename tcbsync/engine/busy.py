"""Which paths are being worked on. At most one operation on one key at a time; whoever comes meanwhile looks later."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Busy:
    """The paths of one mirror that an operation is under way for. They are its alone: nobody else writes their rows."""

    def __init__(self, look_again: Callable[[str], None]) -> None:
        self._paths: set[str] = set()
        self._again: set[str] = set()
        self._look_again = look_again

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"<Busy {len(self._paths)} paths, {len(self._again)} to be looked at again>"

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
            for path in held & self._again:
                self._again.discard(path)
                self._look_again(path)

    def claims(self, path: str) -> bool:
        """Whether an operation is under way for `path`. If so, it is looked at again when that is done."""
        if path not in self._paths:
            return False
        self._again.add(path)
        return True
