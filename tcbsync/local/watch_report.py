"""Puts into words how well the watcher sees: from errno, mounts and limits to a WatchState. Changes nothing.

Rule: the reason names what the operator can do about it, down to the sysctl line. It says nothing that changes
while the trouble is the same, because each new reason is a line in somebody's log.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import TYPE_CHECKING

from tcbsync.local.hints import BLIND_LISTED, WatchMode, WatchState
from tcbsync.local.inotify import watch_limit
from tcbsync.local.mounts import is_far
from tcbsync.local.watches import SEEN_ELSEWHERE

if TYPE_CHECKING:
    from tcbsync.local.mounts import Mounts
    from tcbsync.local.watches import Watches

MAKES_NO_EVENT = ": changes made elsewhere make no event"
ROOMY_LIMIT = 524_288
NEARLY_FULL = 0.8
REASONS_NAMED = 3


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
    # Only mounts that are watched: the others are skipped, or lie beneath what is blind anyway.
    far = {mount.path: mount.kind for mount in mounts.beneath if is_far(mount.kind) and watches.tree.find(mount.path)}
    blind = sorted({*watches.blind, *far})
    reasons = [*_blind_reasons(watches), *_limit_warning(watches)]
    reasons += [f"{path!r} is {kind}{MAKES_NO_EVENT}" for path, kind in sorted(far.items())[:REASONS_NAMED]]
    mode = WatchMode.DEGRADED if blind else WatchMode.INOTIFY
    if is_far(mounts.kind):
        mode = WatchMode.TIMED
        reasons.insert(0, f"the root is on {mounts.kind}{MAKES_NO_EVENT}")
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
    for number, _ in Counter(watches.blind.values()).most_common(REASONS_NAMED):
        if number == errno.ENOSPC:
            reasons.append(f"the watch limit is reached{_sysctl()}")
        else:
            first = min(path for path, cause in watches.blind.items() if cause == number)
            reasons.append(f"not everything is watched, such as {first or 'the root'!r}: {_words(number)}")
    return reasons


def _limit_warning(watches: Watches) -> list[str]:
    limit = watch_limit()
    if limit is None or errno.ENOSPC in watches.blind.values() or len(watches.tree) < limit[1] * NEARLY_FULL:
        return []
    return [f"the watch limit is near{_sysctl()}"]


def _sysctl() -> str:
    limit = watch_limit()
    if limit is None:
        return ""
    name, value = limit
    wanted = max(ROOMY_LIMIT, 2 * value)
    return f"; it is {value:,}: put `{name} = {wanted}` into /etc/sysctl.d/60-tcbsync.conf, then run `sysctl --system`"


def _words(number: int | None) -> str:
    if number == SEEN_ELSEWHERE:
        return "a mount shows the same directory at another path too"
    return os.strerror(number or errno.EIO)
