"""Says on which file systems a folder lies, and whether inotify can see every change there. Changes nothing.

Rule: inotify reports what passes through this kernel. What another machine, a host or a backing store changes
makes no event, so these kinds are looked at on a timer instead (inotify(7), "Limitations and caveats").
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_FAR = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|davfs|fuse(\..+)?|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|"
    r"prl_fs|smb3|smbfs|vboxsf|virtiofs|vmhgfs"
)  # fuseblk is not among them: it is a local disk, such as NTFS


class Mounts(NamedTuple):
    """The file system that a folder lies on, and the mounts beneath the folder: (relative path, kind)."""

    kind: str
    beneath: tuple[tuple[str, str], ...]


def is_far(kind: str) -> bool:
    """Whether files of this kind of file system can change without an event."""
    return _FAR.fullmatch(kind) is not None


def mounts_around(folder: str, table: str | None = None) -> Mounts:
    """Return the mounts that matter for the real path `folder`; without a mount table, an unknown kind."""
    if table is None:
        try:
            table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            table = ""
    inside = folder.rstrip("/") + "/"
    longest, kind = -1, ""
    beneath = {}
    for line in table.splitlines():
        # proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
        left, _, right = line.partition(" - ")
        point = _unescape(left.split(" ")[4])
        if point.startswith(inside) and point != folder:
            beneath[point[len(inside) :]] = right.split(" ")[0]
        elif inside.startswith(point.rstrip("/") + "/") and len(point) >= longest:  # the last one lies on top
            longest, kind = len(point), right.split(" ")[0]
    return Mounts(kind, tuple(sorted(beneath.items())))


def _unescape(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
