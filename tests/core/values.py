"""The values that the tests of the core speak of: two states of a file, two contents, and rows of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.model import Fingerprint, Found, Record, Snapshot, State, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tcbsync.core.model import Problem, Skipped

SAME = Fingerprint(size=10, mtime_ns=1_000, ctime_ns=1_000, inode=1)
OTHER = Fingerprint(size=10, mtime_ns=1_000, ctime_ns=2_000, inode=1)
CONTENT = bytes(16)
ANOTHER = b"\xff" * 16


def found(path: str = "a", fingerprint: Fingerprint = SAME, digest: bytes | None = None) -> Found:
    """Return a file that is on the disk under its own name."""
    return Found(path, fingerprint, path, digest)


def record(
    state: State = State.PROVED,
    *,
    fingerprint: Fingerprint = SAME,
    digest: bytes | None = CONTENT,
    was_sent: bool = True,
) -> Record:
    """Return a row, unless told otherwise of a file that the cloud holds."""
    return Record(*fingerprint, state, digest, was_sent)


def snapshot(
    files: Mapping[str, Fingerprint],
    *,
    directory: str = "",
    spellings: Mapping[str, str] | None = None,
    problems: Iterable[Problem] = (),
    skipped: Iterable[Skipped] = (),
) -> Snapshot:
    """Return what was seen of one directory."""
    plain: dict[str, tuple[int, int, int, int]] = {**files}
    return Snapshot(directory, directory, plain, dict(spellings or {}), list(problems), list(skipped))


def paths(directory: str, names: Iterable[str]) -> set[str]:
    """Return the paths of some names of a directory."""
    return {join(directory, name) for name in names}
