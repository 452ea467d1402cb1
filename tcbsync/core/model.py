"""The words that every room uses. Values only: nothing here reads, writes, waits or decides.

Paths are relative to the mirror's root, separated by `/`; the root itself is the empty string. A `path` is the
identity of a file: NFC, valid UTF-8, and its cloud key is the mirror's prefix + `path`. Where the disk spells the
same name in other bytes, `Found.local` holds that spelling (as `os.fsdecode` gives it).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container


Line = tuple[str, int, int, int, int]
"""A file in the list of a directory: its name, and what a Fingerprint holds. One is made for each file of a tree."""


class Fingerprint(NamedTuple):
    """What `lstat` says of one state of a file. Any difference, not "newer", means that it changed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class State(enum.IntEnum):
    """What a manifest row wants. Everything but PROVED and KEPT is work that is not done yet."""

    PROVED = 0
    """The cloud's own answer proved that it holds these bytes."""
    UPLOAD = 1
    """The file on disk has to be sent."""
    DELETE = 2
    """The file is gone from the disk; the object has to go."""
    HELD = 3
    """The same, but a person has to approve it first."""
    KEPT = 4
    """The file is gone from the disk, and this mirror never deletes."""


class Record(NamedTuple):
    """As much of a manifest row as `reconcile` needs. `digest` is 16 bytes of MD5.

    Rule: `digest` is not None exactly while the cloud surely holds those bytes under this key. It is cleared,
    durably, before anything is sent that might change that. The fingerprint is that of a file with these bytes, or of
    none at all (inode -1), except in the state UPLOAD: there it is that of the file which has to be sent, or of none.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    state: State | int
    digest: bytes | None
    was_sent: bool
    """Bytes may have left for this key: there may be an object. False means that certainly none was sent."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file on the disk that should be mirrored."""

    path: str
    fingerprint: Fingerprint
    local: str
    digest: bytes | None = None
    """MD5 of the content where somebody has read it already."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A path that could not be judged: it, and all beneath it, stays as it is. "Could not look" is never "is gone"."""

    path: str
    reason: str

    def covers(self, path: str) -> bool:
        """Whether `path` is the troubled one or lies beneath it."""
        return covers(self.path, path)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A name that was looked at and is not something that can be mirrored: a symbolic link, a FIFO, a bad name."""

    path: str
    reason: str


@dataclass(slots=True)
class Snapshot:
    """What was seen of one directory: its files that should be mirrored, and what could not be judged."""

    directory: str
    local: str
    """The directory as the disk spells it."""
    files: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Name → what a Fingerprint holds, as a plain tuple: one for each file of a tree is made and thrown away."""
    spellings: dict[str, str] = field(default_factory=dict)
    """Name → the disk's spelling of it, where the two differ."""
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unchanged: int = 0
    """How many more files there are that are just as they are known. Nothing else is kept of them."""
    unmatched: list[str] = field(default_factory=list)
    """Names that are known otherwise: no such file is there, or not in that state."""

    def found(self, name: str) -> Found:
        """Give one file as a value of its own."""
        local = join(self.local, self.spellings.get(name, name))
        return Found(join(self.directory, name), Fingerprint._make(self.files[name]), local)


@dataclass(frozen=True, slots=True)
class Upload:
    """The file has to be sent. `replaces`: the cloud may hold an older version under this key."""

    found: Found
    replaces: bool


@dataclass(frozen=True, slots=True)
class Touch:
    """The cloud holds these bytes already; only the manifest's fingerprint changes."""

    found: Found


@dataclass(frozen=True, slots=True)
class Delete:
    """The file is gone. `was_sent` False: no object can exist, the row goes without a call."""

    path: str
    was_sent: bool


@dataclass(frozen=True, slots=True)
class Keep:
    """The file is gone, and the mirror is one that never deletes: the object stays, and its row with it."""

    path: str


Decision = Upload | Touch | Delete | Keep


@dataclass(slots=True)
class Plan:
    """What would make cloud and disk agree. Reads like the summary that a person gets."""

    uploads: list[Upload] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)
    deletes: list[Delete] = field(default_factory=list)
    keeps: list[Keep] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unchanged: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.uploads or self.touches or self.deletes or self.keeps)

    def __repr__(self) -> str:
        counts = {
            "uploads": len(self.uploads),
            "touches": len(self.touches),
            "deletes": len(self.deletes),
            "keeps": len(self.keeps),
            "problems": len(self.problems),
            "skipped": len(self.skipped),
            "unchanged": self.unchanged,
        }
        return f"<Plan {', '.join(f'{count} {what}' for what, count in counts.items() if count) or 'nothing'}>"

    def add(self, decision: Decision | None) -> None:
        """Put a decision where it belongs; None is a file that needs nothing."""
        match decision:
            case None:
                self.unchanged += 1
            case Upload():
                self.uploads.append(decision)
            case Touch():
                self.touches.append(decision)
            case Delete():
                self.deletes.append(decision)
            case Keep():
                self.keeps.append(decision)


def covers(above: str, path: str) -> bool:
    """Whether `path` is `above` or lies beneath it. The root (`""`) covers everything."""
    return not above or path == above or path.startswith(above + "/")


def join(directory: str, name: str) -> str:
    """Join a relative directory, which may be the root, and a name in it."""
    return f"{directory}/{name}" if directory else name


def split(path: str) -> tuple[str, str]:
    """Split a relative path into its directory, which may be the root, and its name."""
    directory, _, name = path.rpartition("/")
    return directory, name


def is_beneath(path: str, others: Container[str]) -> bool:
    """Whether `path` lies beneath one of the `others`."""
    while path:
        path, _ = split(path)
        if path in others:
            return True
    return False
