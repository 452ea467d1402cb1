"""Where a process dies, and how: by its own hand, at the very boundary, with no time for anything else."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Arms:
    """Where a process dies. Without `at`: nowhere; it is only noted what it crosses."""

    state: Path
    log: Path
    will: Path | None = None
    """Where it leaves what a power cut would have left; None: nobody asks."""
    at: str = ""
    nth: int = 1
    """The kind of the boundary, and the how manieth of its kind."""
    checkpoint_pages: int | None = None
    """SQLite moves the write-ahead log into the database so often, in pages; None: as seldom as ever."""
    synchronous: str = ""
    """What `PRAGMA synchronous` is set to, whatever the program says: to see that it matters."""


class Death:
    """Notes boundaries, on any thread, and ends the process at one."""

    def __init__(self, arms: Arms) -> None:
        self.last_words: Callable[[], None] = lambda: None
        """Called last of all."""
        self._at = arms.at
        self._left = arms.nth
        self._lock = threading.RLock()
        self._log = os.open(arms.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._write = os.write

    def cross(self, what: str) -> None:
        """Cross a boundary of the kind `what`, or do not."""
        with self._lock:
            self._write(self._log, f"{what}\n".encode())
            if what != self._at:
                return
            self._left -= 1
            if not self._left:
                self.last_words()
                os.kill(os.getpid(), signal.SIGKILL)
