"""Notes signals, and raises where it is safe: never while a process is being started or ended."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SLICE_SECONDS = 0.05


class Interrupted(Exception):
    """Somebody wants an end: the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Interruption:
    """Inside the block a signal is only noted; `check` and `pause` raise it. Signals that are ignored stay so."""

    def __init__(self) -> None:
        self._number = 0
        self._before = {number: signal.getsignal(number) for number in NUMBERS}

    def __enter__(self) -> Self:
        for number, before in self._before.items():
            if before != signal.SIG_IGN:
                signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._number = number

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._number:
            raise Interrupted(self._number)

    def pause(self, seconds: float) -> None:
        """Wait. Raises Interrupted."""
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE_SECONDS))
            self.check()
