"""Small JSON files in the state directory, beside the manifest, of what has to outlive a restart.

Rule: a file is replaced as a whole, durably, by whoever holds the state directory; anybody may read it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import StateError
from tcbsync.store.database import NO_ROOM
from tcbsync.store.shelf import sync_file

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> Any:
    """Give what is written there; nothing, as an empty mapping, where there is no file. Raises OSError, ValueError."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}


def write(path: Path, document: Any) -> None:
    """Put a document in the place of the one before it. Raises StateError."""
    unfinished = path.with_suffix(".new")
    try:
        unfinished.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        unfinished.chmod(0o600)
        sync_file(unfinished)
        unfinished.replace(path)
        sync_file(path.parent)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}", hint=NO_ROOM) from error
