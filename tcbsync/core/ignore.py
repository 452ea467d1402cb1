"""Which paths are not mirrored: gitignore rules. The only module that imports pathspec.

Rules come from three places, later ones winning: the defaults below, the configuration's `ignore`, and the root's own
`.tcbignore`. As in git, a file below an ignored directory cannot be brought back. Pathspec translates the rules; which
of them decides is asked here, because its own answer treats `!*/` and `directory/**` otherwise than git does.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from tcbsync.core.keys import normal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IGNORE_FILE = ".tcbignore"

DEFAULTS = (
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
    "\\#recycle/",
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
    """A compiled set of rules. `digest` tells whether two sets are the same; `mistakes` are the lines that are none."""

    def __init__(self, *layers: Iterable[str]) -> None:
        """Put the layers together. As in git, a line that is no rule means nothing."""
        lines = [normal(line) for layer in layers for line in layer]
        self.digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.mistakes = tuple(f"{line}: {problem}" for line in lines if (problem := rule_problem(line)))
        rules = (_compiled(line) for line in (*lines, f"/{IGNORE_FILE}") if not rule_problem(line))
        self._last_first = [rule for rule in rules if rule is not None][::-1]

    def ignores(self, path: str, *, is_directory: bool = False) -> bool:
        """Whether `path` itself is ignored. What an ignored directory holds is ignored with it: see `ignores_below`."""
        for regex, is_ignored, wants_directory in self._last_first:
            if is_directory or not wants_directory:
                match = regex.search(path)
                if match is not None and match.lastindex is None:  # else it is a directory above that matched
                    return is_ignored
        return False

    def ignores_below(self, path: str) -> bool:
        """Whether any directory above `path` is ignored."""
        position = path.find("/")
        while position > 0:
            if self.ignores(path[:position], is_directory=True):
                return True
            position = path.find("/", position + 1)
        return False


class Deciding(NamedTuple):
    """The rule that decides: the number of its layer, its line there (from 1), and the path or directory it ignores."""

    layer: int
    line: int
    rule: str
    path: str


def deciding(layers: Sequence[Sequence[str]], path: str, *, is_directory: bool = False) -> Deciding | None:
    """Say which rule of these layers ignores `path`, by itself or with a directory above it; None: none does."""
    numbered = [(n, i, normal(line)) for n, lines in enumerate(layers) for i, line in enumerate(lines, 1)]
    rules = [(n, i, line, _compiled(line)) for n, i, line in numbered if not rule_problem(line)][::-1]
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        some, is_folder = "/".join(parts[:end]), is_directory or end < len(parts)
        for layer, line, text, rule in rules:
            if rule is None or (rule.wants_directory and not is_folder):
                continue
            match = rule.regex.search(some)
            if match is not None and match.lastindex is None:
                if rule.is_ignored:
                    return Deciding(layer, line, text, some)
                break
    return None


def rule_problem(line: str) -> str | None:
    """Say why a line is no gitignore rule, or None where it is one, or empty, or a comment."""
    if re.search(r"\[:\w+:\]", line):
        return "classes such as [[:digit:]] are not supported; write [0-9]"
    try:
        _compiled(line)
    except (ValueError, re.error) as error:
        return str(error)
    return None


class _Rule(NamedTuple):
    regex: re.Pattern[str]
    """Matches the path itself, or (and then with a group) a directory above it."""
    is_ignored: bool
    """False: the rule brings back what an earlier one ignores."""
    wants_directory: bool


def _compiled(line: str) -> _Rule | None:
    """Compile a rule; None for an empty line and a comment. Raises ValueError, re.error where it is none of these."""
    text = line if line.endswith("\\ ") else line.rstrip()
    # The `/` at the end says of what kind a path has to be, not what it is called. A space before it counts.
    name = text.removesuffix("/")
    if name.endswith(" ") and not name.endswith("\\ "):
        name = f"{name[:-1]}\\ "
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `[[]` is a rule; Python may come to mean something else by it
        pattern = GitIgnoreSpecPattern(name)
        if pattern.include is None or pattern.regex is None:
            return None
        return _Rule(_within_names(pattern.regex), pattern.include, text.endswith("/"))


def _within_names(regex: re.Pattern[str]) -> re.Pattern[str]:
    """Let no range match a slash, as git does: `a[!b]c` is one name, and not `a/c`."""

    def bounded(piece: re.Match[str]) -> str:
        return piece[0] if piece[0].startswith("\\") or piece[0] == "[^/]" else f"(?!/){piece[0]}"

    return re.compile(re.sub(r"\\.|\[\^?\]?[^\]]*\]", bounded, regex.pattern))
