"""The metadata of all objects, as one file of JSON lines beside the objects' folders.

Rule: the last line about a key counts; a line says what an object is, or that it was deleted.
Refusal: a line that is torn (the emulator was killed) or strange is skipped, never a reason not to start.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object. `place` is its file, relative to the data folder; `md5` is hex; `crc64` None if not known."""

    env: str
    key: str
    place: str
    size: int
    md5: str
    crc64: int | None
    content_type: str
    has_fileid: bool
    """False: it was sent without the right x-cos-meta-fileid, so the API says that it does not exist."""
    uploaded_at: float
    mtime_ns: int
    headers: Mapping[str, str] = field(default_factory=dict)


_NAMES = tuple(each.name for each in fields(StoredObject))


class Journal:
    """Appends to the file, and reads it back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def load(self) -> dict[tuple[str, str], StoredObject]:
        """Read which objects there should be."""
        objects: dict[tuple[str, str], StoredObject] = {}
        with self._path.open("rb") as lines:
            for line in lines:
                try:
                    document = json.loads(line)
                    identity = (document["env"], document["key"])
                    if document.pop("is_deleted", False):
                        objects.pop(identity, None)
                    else:
                        objects[identity] = StoredObject(**document)
                except (ValueError, TypeError, KeyError, AttributeError):
                    continue
        return objects

    def stored(self, stored: StoredObject) -> None:
        """Say that the object is there now."""
        self._file.write(_line(_fields(stored)))

    def deleted(self, env: str, key: str) -> None:
        """Say that it is gone."""
        self._file.write(_line({"env": env, "key": key, "is_deleted": True}))

    def rewrite(self, objects: Iterable[StoredObject]) -> None:
        """Hold only the lines that still count."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.writelines(_line(_fields(stored)) for stored in objects)
        self._file.close()
        os.replace(fresh, self._path)  # noqa: PTH105 - the same call as Path.replace, said plainly
        self._file = self._path.open("ab", buffering=0)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _fields(stored: StoredObject) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in _NAMES}


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
