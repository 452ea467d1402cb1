"""Asks for an address every so often, while every part of this process moves: who misses that, tells people.

The rules: the first time is a while after the start, so that a process which dies and begins anew again and again is
missed too; a beat that fails is not made up for; and the log has one line when they fail, and one when they do not.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tcbsync.notify.post import attempt, origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.notify.post import Send

log = logging.getLogger(__name__)

FIRST_SECONDS = 60.0


class Heartbeat:
    """One address. `silent` names what does not move."""

    def __init__(self, url: str, seconds: float, silent: Callable[[], list[str]]) -> None:
        self._url = url
        self._seconds = seconds
        self._silent = silent
        self.trouble = ""
        """Why it is not heard; empty: it is, as far as is known."""

    def __repr__(self) -> str:
        return f"<Heartbeat to {origin(self._url)} each {self._seconds:g} s>"

    async def beat(self, send: Send) -> None:
        """Beat until cancelled."""
        clock = asyncio.get_running_loop().time
        due = clock() + min(FIRST_SECONDS, self._seconds)
        while True:
            await asyncio.sleep(due - clock())
            due = max(due + self._seconds, clock())
            if self._silent():
                continue  # the log, and the watchdog, tell of that
            failure = await attempt(send, self._url, None)
            told, self.trouble = self.trouble, failure.reason if failure else ""
            if self.trouble and not told:
                log.warning("the heartbeat to %s is not heard: %s", origin(self._url), self.trouble)
            elif told and not self.trouble:
                log.info("the heartbeat to %s is heard again", origin(self._url))
