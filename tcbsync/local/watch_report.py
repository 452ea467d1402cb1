"""Puts into words how well the watcher sees: from errno, mounts and limits to a WatchState. Changes nothing.

Rule: the reason names what the operator can do about it, down to the sysctl line.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import TYPE_CHECKING

from tcbsync.local.hints import BLIND_LISTED, WatchMode, WatchState
from tcbsync.local.inotify import watch_limit
from tcbsync.local.mounts import is_far

if TYPE_CHECKING:
    from tcbsync.local.mounts import Mounts
    from tcbsync.local.watches import Watches

ROOMY_LIMIT = 524_288
NEARLY_FULL = 0.8


def failed(error: Exception) -> WatchState:
    """Return the state after a mistake of our own."""
    return WatchState(WatchMode.TIMED, f"the watcher failed and starts again: {error!r}")


def root_trouble(root: str, error: OSError) -> WatchState:
    """Return the state while there is no root."""
    if error.errno == errno.ENOENT:
        return WatchState(WatchMode.WAITING, f"root {root} is missing; is the volume mounted?")
    why = "it is not a directory" if isinstance(error, NotADirectoryError) else _words(error.errno)
    return WatchState(WatchMode.WAITING, f"root {root} cannot be watched: {why}")


def no_descriptor(error: OSError) -> WatchState:
    """Return the state without inotify: the limit of instances, of open files, or a kernel without it."""
    advice = "; raise fs.inotify.max_user_instances or the limit of open files" if error.errno == errno.EMFILE else ""
    return WatchState(WatchMode.TIMED, f"inotify cannot be used: {_words(error.errno)}{advice}")


def seen_by(watches: Watches, mounts: Mounts) -> WatchState:
    """Return the state of armed watches."""
    far = {path: kind for path, kind in mounts.beneath if is_far(kind)}
    blind = sorted({*watches.blind, *far})
    reasons = [*_blind_reasons(watches), *_limit_warning(watches)]
    reasons += [f"{path} is {kind}: changes made elsewhere make no event" for path, kind in sorted(far.items())[:3]]
    mode = WatchMode.DEGRADED if blind else WatchMode.INOTIFY
    if is_far(mounts.kind):
        mode = WatchMode.TIMED
        reasons.insert(0, f"the root is on {mounts.kind}: changes made elsewhere make no event")
    elif watches.tree.root is None:
        mode = WatchMode.TIMED
    return WatchState(
        mode,
        reason="; ".join(reasons),
        blind=tuple(blind[:BLIND_LISTED]),
        blind_count=len(blind) + watches.blind_unlisted,
        watches=len(watches.tree),
    )


def _blind_reasons(watches: Watches) -> list[str]:
    reasons = []
    for number, count in Counter(watches.blind.values()).most_common(3):
        if number == errno.ENOSPC:
            reasons.append(f"the watch limit is reached with {len(watches.tree):,} directories here{_sysctl()}")
        else:
            first = next(path for path, cause in watches.blind.items() if cause == number)
            reasons.append(f"{count:,} not watched ({_words(number)}), such as {first or 'the root'!r}")
    return reasons


def _limit_warning(watches: Watches) -> list[str]:
    limit = watch_limit()
    if limit is None or errno.ENOSPC in watches.blind.values() or len(watches.tree) < limit[1] * NEARLY_FULL:
        return []
    return [f"{len(watches.tree):,} watches of at most {limit[1]:,} are in use{_sysctl()}"]


def _sysctl() -> str:
    limit = watch_limit()
    if limit is None:
        return ""
    name, value = limit
    wanted = max(ROOMY_LIMIT, 2 * value)
    return f"; {name} is {value:,}: `sysctl -w {name}={wanted}`, and the same line in /etc/sysctl.d/tcbsync.conf"


def _words(number: int | None) -> str:
    return os.strerror(number or errno.EIO)
