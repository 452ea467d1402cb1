"""What comes of a schedule, and what must not be left over when all is calm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcbsync.engine.mirror import Mirror


@dataclass
class Outcome:
    """What came of a schedule."""

    failure: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


class Ended(Exception):
    """Something was not as it should be: the schedule ends here."""


def leftovers(mirror: Mirror) -> str:
    """Say what is left in the queues of a mirror that is in sync; empty where there is nothing."""
    pace, busy = mirror.parts.pace, mirror.parts.busy
    if len(mirror.settle) + len(busy) + len(busy._again) + len(mirror._flights):
        return f"something is left in a queue: {mirror!r}"
    for slots in (pace.link_slots, pace.upload_slots, pace.delete_slots):
        if slots.free != slots.limit:
            return f"slots are lost: {slots!r}, {slots.free} free"
    return ""
