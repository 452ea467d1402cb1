"""Which paths are not mirrored: gitignore rules. The only module that imports pathspec.

Rules come from three places, later ones winning: the defaults below, the configuration's `ignore`, and the root's own
`.tcbignore`. As in git, a file below an ignored directory cannot be brought back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORE_FILE = ".tcbignore"

DEFAULTS = (
    # this program's own
    f"/{IGNORE_FILE}",
    # systems
    ".DS_Store",
    "._*",
    ".AppleDouble/",
    ".Spotlight-V100/",
    ".Trashes/",
    ".fseventsd/",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    ".Trash-*/",
    ".directory",
    ".fuse_hidden*",
    ".nfs*",
    "lost+found/",
    "@eaDir/",
    "#recycle/",
    ".snapshot/",
    # editors
    "*~",
    "*.sw[op]",
    ".*.sw[a-z]",
    "4913",
    ".#*",
    "\\#*\\#",
    "*.tmp",
    ".~lock.*#",
    "~$*",
    "*.crdownload",
    "*.part",
    "*.partial",
    ".goutputstream-*",
    "*.kate-swp",
    # version control
    ".git/",
    ".hg/",
    ".svn/",
)
"""What editors, systems and downloads leave behind. A rule `!NAME` in the configuration brings one back."""


class Rules:
    """A compiled set of rules. `digest` tells whether two sets are the same."""

    def __init__(self, *layers: Iterable[str]) -> None:
        lines = [line for layer in layers for line in layer]
        self._spec = GitIgnoreSpec.from_lines(lines)
        self.digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def ignores(self, path: str, *, is_directory: bool = False) -> bool:
        """Whether `path` itself matches. What an ignored directory holds is ignored with it: see `ignores_below`."""
        return bool(self._spec.match_file(path + "/" if is_directory else path))

    def ignores_below(self, path: str) -> bool:
        """Whether any directory above `path` is ignored."""
        position = path.find("/")
        while position > 0:
            if self.ignores(path[:position], is_directory=True):
                return True
            position = path.find("/", position + 1)
        return False


def rule_problem(line: str) -> str | None:
    """Say why a line is no gitignore rule, or None where it is one."""
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError as error:
        return str(error)
    return None
