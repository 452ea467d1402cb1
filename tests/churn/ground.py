"""The folder in which the work goes on, what lies there, and what chance picks from it. Knows no daemon.

Rule: every choice comes from one seeded stream and from the disk, which nobody else writes to. So the same seed makes
the same tree, step by step.
"""

from __future__ import annotations

import os
import shutil
import stat
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import mmap
    import random
    from collections.abc import Iterator
    from pathlib import Path

NAMES = (
    *(f"{letter}.png" for letter in "abcdefgh"),
    *(
        "level.json",
        "场景 一.bin",
        "100%.txt",
        "a#b?c&d=e+f",
        "line\nbreak",
        "-rf",
        "café.txt",
        "\U0001f600",
        ".hidden",
    ),
    *("x.tmp", "notes~", "page.log", "keep.log", "raw.psd", "local.txt"),  # some are ignored, at times
    *("back\\slash", "${filename}", "\udcff.bin"),  # refused by the cloud
)
DIRECTORIES = ("one", "two", "three", "四", "été", "one", "two", "drafts", "cache", "build.tmp", "\udcfe")
SIZES = (0, 1, 37, 37, 37, 4_096, 4_096, 70_000, 70_000, 1_300_000)  # the last is sent in pieces
MAX_DEPTH = 4
CROWDED = 350
"""With more files than these, the work tends to remove."""
REPOSITORY = "repository"
"""Git's alone: what git did not do there, it would refuse to check out over."""
ANCHOR = "always.txt"
"""A root that holds no file at all is held for a person, whatever the guard's limits."""
APART = (REPOSITORY, ANCHOR, ".tcbignore")


@dataclass(slots=True)
class Pending:
    """A file that is held open, and written on while other work goes on."""

    file: BinaryIO
    pieces: int
    mapping: mmap.mmap | None = None


@dataclass(slots=True)
class Ground:
    """A root, and an outside on the same file system. `hears_all` False: some changes may make no event."""

    root: Path
    outside: Path
    chance: random.Random
    hears_all: bool
    pending: list[Pending] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        for place in (self.root, self.outside, *(self.root / name for name in sorted({*DIRECTORIES}))):
            place.mkdir(exist_ok=True)
        (self.root / ANCHOR).write_text("always here")

    # -- what is there -----------------------------------------------------------------------------------------------

    def entries(self) -> list[Path]:
        """List everything in the root that may be worked on, in an order that is always the same."""
        return sorted(self._beneath(self.root))

    def _beneath(self, directory: Path) -> Iterator[Path]:
        with os.scandir(directory) as found:
            for entry in found:
                path = directory / entry.name
                if directory == self.root and entry.name in APART:
                    continue
                yield path
                if entry.is_dir(follow_symlinks=False):
                    yield from self._beneath(path)

    def files(self) -> list[Path]:
        """List the regular files."""
        return [path for path in self.entries() if is_file(path)]

    def directories(self) -> list[Path]:
        """List the directories, the root among them."""
        return [self.root, *(path for path in self.entries() if is_directory(path))]

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many files that some should go."""
        return len(self.files()) > CROWDED

    # -- what chance picks -------------------------------------------------------------------------------------------

    def some_file(self, *, to_write_into: bool = False) -> Path | None:
        """Pick a file. One with two names is not written into where everything is to be heard: see `work.SILENT`."""
        files = self.files()
        if to_write_into and self.hears_all:
            files = [file for file in files if file.stat().st_nlink == 1]
        return self.chance.choice(files) if files else None

    def some_directory(self) -> Path | None:
        """Pick a directory other than the root."""
        directories = self.directories()[1:]
        return self.chance.choice(directories) if directories else None

    def some_place(self) -> Path:
        """Pick a directory to put something in; it is made where it is missing."""
        place = self.chance.choice(self._shallow(MAX_DEPTH))
        if self.chance.random() < 0.4 and len(place.relative_to(self.root).parts) < MAX_DEPTH:
            place /= self.chance.choice(DIRECTORIES)
            if not is_directory(place):
                remove(place)
                place.mkdir()
        return place

    def some_name(self) -> Path:
        """Pick a path for a file. What is there, if anything, is one: no link or pipe is written through."""
        path = self.some_place() / self.chance.choice(NAMES)
        if not is_file(path):
            remove(path)
        return path

    def some_new_tree(self) -> Path:
        """Pick a path for a directory, where nothing is yet."""
        self.count += 1
        return self.chance.choice(self._shallow(1)) / f"tree-{self.count}"

    def _shallow(self, depth: int) -> list[Path]:
        """List the directories that lie no deeper than that: else all would end up in one another."""
        return [each for each in self.directories() if len(each.relative_to(self.root).parts) <= depth]

    def some_bytes(self) -> bytes:
        """Make content."""
        return self.chance.randbytes(self.chance.choice(SIZES))

    def build_outside(self, files: int) -> Path:
        """Make a tree outside of the root."""
        self.count += 1
        top = self.outside / f"built-{self.count}"
        for number in range(files):
            file = top / f"d{number % 4}" / f"e{number % 3}" / f"{number}.bin"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.chance.randbytes(self.chance.choice((0, 20, 300, 5_000))))
        return top

    # -- the end -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Leave nothing that keeps a file from being judged: open writers, closed doors, names that meet in one key."""
        for pending in self.pending:
            if pending.mapping is not None:
                pending.mapping.close()
            pending.file.close()
        self.pending.clear()
        self.reopen()
        for path in reversed(self.entries()):
            composed = path.with_name(unicodedata.normalize("NFC", path.name))
            if path != composed and os.path.lexists(composed):
                remove(path)

    def reopen(self) -> int:
        """Let everybody read everything again, wherever it is by now. Gives how much was closed."""
        closed = [path for path in self.entries() if not path.is_symlink() and not path.stat().st_mode & 0o400]
        for path in closed:
            path.chmod(0o700 if is_directory(path) else 0o600)
        return len(closed)


def is_file(path: Path) -> bool:
    """Whether a regular file is there, and no link to one."""
    return _is(path, stat.S_ISREG)


def is_directory(path: Path) -> bool:
    """Whether a directory is there, and no link to one."""
    return _is(path, stat.S_ISDIR)


def _is(path: Path, kind: object) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    assert callable(kind)
    return bool(kind(mode))


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if is_directory(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
