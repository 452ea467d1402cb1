"""What a person stops a mirror with, and the word for whoever may not call the service now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Closed(Exception):
    """The service may not be called now. Nothing was asked; whoever wanted to comes again when it may."""


class Brake:
    """Whether a person has stopped uploads and deletes. What is in flight lands; looks go on, and rows wait.

    Whoever waits for his turn behind others leaves the queue at once: those others may take hours.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        """The mirror is about to end, or to be exchanged for one that is configured otherwise."""
        self.paused_at: float | None = None
        """Since when a person has stopped it (unix seconds); None: nobody has."""
        self._is_on = False
        self._turns: dict[asyncio.Future[bool], None] = {}

    def __repr__(self) -> str:
        return f"<Brake {'on' if self._is_on else 'off'}, {len(self._turns)} wait>"

    @property
    def is_on(self) -> bool:
        """Whether nothing may begin."""
        return self._is_on

    @is_on.setter
    def is_on(self, is_on: bool) -> None:
        self._is_on = is_on
        for turn in self._turns if is_on else ():
            if not turn.done():
                turn.set_result(False)

    def pause(self, since: float | None) -> None:
        """Stop it as a person wishes, since then; None: let it go on, unless it is stopping anyway."""
        self.paused_at = since
        self.is_on = self.is_stopping or since is not None

    async def wait(self, turn: asyncio.Future[bool]) -> None:
        """Wait for a turn, which comes as True. Raises Closed where a person stops the mirror before that."""
        self._turns[turn] = None
        try:
            has_come = await turn
        finally:
            del self._turns[turn]
        if self._is_on or not has_come:
            raise Closed

    def check(self) -> None:
        """Raise Closed where a person has stopped the mirror."""
        if self._is_on:
            raise Closed
