"""What happened: a bounded log of requests, and counters.

Rule: an entry names call, env, key and outcome. Refusal: no token, signature or URL ever gets in here.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Entry(NamedTuple):
    """One request. `key` is the first of `items`; `outcome` is ok, an errcode, an XML code or hangup."""

    at: float
    call: str
    env: str
    key: str
    items: int
    status: int
    outcome: str
    fault: str
    seconds: float
    received: int
    sent: int


@dataclass(slots=True)
class Counters:
    """Totals since start or reset. "At once" means from the arrival of a request to its answer."""

    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
    bytes_sent: int = 0
    at_once: Counter[str] = field(default_factory=Counter)
    max_at_once: dict[str, int] = field(default_factory=dict)
    """By call, and under "all"."""
    max_at_once_same_key: int = 0
    """Uploads and deletes of one key at the same time; a careful client keeps it at 1."""
    connections: int = 0
    max_connections: int = 0
    connections_total: int = 0

    def report(self) -> dict[str, Any]:
        """Give the totals as JSON values, outcomes by call."""
        outcomes: dict[str, dict[str, int]] = {}
        for (call, outcome), number in self.outcomes.items():
            outcomes.setdefault(call, {})[outcome] = number
        return {
            "calls": dict(self.calls),
            "outcomes": outcomes,
            "faults": dict(self.faults),
            "bytes_received": self.bytes_received,
            "bytes_sent": self.bytes_sent,
            "at_once": {call: number for call, number in self.at_once.items() if number},
            "max_at_once": dict(self.max_at_once),
            "max_at_once_same_key": self.max_at_once_same_key,
            "connections": self.connections,
            "max_connections": self.max_connections,
            "connections_total": self.connections_total,
        }


class Record:
    """The log and the counters, and who is writing which key at this moment."""

    def __init__(self, max_entries: int) -> None:
        self.log: deque[Entry] = deque(maxlen=max_entries)
        self.counters = Counters()
        self._writers: Counter[tuple[str, str]] = Counter()

    def arrive(self, call: str) -> None:
        """Count a request in."""
        counters = self.counters
        for name in (call, "all"):
            counters.at_once[name] += 1
            counters.max_at_once[name] = max(counters.max_at_once.get(name, 0), counters.at_once[name])

    def leave(self, entry: Entry) -> None:
        """Count a request out, and log it."""
        counters = self.counters
        counters.at_once[entry.call] -= 1
        counters.at_once["all"] -= 1
        counters.calls[entry.call] += 1
        counters.outcomes[entry.call, entry.outcome] += 1
        if entry.fault:
            counters.faults[entry.fault] += 1
        counters.bytes_received += entry.received
        counters.bytes_sent += entry.sent
        self.log.append(entry)

    def hold(self, env: str, keys: Sequence[str]) -> None:
        """Note that a request is writing these keys."""
        for key in keys:
            self._writers[env, key] += 1
            most = max(self.counters.max_at_once_same_key, self._writers[env, key])
            self.counters.max_at_once_same_key = most

    def release(self, env: str, keys: Sequence[str]) -> None:
        """Note that it has ended."""
        for key in keys:
            self._writers[env, key] -= 1
            if not self._writers[env, key]:
                del self._writers[env, key]

    def connect(self) -> None:
        """Count a connection in."""
        counters = self.counters
        counters.connections += 1
        counters.connections_total += 1
        counters.max_connections = max(counters.max_connections, counters.connections)

    def disconnect(self) -> None:
        """Count a connection out."""
        self.counters.connections -= 1

    def clear(self) -> None:
        """Start from zero; open connections and running requests stay counted."""
        old = self.counters
        self.log.clear()
        self.counters = Counters(at_once=old.at_once, connections=old.connections)
