"""What disk, rules and names say of one path: what it is, and why it is none that is mirrored. Asks no daemon, no rows.

`explain` and `flush` both go by it: what the one calls not mirrored, the other never calls proved.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from tcbsync.config.load import lines_of
from tcbsync.core.ignore import DEFAULTS, IGNORE_FILE, Rules, deciding
from tcbsync.core.keys import MAX_FILE_BYTES, key_problem, normal
from tcbsync.core.model import Fingerprint
from tcbsync.engine.compare import own_rules
from tcbsync.local.scan import KINDS, Disk, fingerprint_of

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.cli.paths import Scope
    from tcbsync.config.schema import Config, MirrorConfig

UNSEEN = ("root ", "cannot be looked at: ")
"""So a kind begins where nobody could look: what is there is not known."""


class Looked(NamedTuple):
    """What was found at a path."""

    path: str
    kind: str
    """file, directory, missing; or what it is instead, in words."""
    fingerprint: Fingerprint | None = None
    refusal: str = ""
    """Why the cloud would never take it."""
    rule: dict[str, Any] | None = None
    """Which ignore rule decides: `rule`, `file`, `line`, and the `path` or directory that it ignores."""

    @property
    def hurdle(self) -> str:
        """Say why the path is none that is mirrored; empty where it is one, or where nobody could look."""
        if self.rule is not None:
            return f"is not mirrored: {_by(self.rule, self.path)}"
        if self.refusal:
            return f"cannot be mirrored: {self.refusal}"
        is_other = self.kind not in ("file", "directory", "missing") and not self.kind.startswith(UNSEEN)
        return f"is not mirrored: {self.kind}" if is_other else ""


def _by(rule: dict[str, Any], path: str) -> str:
    """Say by which rule a path is ignored."""
    at = f" line {rule['line']} of" if rule["line"] else ""
    through = "" if rule["path"] == path else f", which ignores {rule['path']}/ with all beneath it"
    return f"the rule {rule['rule']} in{at} {rule['file']}{through}"


def looked(config: Config, file: Path, scope: Scope) -> Looked:
    """Look at a path as a look of its mirror does. `file` is where the configuration was read from."""
    mirror, local = scope
    path = normal(local)
    kind, fingerprint = _found(mirror, local)
    return Looked(
        path=path,
        kind=kind,
        fingerprint=fingerprint,
        refusal=_refusal(mirror, path, kind, fingerprint),
        rule=_rule(config, file, scope, is_directory=kind == "directory"),
    )


def _found(mirror: MirrorConfig, local: str) -> tuple[str, Fingerprint | None]:
    """Give the kind of what is there in words, and the fingerprint of a file."""
    root = os.fspath(mirror.root)
    disk = Disk(mirror.root, mirror.prefix, Rules())
    try:
        disk.identity()
    except OSError as error:
        return f"root {root}: {error.strerror}", None
    lifted = disk.lift(local) if local else ""
    try:
        found = os.lstat(f"{root}/{lifted}") if lifted else os.stat(root)  # noqa: PTH116 - paths may be no text
    except (FileNotFoundError, NotADirectoryError):
        return "missing", None
    except OSError as error:
        return f"cannot be looked at: {error.strerror}", None
    if stat.S_ISREG(found.st_mode):
        return ("file", Fingerprint._make(fingerprint_of(found))) if lifted == local else ("missing", None)
    kind = "directory" if stat.S_ISDIR(found.st_mode) else KINDS.get(stat.S_IFMT(found.st_mode), "not a regular file")
    return kind if lifted == local else f"{lifted} is {kind}", None


def _refusal(mirror: MirrorConfig, path: str, kind: str, fingerprint: Fingerprint | None) -> str:
    """Say why the cloud would never take it."""
    if fingerprint is not None and fingerprint.size > MAX_FILE_BYTES:
        return "larger than 5 GB, which the cloud does not take"
    return (key_problem(mirror.prefix + path) or "") if path and kind in ("file", "directory") else ""


def _rule(config: Config, file: Path, scope: Scope, *, is_directory: bool) -> dict[str, Any] | None:
    """Say which ignore rule of which file and line decides that the path is not mirrored."""
    mirror, local = scope
    if not local:
        return None
    try:
        own = own_rules(mirror.root)
    except OSError:
        own = []
    layers = (DEFAULTS, mirror.ignore, own, (f"/{IGNORE_FILE}",))
    found = deciding(layers, normal(local), is_directory=is_directory)
    if found is None:
        return None
    key = f"mirrors[{config.mirrors.index(mirror)}].ignore[{found.line - 1}]"
    places: tuple[tuple[str, int | None], ...] = (
        ("the defaults", None),
        (str(file), lines_of(file).get(key) if found.layer == 1 else None),
        (str(mirror.root / IGNORE_FILE), found.line),
        ("built in", None),
    )
    where, line = places[found.layer]
    return {"rule": found.rule, "file": where, "line": line, "path": found.path}
