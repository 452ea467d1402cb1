"""How many requests may be under way at once, for a client that has to find out how many there may be.

Rule: a request takes a place when its keys are known and gives it back when its answer has gone. One that finds none is
not carried out, waits like every other for the latency, and is refused in its host's own words: -501004 (API docs,
CloudBase's error codes) or 503 SlowDown (COS, error codes). The two hosts do not know of each other's crowds.
Refusal: nobody waits for a place. Tokens and downloads need none.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcbsync.emulator.replies import ApiError, CosError, RefusalError

if TYPE_CHECKING:
    from tcbsync.emulator.exchange import Exchange

_HOSTS = {"uploadfile": "API", "batchdownloadfile": "API", "batchdeletefile": "API", "cos": "COS"}


@dataclass(slots=True)
class Places:
    """`limit` places at each host, of which so many are taken. None: as many as anybody wants."""

    limit: int | None = None
    taken: Counter[str] = field(default_factory=Counter)

    def take(self, exchange: Exchange) -> bool:
        """Take a place for a request that needs one. Gives whether it may go on."""
        host = _HOSTS.get(exchange.call)
        if host is None:
            return True
        if self.limit is not None and self.taken[host] >= self.limit:
            return False
        self.taken[host] += 1
        exchange.has_place = True
        return True

    def give_back(self, exchange: Exchange) -> None:
        """Give back the place of a request that ends, if it has one."""
        if exchange.has_place:
            self.taken[_HOSTS[exchange.call]] -= 1
            exchange.has_place = False


def too_many(call: str) -> RefusalError:
    """Make the refusal of a request that found no place."""
    if call == "cos":
        return CosError(503, "SlowDown", "Reduce your request rate.")
    return ApiError(-501004)
