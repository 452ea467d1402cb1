"""What the parts of one mirror's engine share. Put together once, by whoever composes the mirror."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from tcbsync.core.events import silent
from tcbsync.core.safety import Guard
from tcbsync.core.settle import Delays
from tcbsync.engine.brake import Brake
from tcbsync.engine.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from tcbsync.cloud.api import Cloud
    from tcbsync.core.events import Event
    from tcbsync.engine.busy import Busy
    from tcbsync.engine.host import Host
    from tcbsync.engine.pace import Pace
    from tcbsync.store.manifest import Manifest

T = TypeVar("T")


class Patience(Protocol):
    """Makes an attempt until it succeeds, or is not worth another: see `cloud.retry.Retry`."""

    async def __call__(self, attempt: Callable[[], Awaitable[T]], /) -> T:
        """Return the first result. Raises the last error."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where a mirror's files go, and with which further form fields (Cache-Control, say)."""

    root: Path
    env: str
    prefix: str
    form: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a mirror behaves. Times in seconds."""

    ignore: Sequence[str] = ()
    deletes: bool = True
    guard: Guard = field(default_factory=Guard)
    grace_seconds: float = 3.0
    rescan_seconds: float = 3600.0
    blind_rescan_seconds: float = 60.0
    delays: Delays = field(default_factory=Delays)


@dataclass(frozen=True, slots=True)
class Parts:
    """The pieces that looking, uploading and deleting have in common."""

    host: Host
    target: Target
    manifest: Manifest
    cloud: Cloud
    retry: Patience
    pace: Pace
    busy: Busy
    look_again: Callable[[str], None]
    """Look at a path, as the disk spells it, as if it had just changed."""
    tally: Tally = field(default_factory=Tally)
    brake: Brake = field(default_factory=Brake)
    tell: Callable[[Event], None] = silent
    """Told of what is over and durable: see `core.events`. Must neither raise nor wait."""
