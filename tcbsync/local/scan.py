"""Looks at the disk: one directory at a time, as a value. Follows no symbolic link, opens no file, changes nothing.

What could not be looked at is a Problem, never a hole. Unchanged files cost a `stat` and a tuple: a directory is read
into a list, and where that list is known nothing more is asked about what is in it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.keys import MAX_FILE_BYTES, key_problem, normal
from tcbsync.core.model import Problem, Skipped, Snapshot, join, split
from tcbsync.local.mounts import volumes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from tcbsync.core.ignore import Rules
    from tcbsync.core.model import Line

MASK = 2**63 - 1
"""SQLite's integers have 63 bits and a sign. Inodes go beyond that, and so do times after the year 2262."""

GONE = (FileNotFoundError, NotADirectoryError)

KINDS = {
    stat.S_IFLNK: "a symbolic link; links are not followed",
    stat.S_IFIFO: "a FIFO, not a regular file",
    stat.S_IFSOCK: "a socket, not a regular file",
}


class Place(NamedTuple):
    """A directory below the root: its path, and the disk's spelling of that."""

    path: str
    local: str


ROOT = Place("", "")

Listings = dict[str, Counter[str]]
"""How many names there are of each form in a directory."""


class _Entry(NamedTuple):
    """A name in a directory, as the disk gives it, and what lstat answered.

    A regular file's fingerprint; None for a directory; what else it is, in words; or why it cannot be looked at.
    """

    raw: str
    what: tuple[int, int, int, int] | str | OSError | None


class _Listing(NamedTuple):
    """What is in a directory: regular files, and all else."""

    files: list[Line]
    others: list[_Entry]

    def add(self, name: str, status: os.stat_result) -> None:
        """Add what lstat answered."""
        if stat.S_ISREG(status.st_mode):
            self.files.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
        elif stat.S_ISDIR(status.st_mode):
            self.others.append(_Entry(name, None))
        else:
            self.others.append(_Entry(name, KINDS.get(stat.S_IFMT(status.st_mode), "a device, not a regular file")))


