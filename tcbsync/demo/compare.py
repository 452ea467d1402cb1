"""Compares disk and cloud: which files should be mirrored, which objects there are, and every byte of both.

Rule: it reads the disk itself and the cloud itself; what the daemon and its manifest say plays no part. From core come
only the words: which names are ignored, and which the cloud cannot hold.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.ignore import DEFAULTS, IGNORE_FILE, Rules
from tcbsync.core.keys import MAX_FILE_BYTES, key_problem, normal
from tcbsync.core.model import join

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tcbsync.demo.inspection import Inspection, Stored

YOUNG_SECONDS = 1.0
"""A file that changed so recently may change again within one tick of its clock: its MD5 is not remembered."""


class File(NamedTuple):
    """A file that should be mirrored. `stamp`: what changes when the file does (size, mtime, ctime, inode)."""

    path: str
    stamp: tuple[int, int, int, int]

    @property
    def size(self) -> int:
        """In bytes."""
        return self.stamp[0]


@dataclass(slots=True)
class Tree:
    """What a look at the folder found: files by key, what cannot be mirrored and why, and how much is ignored."""

    files: dict[str, File] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    ignored: int = 0

    @property
    def size(self) -> int:
        """Of all files together, in bytes."""
        return sum(file.size for file in self.files.values())


class Difference(NamedTuple):
    """A path at which disk and cloud are not equal."""

    path: str
    what: str


class Folder:
    """The folder on the disk. It is only read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests: dict[File, str] = {}

    def look(self) -> Tree:
        """Look at the whole folder. A file that comes or goes meanwhile may or may not be in it."""
        tree = Tree()
        rules = Rules(DEFAULTS, _own_rules(self.root))
        waiting = [("", os.fspath(self.root))]
        while waiting:
            waiting += _look_at(tree, rules, *waiting.pop())
        return tree

    def md5(self, file: File) -> str:
        """Give a file's MD5 in hex; "" where it has gone. It is read again only if it has changed."""
        if file in self._digests:
            return self._digests[file]
        try:
            with open(file.path, "rb") as content:  # noqa: PTH123 - the path is a str, of any bytes
                digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError:
            return ""
        if file.stamp[2] < time.time_ns() - YOUNG_SECONDS * 1e9:
            self._digests[file] = digest
        return digest


def differences(tree: Tree, objects: Mapping[str, Stored], md5: Callable[[File], str]) -> list[Difference]:
    """Compare names, sizes and MD5s: what the cloud lists against what the disk holds."""
    found = [Difference(key, "only on disk") for key in tree.files.keys() - objects.keys()]
    found += [Difference(key, "only in the cloud") for key in objects.keys() - tree.files.keys()]
    for key in tree.files.keys() & objects.keys():
        file, stored = tree.files[key], objects[key]
        if not stored.is_known:
            found.append(Difference(key, "sent without its file id: the API does not know it"))
        elif file.size != stored.size:
            found.append(Difference(key, f"{file.size:,} bytes on disk, {stored.size:,} in the cloud"))
        elif md5(file) != stored.md5:
            found.append(Difference(key, "other bytes"))
    return sorted(found)


def byte_differences(tree: Tree, inspection: Inspection, check: Callable[[], None]) -> list[Difference]:
    """Read every object from the cloud and every file from the disk, and compare all bytes. Raises NoAnswer.

    `check` is called before each file: what it raises ends the reading.
    """
    found = []
    for key, file in tree.files.items():
        check()
        try:
            if not _is_equal(key, file, inspection):
                found.append(Difference(key, "other bytes"))
        except LookupError:
            found.append(Difference(key, "only on disk"))
        except OSError as error:
            found.append(Difference(key, f"cannot be read: {error.strerror}"))
    return sorted(found)


def _is_equal(key: str, file: File, inspection: Inspection) -> bool:
    with open(file.path, "rb") as content, closing(inspection.pieces(key)) as pieces:  # noqa: PTH123 - as above
        return all(content.read(len(piece)) == piece for piece in pieces) and not content.read(1)


def _own_rules(root: Path) -> list[str]:
    try:
        return (root / IGNORE_FILE).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


def _look_at(tree: Tree, rules: Rules, directory: str, place: str) -> list[tuple[str, str]]:
    """Look at one directory: note its files, give the directories in it, as (path in the mirror, place on disk)."""
    by_name: defaultdict[str, list[os.DirEntry[str]]] = defaultdict(list)
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                by_name[normal(entry.name)].append(entry)
    except OSError as error:
        if directory:
            tree.left_out[directory] = f"cannot be listed: {error.strerror}"
        return []
    below = []
    for name, (entry, *twins) in by_name.items():
        path = join(directory, name)
        is_directory = entry.is_dir(follow_symlinks=False)
        if rules.ignores(path, is_directory=is_directory):
            tree.ignored += 1
        elif twins:
            tree.left_out[path] = "two names that differ only in Unicode normalisation"
        elif is_directory:
            below.append((path, entry.path))
        else:
            _note(tree, path, entry)
    return below


def _note(tree: Tree, path: str, entry: os.DirEntry[str]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return  # it has just gone
    if reason := _obstacle(path, entry, status):
        tree.left_out[path] = reason
    else:
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        tree.files[path] = File(entry.path, stamp)


def _obstacle(path: str, entry: os.DirEntry[str], status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "a symbolic link" if entry.is_symlink() else "not a regular file"
    if status.st_size > MAX_FILE_BYTES:
        return "larger than 5 GB"
    return key_problem(path) or (None if os.access(entry.path, os.R_OK) else "may not be read")
