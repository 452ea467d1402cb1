"""Small images, as the cloud holds them: read from the disk, and shown only if they are the bytes that were proved.

Rule: nothing that a person has not published leaves here. A path has to be proved in the manifest, the file is opened
without following a link, and its MD5 has to be that of the row. The refusal: what is no bitmap of four known kinds, by
its ending and by its first bytes, or is large. SVG is a document that may hold scripts: never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.errors import LocalError
from tcbsync.local.digest import OpenFile

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.store.answers import Stored

MOST_BYTES = 1024 * 1024
KINDS = {
    "gif": ("image/gif", (b"GIF87a", b"GIF89a")),
    "jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
    "webp": ("image/webp", (b"RIFF",)),
}
"""Ending → content type, and how such a file begins."""

BLANK = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\0\0\0!\xf9\4\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
"""Shown for a file that is called an image and is none, or that has just changed: nothing, in one transparent dot."""


def has_thumbnail(path: str, size: int) -> bool:
    """Whether a file of this name and size may be shown."""
    return ending(path) in KINDS and 0 < size <= MOST_BYTES


def read(root: Path, path: str, stored: Stored) -> tuple[str, bytes] | None:
    """Give content type and bytes of an image that the cloud holds, or None. Blocks."""
    if not has_thumbnail(path, stored.size):
        return None
    content_type, beginnings = KINDS[ending(path)]
    try:
        with OpenFile(root, path, stored.local) as file:
            if file.fingerprint.size != stored.size:
                return None
            data = b""
            while len(data) <= stored.size and (more := file.read()):
                data += more
            digest = file.finish().digest
    except LocalError:
        return None
    is_image = data.startswith(beginnings) and (content_type != "image/webp" or data[8:12] == b"WEBP")
    return (content_type, data) if is_image and digest == stored.digest else None


def ending(path: str) -> str:
    """Give the ending of a file's name, in small letters; empty where it has none."""
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot else ""
