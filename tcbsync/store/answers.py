"""What a person's questions to the manifest are answered with: see `report`. Times are unix seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tcbsync.core.model import Fingerprint, State


class Failure(NamedTuple):
    """A file that is not as it should be, and why. `next_at` is None where it is parked."""

    path: str
    code: str
    reason: str
    attempts: int
    next_at: float | None
    since: float


class Held(NamedTuple):
    """A delete that waits for approval."""

    path: str
    file_id: str
    since: float


class Proved(NamedTuple):
    """A file that the cloud surely holds."""

    path: str
    file_id: str
    size: int
    digest: bytes


class Stored(NamedTuple):
    """Where the disk has a file that the cloud surely holds, and what of it the cloud holds."""

    local: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows there are of each kind. `failed` are parked, or failed and waiting."""

    files: int = 0
    pending_uploads: int = 0
    pending_deletes: int = 0
    failed: int = 0
    held_deletes: int = 0
    kept: int = 0
    parked: int = 0
    """Of those that failed: they wait for a person."""
    bytes: int = 0
    """Of the files that are proved."""
    pending_bytes: int = 0
    """Of the files that are to be uploaded."""
    oldest_pending: float | None = None
    """Since when the longest waiting row wants an upload or a delete; those that are parked do not count."""


class Wanting(NamedTuple):
    """Rows at or beneath a scope that want something: how many can still go on by themselves, and what stops others."""

    uploads: int = 0
    deletes: int = 0
    later: int = 0
    """Of these, such as have failed and wait for another attempt."""
    parked: int = 0
    held: int = 0
    latest: float = 0.0
    """When the newest of them was noted."""

    @property
    def total(self) -> int:
        """How many there are."""
        return self.uploads + self.deletes + self.parked + self.held


class Row(NamedTuple):
    """All that is known of one path. Times are unix seconds; `local` is the disk's spelling where it differs."""

    state: State
    fingerprint: Fingerprint
    digest: bytes | None
    file_id: str | None
    local: str | None
    since: float
    attempts: int
    due_at: float
    is_parked: bool
    is_approved: bool
    code: str
    reason: str


class Leftover(NamedTuple):
    """Objects of a mirror that the configuration does not name any more, or names with another env or prefix."""

    name: str
    env: str
    prefix: str
    objects: int
