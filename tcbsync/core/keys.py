"""Path on disk ↔ key in the cloud. Pure; refuses every name that the service would refuse or change.

Cloud keys are bytes: `é` as one code point and as two are two keys. So names are normalised to NFC, and two local
names that meet in one key are a problem that is reported; neither overwrites the other.
"""

from __future__ import annotations

import unicodedata

MAX_KEY_BYTES = 850
"""API docs, naming rules: at most 850 bytes of UTF-8."""

MAX_FILE_BYTES = 5 * 1024**3
"""COS docs, POST Object: at most 5 GB."""


def normal(name: str) -> str:
    """Give the NFC form of a name. ASCII, the common case, is its own."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def key_problem(key: str) -> str | None:
    """Say in plain words why the cloud cannot hold `key`, or None where it can.

    `key` is the mirror's prefix + path.
    """
    if key.isascii():
        size = len(key)
    else:
        try:
            size = len(key.encode())
        except UnicodeEncodeError:
            return "the name is not valid UTF-8"
    if size > MAX_KEY_BYTES:
        return f"the path has {size} bytes; the cloud takes at most {MAX_KEY_BYTES}"
    if not key.isprintable() and any("\x18" <= character <= "\x1b" for character in key):
        return "the name holds a control character (0x18 to 0x1B) that the cloud refuses"
    return _shape_problem(key)


def _shape_problem(key: str) -> str | None:
    if not key:
        return "the name is empty"
    if key.startswith("/") or "//" in key or key.endswith("/"):
        return "the path has an empty part"
    if "\\" in key:
        return "the name holds a backslash"
    if "${filename}" in key:
        # COS docs, POST Object: `${filename}` inside the key is replaced by the uploaded file's name.
        return "the name holds ${filename}, which the cloud would replace"
    if any(f"/{dots}/" in f"/{key}/" for dots in (".", "..")):
        return "the path has a . or .. part"
    return None


def prefix_problem(prefix: str) -> str | None:
    """Say why `prefix` cannot stand before every key of a mirror, or None where it can. It may be empty."""
    return key_problem(prefix + "x") if prefix else None
