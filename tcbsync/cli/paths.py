"""What a person means by PATH: a place on this disk, or the name of a mirror."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.errors import TcbsyncError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.config.schema import Config, MirrorConfig


class Scope(NamedTuple):
    """A path below a mirror's root, as the disk spells it; the root itself is the empty string."""

    mirror: MirrorConfig
    path: str

    def __str__(self) -> str:
        return f"{self.mirror.name}:{self.path}" if self.path else self.mirror.name


def scopes(config: Config, given: str | None) -> list[Scope]:
    """Give what is meant: all mirrors (None), one by its name, or a path in one, or the roots below a path.

    Raises TcbsyncError where it is none of these.
    """
    if given is None:
        return [Scope(mirror, "") for mirror in config.mirrors]
    if named := [Scope(mirror, "") for mirror in config.mirrors if mirror.name == given]:
        return named
    within = [Scope(mirror, path) for mirror in config.mirrors for path in list(beneath(mirror, given))[:1]]
    if within:
        return within
    if above := [Scope(mirror, "") for mirror in config.mirrors if _is_within(mirror.root, given)]:
        return above
    roots = ", ".join(f"{mirror.name} ({mirror.root})" for mirror in config.mirrors)
    raise TcbsyncError(f"{given} is no mirror, and not below the root of one", hint=f"there is {roots}")


def beneath(mirror: MirrorConfig, given: str) -> Iterator[str]:
    """Give the paths below the root that a path on this disk may mean: as it is written, and with links above it."""
    local = Path(os.path.abspath(given))  # noqa: PTH100 - the file itself may be a link, which is not followed
    root = mirror.root.resolve()
    if root in (local, local.resolve()):
        yield ""
    for above, path in ((mirror.root, local), (root, local.parent.resolve() / local.name)):
        if path != above and path.is_relative_to(above):
            yield path.relative_to(above).as_posix()


def _is_within(root: Path, given: str) -> bool:
    return root.resolve().is_relative_to(Path(given).resolve())
