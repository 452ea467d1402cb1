"""What of a directory would be there after a power cut: a model of the disk beneath the page cache.

The rule (POSIX, fsync): the bytes of a file are durable as they were at its last sync, its name as it was at the last
sync of the directory. Whatever came later may be there, or not, or in part, or in another order. The model keeps the
durable bytes by inode, the durable names, and the writes since. `Cut.outcomes` gives directories that a power cut at
this moment may leave behind:

- `lost`: names and bytes are the durable ones, and nothing else.
- `named`: the names came through (a journal's commit, for another file's sake), the bytes did not.
- `torn`: so did the first half of the writes, and one more in part, with its rest garbage.
- `shuffled`: of the writes, only the later half came through.

The refusal: it stores nothing by itself while the program runs, and never changes what the program does. Only
regular files count: a lock and a socket are nothing after a power cut.
"""

from __future__ import annotations

import mmap
import os
import pickle
import random
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Found = dict[str, bytes | None]
    """Path beneath the directory → bytes, or None where it is a directory itself."""

ROOM = 256 * 1024 * 1024
"""A sparse file: what is left to tell at the end fits."""
GARBAGE = random.Random(20).randbytes(4096)


class Step(NamedTuple):
    """One change of a file: `data` at `offset`, or, where there is none, its end at `offset`."""

    offset: int
    data: bytes | None


class Platter:
    """The durable part of one directory. What was there before it was made is durable."""

    def __init__(self, directory: Path, will: Path) -> None:
        """Keep an eye on `directory`; `leave_will` writes to `will`."""
        self._directory = directory
        self._descriptors: dict[int, int] = {}  # never closed: an inode that is in use is not given away again
        self._bytes: dict[int, bytearray] = {}
        self._since: dict[int, list[Step]] = {}
        with will.open("wb") as file:
            file.truncate(ROOM)
        with will.open("r+b") as file:
            self._will = mmap.mmap(file.fileno(), ROOM)
        self.has_name = directory.is_dir()
        """Whether the directory itself would be found."""
        self._listings: dict[str, dict[str, int | None]] = {}
        for place in (directory, *directory.rglob("*")):
            if place.is_dir():
                self.sync_names(str(place))
        for inode in self._descriptors:
            self._bytes[inode] = bytearray(self._read(inode))

    def meet(self, path: str) -> None:
        """Note that a file was opened, and perhaps made."""
        self._know(Path(path).stat().st_ino, path)

    def change(self, path: str, step: Step) -> None:
        """Note how a file was changed."""
        inode = Path(path).stat().st_ino
        self._know(inode, path)
        self._since.setdefault(inode, []).append(step)

    def sync(self, path: str) -> None:
        """Note that all that was done to a file is durable now."""
        inode = Path(path).stat().st_ino
        self._know(inode, path)
        steps = self._since.pop(inode, None)
        if steps is None:
            self._bytes[inode] = bytearray(self._read(inode))
            return
        for step in steps:
            apply(self._bytes[inode], step)

    def sync_names(self, directory: str) -> None:
        """Note that the names in a directory, this one or one beneath, are durable now."""
        self._listings[directory] = self._list(directory)

    def leave_will(self) -> None:
        """Write down how things are. Without letting go of the interpreter: nobody may do anything meanwhile."""
        names = self._walk(self._list)
        since: dict[int, Sequence[Step]] = {}
        for inode in names.values():
            if inode is None:
                continue
            known = self._since.get(inode)
            if known is None and (now := self._read(inode)) != self._bytes[inode]:
                known = [Step(0, None), Step(0, now)]
            since[inode] = known or ()
        durable = {inode: bytes(content) for inode, content in self._bytes.items()}
        durable_names = self._walk(lambda directory: self._listings.get(directory, {}))
        cut = Cut(self.has_name, durable_names, names, durable, since)
        words = pickle.dumps(cut)
        self._will[: len(words)] = words

    def _list(self, directory: str) -> dict[str, int | None]:
        """List a directory: name → inode, or None where it is a directory."""
        names: dict[str, int | None] = {}
        if not Path(directory).is_dir():
            return names
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    names[entry.name] = None
                elif entry.is_file(follow_symlinks=False) and not entry.name.endswith("-shm"):
                    names[entry.name] = entry.inode()
                    self._know(entry.inode(), entry.path)
        return names

    def _walk(self, listing: Callable[[str], Mapping[str, int | None]], beneath: str = "") -> dict[str, int | None]:
        """Give every path beneath a directory, as `listing` lists them."""
        paths: dict[str, int | None] = {}
        for name, inode in listing(str(self._directory / beneath)).items():
            path = f"{beneath}/{name}" if beneath else name
            paths[path] = inode
            if inode is None:
                paths |= self._walk(listing, path)
        return paths

    def _know(self, inode: int, path: str) -> None:
        if inode not in self._descriptors:
            self._descriptors[inode] = os.open(path, os.O_RDONLY)
            self._bytes[inode] = bytearray()

    def _read(self, inode: int) -> bytes:
        descriptor = self._descriptors[inode]
        status = os.fstat(descriptor)
        return os.pread(descriptor, status.st_size, 0) if stat.S_ISREG(status.st_mode) else b""