def fingerprint_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Give what a Fingerprint holds."""
    return _fitting(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _fitting(size: int, mtime_ns: int, ctime_ns: int, inode: int) -> tuple[int, int, int, int]:
    return (size, mtime_ns & MASK, ctime_ns & MASK, inode & MASK)


class Disk:
    """A mirror's root, and the rules that say which of its files should be mirrored."""

    def __init__(self, root: Path, prefix: str, rules: Rules) -> None:
        self.root = root
        self.rules = rules
        self._root = os.fspath(root)
        self._prefix = prefix

    def identity(self) -> tuple[int, int]:
        """Give the root's device and inode. Raises OSError where there is no directory that can be looked at."""
        status = self.root.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, "not a directory", self._root)
        return (status.st_dev, status.st_ino)

    def volumes(self) -> dict[str, str]:
        """Say what is mounted at and below the root: see `mounts.volumes`. Raises OSError."""
        return volumes(self._root)

    def surely_absent(self, local: str) -> bool:
        """Whether the disk says that no file is there which should be mirrored. "Could not look" is no."""
        lifted = self.lift(local)
        try:
            mode = os.lstat(self._at(lifted)).st_mode
        except GONE:
            return self._is_directory("", follows=True)  # the file is gone, not the root above it
        except OSError:
            return False
        if lifted != local:
            return not stat.S_ISDIR(mode)
        return not stat.S_ISREG(mode) or self.is_ignored(local)

    def lift(self, local: str, listings: Listings | None = None) -> str:
        """Give the topmost part of `local` that is no plain directory; what is beneath it is decided there.

        With `listings`, which are filled and may serve for many paths, also one that a look does not simply enter: the
        cloud refuses its name, or another name beside it has the same key.
        """
        position = local.find("/")
        while position > 0:
            above = local[:position]
            if not self._is_directory(above) or (listings is not None and not self._is_entered(above, listings)):
                return above
            position = local.find("/", position + 1)
        return local

    def is_ignored(self, local: str) -> bool:
        """Whether a path, of whatever kind, is ignored or lies beneath something that is."""
        path = normal(local)
        if self.rules.ignores_below(path) or self.rules.ignores(path):
            return True
        return self.rules.ignores(path, is_directory=True) and self._is_directory(local)

    def snapshot(
        self, place: Place, *, names: Collection[str] | None = None, known: Collection[Line] | None = None
    ) -> tuple[Snapshot, list[Place]]:
        """Look at a directory, or at some `names` in it; give what was seen, and the directories in it.

        Of the files that are as `known` says nothing is given but their number: the rules were asked about them before.
        A directory that is not there is an empty one; one that cannot be
        listed is a Problem.
        """
        snapshot = Snapshot(place.path, place.local)
        directories: list[Place] = []
        listing = self._listing(snapshot, names)
        files = listing.files if known is None else _unknown(snapshot, listing, known)
        renamed: defaultdict[str, list[_Entry]] = defaultdict(list)
        for entry in (*(_Entry(file[0], file[1:]) for file in files), *listing.others):
            name = normal(entry.raw)
            if name == entry.raw:
                self._sort(snapshot, directories, name, entry)
            else:
                renamed[name].append(entry)
        taken = snapshot.files.keys() | {split(directory.path)[1] for directory in directories} if renamed else ()
        for name, entries in renamed.items():
            if name in taken or len(entries) > 1:
                self._report_twins(snapshot, directories, name)
            else:
                snapshot.spellings[name] = entries[0].raw
                self._sort(snapshot, directories, name, entries[0])
        return snapshot, directories

    def _is_directory(self, local: str, *, follows: bool = False) -> bool:
        try:
            return stat.S_ISDIR(os.stat(self._at(local), follow_symlinks=follows).st_mode)  # noqa: PTH116 - a hot path
        except OSError:
            return False

    def _is_entered(self, local: str, listings: Listings) -> bool:
        if key_problem(self._prefix + normal(local)):
            return False
        directory, name = split(local)
        if name.isascii():
            return True
        if directory not in listings:
            try:
                names = os.listdir(self._at(directory))  # noqa: PTH208 - a hot path
            except OSError:
                return True
            listings[directory] = Counter(map(normal, names))
        return listings[directory][normal(name)] < 2

    def _at(self, local: str) -> str:
        return f"{self._root}/{local}" if local else self._root

    def _listing(self, snapshot: Snapshot, names: Collection[str] | None) -> _Listing:
        if names is not None and all(map(str.isascii, names)):
            return self._named(snapshot.local, names)
        listing = self._listed(snapshot)
        if names is None:
            return listing
        wanted = {normal(name) for name in names}
        return _Listing(
            [file for file in listing.files if normal(file[0]) in wanted],
            [entry for entry in listing.others if normal(entry.raw) in wanted],
        )

    def _named(self, local: str, names: Iterable[str]) -> _Listing:
        listing = _Listing([], [])
        for name in names:
            try:
                listing.add(name, os.lstat(self._at(join(local, name))))
            except GONE:
                continue
            except OSError as error:
                listing.others.append(_Entry(name, error))
        return listing

    def _listed(self, snapshot: Snapshot) -> _Listing:
        listing = files, others = _Listing([], [])
        try:
            with _scan(self._at(snapshot.local), follows=not snapshot.local) as entries:
                for entry in entries:
                    name = entry.name
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            others.append(_Entry(name, None))
                            continue
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):  # as `add` does, without a call for each file of a tree
                            files.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
                        else:
                            listing.add(name, status)
                    except GONE:
                        continue
                    except OSError as error:
                        others.append(_Entry(name, error))
        except GONE:
            return listing
        except OSError as error:
            snapshot.problems.append(Problem(snapshot.directory, f"cannot be listed: {error.strerror}"))
        return listing

    def _sort(self, snapshot: Snapshot, directories: list[Place], name: str, entry: _Entry) -> None:
        """Put an entry where it belongs: among the files, the directories, what is skipped, or nowhere."""
        path = join(snapshot.directory, name)
        match entry.what:
            case None:
                if self.rules.ignores(path, is_directory=True):
                    return
                if reason := key_problem(self._prefix + path):
                    snapshot.skipped.append(Skipped(path, reason))  # and with it everything beneath
                else:
                    directories.append(Place(path, join(snapshot.local, entry.raw)))
            case _ if self.rules.ignores(path):
                return
            case OSError() as error:
                snapshot.problems.append(Problem(path, f"cannot be looked at: {error.strerror}"))
            case str(kind):
                snapshot.skipped.append(Skipped(path, kind))
            case (size, mtime_ns, ctime_ns, inode):
                if reason := key_problem(self._prefix + path):
                    snapshot.skipped.append(Skipped(path, reason))
                elif size > MAX_FILE_BYTES:
                    snapshot.problems.append(Problem(path, "larger than 5 GB, which the cloud does not take"))
                else:
                    snapshot.files[name] = _fitting(size, mtime_ns, ctime_ns, inode)

    def _report_twins(self, snapshot: Snapshot, directories: list[Place], name: str) -> None:
        path = join(snapshot.directory, name)
        snapshot.files.pop(name, None)
        directories[:] = [directory for directory in directories if directory.path != path]
        snapshot.problems.append(
            Problem(path, "two names on disk differ only in Unicode normalisation and meet in one key; rename one")
        )


def _unknown(snapshot: Snapshot, listing: _Listing, known: Collection[Line]) -> list[Line]:
    """Count in `snapshot` the files that are as `known` says; give the rest.

    Where any name is spelled otherwise than it would be known, that is all of them: it may be the twin of another.
    """
    files = listing.files
    same = set(known).intersection(files)
    rest = [] if len(same) == len(files) else [file for file in files if file not in same]
    names = [*(file[0] for file in rest), *(entry.raw for entry in listing.others)]
    if any(normal(name) != name for name in names):
        same, rest = set(), files
    snapshot.unchanged = len(same)
    if len(same) < len(known):
        snapshot.unmatched = [line[0] for line in known if line not in same]
    return rest


@contextlib.contextmanager
def _scan(path: str, *, follows: bool) -> Iterator[Iterator[os.DirEntry[str]]]:
    """List a directory; raise NotADirectoryError where a link has taken its place, unless it is to be followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follows else os.O_NOFOLLOW))
    try:
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)
