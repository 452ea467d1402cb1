"""What the parts of one mirror's engine share. Put together once, by whoever composes the mirror."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tcbsync.cloud.api import Cloud
    from tcbsync.cloud.retry import Retry
    from tcbsync.engine.busy import Busy
    from tcbsync.engine.host import Host
    from tcbsync.engine.pace import Pace
    from tcbsync.store.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Target:
    """Where a mirror's files go, and with which further form fields (Cache-Control, say)."""

    root: Path
    env: str
    prefix: str
    form: Mapping[str, str]


@dataclass(slots=True)
class Tally:
    """What was done since the start, for status and summary."""

    uploads: int = 0
    upload_bytes: int = 0
    touches: int = 0
    deletes: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The pieces that looking, uploading and deleting have in common."""

    host: Host
    target: Target
    manifest: Manifest
    cloud: Cloud
    retry: Retry
    pace: Pace
    busy: Busy
    look_again: Callable[[str], None]
    """Look at a path, as the disk spells it, as if it had just changed."""
    tally: Tally = field(default_factory=Tally)
