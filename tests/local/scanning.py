"""What the tests of the scan share: a root, a look at all of it, and names that are spelled in two ways."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.core.ignore import Rules
from tcbsync.core.model import join
from tcbsync.local.scan import ROOT, Disk

if TYPE_CHECKING:
    from collections.abc import Collection

    from tcbsync.core.model import Snapshot

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@dataclass
class Sight:
    """Everything that was seen of a tree."""

    files: dict[str, str] = field(default_factory=dict)
    """Path → the disk's spelling of it."""
    problems: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, snapshot: Snapshot) -> None:
        """Add what was seen of one directory."""
        for name in snapshot.files:
            self.files[join(snapshot.directory, name)] = snapshot.found(name).local
        self.problems |= {problem.path: problem.reason for problem in snapshot.problems}
        self.skipped |= {skipped.path: skipped.reason for skipped in snapshot.skipped}


def disk(root: Path, *rules: str, prefix: str = "") -> Disk:
    """Return a root under these rules, and no defaults."""
    return Disk(root, prefix, Rules(rules))


def scan(disk: Disk) -> Sight:
    """Look at the whole tree."""
    sight, waiting = Sight(), [ROOT]
    while waiting:
        snapshot, directories = disk.snapshot(waiting.pop())
        sight.add(snapshot)
        waiting += directories
    return sight


def look(disk: Disk, names: Collection[str]) -> Sight:
    """Look at some names in the root."""
    snapshot, _ = disk.snapshot(ROOT, names=names)
    sight = Sight()
    sight.add(snapshot)
    return sight


def tree(root: Path, *paths: str) -> None:
    """Make small files, with the directories that they need."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(path))


def descriptors() -> int:
    """Count the descriptors that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
