"""What becomes of one path, in one plain sentence. Pure: decides by facts that others have found.

The order is that of the questions a person would ask: may it be mirrored at all, is it there, is it in the cloud, what
failed, what stands in the way, what happens next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tcbsync.core.model import State
from tcbsync.status import iso

if TYPE_CHECKING:
    from tcbsync.cli.looked import Looked
    from tcbsync.store.answers import Row, Wanting


class Facts(NamedTuple):
    """What is known of a path."""

    mirror: str
    path: str
    key: str
    looked: Looked
    row: Row | None
    hold: str
    problem: str
    """What the last look could not judge, or cannot mirror, here."""
    deletes: bool
    paused_at: float | None
    beneath: Wanting | None
    live: dict[str, Any] | None = None
    """What the daemon says: see the verb `explain` of its socket."""

    @property
    def where(self) -> str:
        """Name the path."""
        return f"{self.mirror}:{self.path}" if self.path else self.mirror


def sentence(facts: Facts) -> tuple[str, bool]:
    """Say what becomes of the path, and whether cloud and disk agree on it."""
    kind = facts.looked.kind
    if kind.startswith("root "):
        return f"{kind}; nothing is deleted, and all goes on by itself when the root is back", False
    if hurdle := facts.looked.hurdle:
        return _not_mirrored(facts, hurdle)
    if kind == "missing":
        return _gone(facts)
    if kind == "directory":
        return _folder(facts)
    if facts.problem or kind != "file":
        return f"cannot be judged, and stays as it is in the cloud: {facts.problem or kind}", False
    return _file(facts)


def _not_mirrored(facts: Facts, words: str) -> tuple[str, bool]:
    """Say what becomes of an object that was there before."""
    row = facts.row
    if row is None or row.file_id is None:
        return words, False
    if row.state == State.KEPT:
        return f"{words}; its object stays in the cloud, for this mirror never deletes", False
    return f"{words}; its object in the cloud {_fate(facts)}", False


def _gone(facts: Facts) -> tuple[str, bool]:
    row = facts.row
    if row is None:
        return "is neither on the disk nor in the cloud, as far as is known", True
    if row.file_id is None:
        return f"is gone again before anything was sent; {_look(facts)} forgets it", False
    if row.state == State.KEPT:
        return "is gone from the disk; its object stays in the cloud, for this mirror never deletes", True
    return f"is gone from the disk; its object in the cloud {_fate(facts)}", False


def _fate(facts: Facts) -> str:
    row = facts.row
    assert row is not None
    if row.state == State.HELD:
        return f"waits for a person: {facts.hold}; see `tcbsync held`, then `tcbsync approve {facts.mirror}`"
    if row.state == State.DELETE:
        if row.is_parked:
            return f"could not be deleted and waits for `tcbsync retry`: {row.code}: {row.reason}"
        if row.attempts:
            return f"could not be deleted yet ({row.code}: {row.reason}); tried again {iso(row.due_at)}"
        return f"will be deleted{_by(facts)}, once the uploads before it are done"
    return (
        f"stays, for this mirror never deletes: {_look(facts)} notes it"
        if not facts.deletes
        else (f"will be deleted: {_look(facts)} notes it")
    )


def _folder(facts: Facts) -> tuple[str, bool]:
    if facts.beneath is None:
        return "is a directory that was never looked at; the first run or sync looks at it", False
    if facts.problem:
        return f"is a directory of which not all can be looked at; that stays as it is: {facts.problem}", False
    if facts.beneath.total:
        return f"is a directory in which not all is in the cloud yet; {_look(facts)} sees to it", False
    return "is a directory in which all that was looked at is in the cloud", True


def _file(facts: Facts) -> tuple[str, bool]:
    row = facts.row
    if row is None or row.state in (State.DELETE, State.HELD, State.KEPT):
        return f"is new, or back; {_look(facts)} sees it, and it is uploaded", False
    if row.state == State.PROVED and row.fingerprint == facts.looked.fingerprint:
        return f"is mirrored: the cloud holds these bytes, proved {iso(row.since)}", True
    if row.state == State.PROVED:
        return f"has changed since the cloud proved it ({iso(row.since)}); {_look(facts)} compares it", False
    return _waiting(facts, row), False


def _waiting(facts: Facts, row: Row) -> str:
    if row.is_parked:
        return f"was refused and waits for `tcbsync retry`, or for a change of the file: {row.code}: {row.reason}"
    if facts.live and facts.live["is_busy"]:
        return "is being uploaded now"
    if row.attempts and facts.paused_at is None:
        return f"could not be uploaded yet ({row.code}: {row.reason}); tried again {iso(row.due_at)}"
    return f"will be uploaded{_by(facts)}"


def _by(facts: Facts) -> str:
    """Say what stands in the way, or who does it."""
    if facts.paused_at is not None:
        return f" when the mirror goes on: it is paused since {iso(facts.paused_at)} (`tcbsync resume {facts.mirror}`)"
    if facts.live is None:
        return " by the next run or sync"
    if facts.live["service"] != "ok":
        return f" when the service can be used again: it is {facts.live['service']} ({facts.live['service_error']})"
    return " by the daemon, which has it on its list"


def _look(facts: Facts) -> str:
    if facts.live is None:
        return "the next run or sync"
    wait = facts.live["settles_for"]
    return "the daemon's next look" if wait is None else f"the daemon's look in {wait:.1f} s"