def apply(content: bytearray, step: Step) -> None:
    """Carry out one change; a gap before it holds zeros, as on a disk."""
    if step.data is None:
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    content.extend(bytes(max(0, step.offset - len(content))))
    content[step.offset : step.offset + len(step.data)] = step.data


@dataclass(frozen=True, slots=True)
class Cut:
    """How things were when the power went. Names are paths beneath the directory; None is a directory."""

    has_name: bool
    durable_names: Mapping[str, int | None]
    names: Mapping[str, int | None]
    durable: Mapping[int, bytes]
    since: Mapping[int, Sequence[Step]]

    def everything(self) -> Found:
        """Give what is there as long as the power is on."""
        return self._found(self.names, lambda steps: steps)

    def outcomes(self) -> dict[str, Found | None]:
        """Give what may be found, by the model's words; None: not even the directory. Equal ones only once."""
        found: dict[str, Found | None] = {"lost": self._found(self.durable_names, _none) if self.has_name else None}
        for word, choose in (("named", _none), ("torn", _torn), ("shuffled", _shuffled)):
            directory = self._found(self.names, choose)
            if directory not in found.values():
                found[word] = directory
        return found

    def _found(self, names: Mapping[str, int | None], choose: Callable[[Sequence[Step]], Sequence[Step]]) -> Found:
        return {path: None if inode is None else self._content(inode, choose) for path, inode in names.items()}

    def _content(self, inode: int, choose: Callable[[Sequence[Step]], Sequence[Step]]) -> bytes:
        content = bytearray(self.durable[inode])
        for step in choose(self.since.get(inode, ())):
            apply(content, step)
        return bytes(content)


def _none(_steps: Sequence[Step]) -> Sequence[Step]:
    return ()


def _torn(steps: Sequence[Step]) -> Sequence[Step]:
    half = len(steps) // 2
    if not steps or (data := steps[half].data) is None:
        return steps[:half]
    garbage = (GARBAGE * (len(data) // len(GARBAGE) + 1))[: len(data) - len(data) // 2]
    return [*steps[:half], Step(steps[half].offset, data[: len(data) // 2] + garbage)]


def _shuffled(steps: Sequence[Step]) -> Sequence[Step]:
    return steps[(len(steps) + 1) // 2 :] if len(steps) > 1 else ()


def read_will(will: Path) -> Cut:
    """Read what `leave_will` wrote."""
    with will.open("rb") as file:
        cut: Cut = pickle.load(file)
    return cut


def lay_out(found: Found | None, directory: Path) -> None:
    """Make `directory`, which must not exist, as it was found; None makes nothing."""
    if found is None:
        return
    directory.mkdir(mode=0o700)
    for path, content in found.items():
        if content is None:
            (directory / path).mkdir(mode=0o700)
        else:
            (directory / path).write_bytes(content)
