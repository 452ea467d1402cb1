"""How many requests may be under way at once, for a client that has to find out how many there may be.

Rule: a request takes a place when its keys are known and gives it back when its answer has gone. One that finds none is
not carried out, waits like every other for the latency, and is refused in its host's own words: -501004 (API docs,
CloudBase's error codes) or 503 SlowDown (COS, error codes).
Refusal: nobody waits for a place. Tokens and downloads need none: those hosts have limits of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcbsync.emulator.replies import ApiError, CosError, RefusalError

if TYPE_CHECKING:
    from tcbsync.emulator.exchange import Exchange

_COUNTED = ("uploadfile", "cos", "batchdownloadfile", "batchdeletefile")


@dataclass(slots=True)
class Places:
    """`limit` places, of which `taken` are taken. None: as many as anybody wants."""

    limit: int | None = None
    taken: int = 0

    def take(self, exchange: Exchange) -> bool:
        """Take a place for a request that needs one. Gives whether it may go on."""
        if exchange.call not in _COUNTED:
            return True
        if self.limit is not None and self.taken >= self.limit:
            return False
        self.taken += 1
        exchange.has_place = True
        return True

    def give_back(self, exchange: Exchange) -> None:
        """Give back the place of a request that ends, if it has one."""
        if exchange.has_place:
            self.taken -= 1
            exchange.has_place = False


def too_many(call: str) -> RefusalError:
    """Make the refusal of a request that found no place."""
    if call == "cos":
        return CosError(503, "SlowDown", "Reduce your request rate.")
    return ApiError(-501004)
