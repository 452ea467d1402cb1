"""Says on which file systems a folder lies, and whether inotify can see every change there. Changes nothing.

Rule: inotify reports what passes through this kernel. What another machine, a host or a backing store changes
makes no event, so these kinds are looked at on a timer instead (inotify(7), "Limitations and caveats").
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_FAR = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|davfs|fuse(\..+)?|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|"
    r"prl_fs|smb3|smbfs|vboxsf|virtiofs|vmhgfs"
)  # fuseblk is not among them: it is a local disk, such as NTFS


class Mount(NamedTuple):
    """A mount beneath a folder. What is mounted tells it from the next one at the same place."""

    path: str  # relative to the folder
    kind: str
    what: str  # device and directory


class Mounts(NamedTuple):
    """The kind of file system that a folder lies on, the mounts beneath the folder, and what the folder is."""

    kind: str
    beneath: frozenset[Mount]
    what: str = ""  # device and directory, wherever that is mounted


def is_far(kind: str) -> bool:
    """Whether files of this kind of file system can change without an event."""
    return _FAR.fullmatch(kind) is not None


def mounts_around(folder: str, table: str | None = None) -> Mounts:
    """Return the mounts that matter for the real path `folder`; without a mount table, an unknown kind."""
    if table is None:
        try:
            table = os.fsdecode(Path("/proc/self/mountinfo").read_bytes())
        except OSError:
            table = ""
    return _parsed(folder, table)


@functools.lru_cache(maxsize=8)
def _parsed(folder: str, table: str) -> Mounts:
    """Read the table; it is asked for every few seconds, and hardly ever another one."""
    inside = folder.rstrip("/") + "/"
    longest, kind, what = -1, "", ""
    beneath = {}
    for line in filter(None, table.split("\n")):  # not splitlines: a name may hold its other separators
        # proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
        left, _, right = line.partition(" - ")
        _, _, device, directory, point, *_ = left.split(" ")
        point, its_kind = _unescape(point), right.split(" ")[0]
        if point.startswith(inside) and point != folder:
            beneath[point] = Mount(point[len(inside) :], its_kind, f"{device} {directory}")
        elif inside.startswith(point.rstrip("/") + "/") and len(point) >= longest:  # the last one lies on top
            longest, kind = len(point), its_kind
            what = f"{device} {directory.rstrip('/')}{inside.removeprefix(point.rstrip('/')).rstrip('/')}"
    return Mounts(kind, frozenset(beneath.values()), what)


def mount_news() -> int | None:
    """Open what tells of every mount and unmount, by POLLPRI, to whoever polls it; None where there is no such thing.

    proc(5), /proc/pid/mounts: "this file is pollable", and so is mountinfo.
    """
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def volumes(root: str) -> dict[str, str]:
    """Say what a root, and each mount beneath it by its path, lies on: another volume in its place says otherwise.

    A remount of the same volume says the same, and so does a namespace in which the root is mounted upon itself, as
    systemd makes it. Raises OSError where the root is not there.
    """
    folder = os.path.realpath(root)
    device = os.stat(folder).st_dev  # noqa: PTH116 - a str all the way
    mounts = mounts_around(folder)
    return {"": f"{device} {mounts.what}", **{mount.path: mount.what for mount in mounts.beneath}}


def touch_volumes(root: str, is_ignored: Callable[[str], bool]) -> None:
    """List the root, and what is mounted beneath it, as a look will. From one that is dead this never comes back.

    What cannot be listed is for the look to tell. `is_ignored`: by path; nobody looks there.
    """
    folder = os.path.realpath(root)
    beneath = sorted(mount.path for mount in mounts_around(folder).beneath if not is_ignored(mount.path))
    for place in ("", *beneath):
        with contextlib.suppress(OSError), os.scandir(os.path.join(folder, place)) as entries:  # noqa: PTH118 - a str
            next(entries, None)


def _unescape(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
