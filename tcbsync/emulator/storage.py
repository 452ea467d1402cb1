"""Keeps objects as files that a person can look at: `DATA/ENV/PATH`.

Rule: an upload is hashed on the way; a large one, or one that replaces another, is written beside and renamed
into place when it is whole; a small new one is written at once. So an object is never half there.
Rule: what a file system can't hold (`a` beside `a/b`, names over 255 bytes, `..`, NUL) lies in
`DATA/.emulator/odd/` under the SHA-256 of its name. `.emulator` is no env's name, so nothing can collide.
Refusal: files in the folder that were not uploaded are neither served nor removed. Nothing is synced to disk:
this is a stand-in, not an archive.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from tcbsync.emulator.crc64 import crc64
from tcbsync.emulator.journal import Journal, StoredObject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import FileIO
    from pathlib import Path

_PRIVATE = ".emulator"
_SMALL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the upload's form says of the object beside its bytes."""

    content_type: str
    has_fileid: bool
    headers: Mapping[str, str] = field(default_factory=dict)


class Incoming:
    """An upload on its way: its MD5 so far, and its bytes: in memory while they are few, else in a file beside."""

    def __init__(self, path: Path, memory_bytes: int) -> None:
        self.size = 0
        self._path = path
        self._file: FileIO | None = None
        self._is_put = False
        self._few = bytearray()
        self._memory_bytes = memory_bytes
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._md5.update(chunk)
        self.size += len(chunk)
        if self._file is not None:
            _write_all(self._file, chunk)
            return
        self._few += chunk
        if self.size > self._memory_bytes:
            self._spill()

    def md5(self) -> bytes:
        """Digest of all bytes so far."""
        return self._md5.digest()

    def crc64(self) -> int | None:
        """CRC-64/XZ of all bytes, or None where they are too many."""
        return crc64(bytes(self._few)) if self._file is None else None

    def put(self, target: Path, *, is_new: bool) -> int:
        """Become the file `target`; returns its mtime in nanoseconds. Raises OSError, and may be tried again."""
        if self._file is None and is_new:
            # In place, without a rename: the object is not there until the journal names it.
            with target.open("wb", buffering=0) as file:
                _write_all(file, self._few)
                return os.fstat(file.fileno()).st_mtime_ns
        file = self._file or self._spill()
        mtime_ns = os.fstat(file.fileno()).st_mtime_ns
        self._path.rename(target)
        file.close()
        self._is_put = True
        return mtime_ns

    def discard(self) -> None:
        """Let go of the file, and forget the upload unless it has become an object."""
        if self._file is not None and not self._is_put:
            self._file.close()
            self._path.unlink()

    def _spill(self) -> FileIO:
        self._file = self._path.open("wb", buffering=0)
        _write_all(self._file, self._few)
        return self._file


class Storage:
    """All objects of all envs, by (env, key)."""

    def __init__(self, data: Path, clock: Callable[[], float], crc64_max_bytes: int) -> None:
        self.objects: dict[tuple[str, str], StoredObject] = {}
        self._data = data
        self._clock = clock
        self._crc64_max_bytes = crc64_max_bytes
        self._numbers = count(1)
        self._incoming = data / _PRIVATE / "incoming"

    def open(self) -> None:
        """Make the folders, drop what was cut off, and read which objects are there."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        for rest in self._incoming.iterdir():
            rest.unlink()
        self._journal = Journal(self._data / _PRIVATE / "objects.jsonl")
        for identity, noted in self._journal.load().items():
            if found := self._as_found(noted):
                self.objects[identity] = found
        self._journal.rewrite(self.objects.values())

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def path(self, stored: StoredObject) -> Path:
        """Say where the bytes are."""
        return self._data / stored.place

    def incoming(self) -> Incoming:
        """Begin an upload."""
        memory_bytes = max(_SMALL_BYTES, self._crc64_max_bytes)
        return Incoming(self._incoming / str(next(self._numbers)), memory_bytes)

    def store(self, incoming: Incoming, env: str, key: str, form: Form) -> StoredObject:
        """Put a whole upload in place of whatever the key held."""
        checksum = incoming.crc64() if incoming.size <= self._crc64_max_bytes else None
        place, mtime_ns = self._settle(incoming, env, key)
        stored = StoredObject(
            env=env,
            key=key,
            place=place,
            size=incoming.size,
            md5=incoming.md5().hex(),
            crc64=checksum,
            content_type=form.content_type,
            has_fileid=form.has_fileid,
            uploaded_at=self._clock(),
            mtime_ns=mtime_ns,
            headers=form.headers,
        )
        self._journal.stored(stored)
        self.objects[env, key] = stored
        return stored

    def delete(self, env: str, key: str) -> bool:
        """Remove an object and the folders that it leaves empty; False if there was none."""
        stored = self.objects.pop((env, key), None)
        if stored is None:
            return False
        path = self.path(stored)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # the first folder that is not empty ends it
            for folder in path.parents[: len(stored.place.split("/")) - 1]:
                folder.rmdir()
        self._journal.deleted(env, key)
        return True

    def clear(self) -> None:
        """Delete every object, and only objects."""
        for env, key in list(self.objects):
            self.delete(env, key)
        self._journal.rewrite(())

    def _settle(self, incoming: Incoming, env: str, key: str) -> tuple[str, int]:
        """Find a place for the bytes, relative to the data folder, and put them there."""
        plain = f"{env}/{key}"
        odd = f"{_PRIVATE}/odd/{hashlib.sha256(plain.encode()).hexdigest()}"
        old = self.objects.get((env, key))
        is_plain = not ({"", ".", ".."} & set(key.split("/")) or "\0" in key)
        for place in (old.place,) if old else (plain, odd) if is_plain else (odd,):
            with suppress(OSError):  # a folder or a file is in the way, or a name is too long
                return place, _put(incoming, self._data / place, is_new=old is None)
        raise OSError(f"cannot put {plain!r} below {self._data}")

    def _as_found(self, noted: StoredObject) -> StoredObject | None:
        """Check one line of the journal with its file: gone, as noted, or changed by hand (and hashed again)."""
        path = self.path(noted)
        try:
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (noted.size, noted.mtime_ns):
                return noted
            with path.open("rb") as file:
                md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError:
            return None
        return replace(noted, size=status.st_size, mtime_ns=status.st_mtime_ns, md5=md5, crc64=None)


def _put(incoming: Incoming, target: Path, *, is_new: bool) -> int:
    try:
        return incoming.put(target, is_new=is_new)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        return incoming.put(target, is_new=is_new)


def _write_all(file: FileIO, data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += file.write(view[written:])
