"""Makes trees, and manifests that say of a tree that all of it is in the cloud.

Rule: every file is an inode of its own; a tree that is never sent has empty files, so that a million take seconds and
no room. The manifest goes in by `tcbsync manifest import`, and `tcbsync plan` has to find nothing to do.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from benchmarks.processes import TCBSYNC, printed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIRROR, ENV, PREFIX = "bench", "bench-1", "bench/"
APPID = "wx0123456789abcdef"
MTIME_NS = 1_700_000_000 * 10**9
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def make_tree(root: Path, files: int, per_directory: int, size: int) -> None:
    """Make `files` files of `size` bytes; where they hold any, no two of them are equal."""
    noise = os.urandom(max(0, size - 8))
    for number in range(files):
        directory = f"{root}/{number // per_directory:05}"
        if number % per_directory == 0:
            os.makedirs(directory)  # noqa: PTH103 - a Path for each of a million files takes longer than the file
        path = f"{directory}/{number:07}.bin"
        if not size:
            os.mknod(path, 0o644 | stat.S_IFREG)
        else:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(descriptor, (number.to_bytes(8, "big") + noise)[:size])
            os.close(descriptor)
        os.utime(path, ns=(MTIME_NS, MTIME_NS))  # so that a second tree like this one is a faithful copy


def import_proved(root: Path, config: Path, bucket: str) -> None:
    """Write into the manifest that the cloud holds every file of a tree of empty files."""
    export = config.with_name("export.jsonl")
    rows = sum(1 for _ in _files(root))
    with export.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"tcbsync manifest": 1, "rows": rows}) + "\n")
        for path, status in _files(root):
            file.write(json.dumps(_row(path, status, bucket)) + "\n")
    printed(*TCBSYNC, "manifest", "import", str(export), "-c", str(config))
    export.unlink()
    (plan,) = json.loads(printed(*TCBSYNC, "plan", "--json", "-c", str(config)))["mirrors"]
    if plan["unchanged"] != rows:
        raise RuntimeError(f"of {rows} files that were imported as proved, {plan['unchanged']} are unchanged")


def _row(path: str, status: os.stat_result, bucket: str) -> dict[str, object]:
    return {
        "mirror": MIRROR,
        "env": ENV,
        "prefix": PREFIX,
        "path": path,
        "file_id": f"cloud://{ENV}.{bucket}/{PREFIX}{path}",
        "size": 0,
        "md5": _EMPTY_MD5,
        "fingerprint": {"mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns, "inode": status.st_ino},
        "state": "proved",
    }


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(root) as directories:
        for directory in directories:
            with os.scandir(directory) as entries:
                for entry in entries:
                    yield f"{directory.name}/{entry.name}", entry.stat(follow_symlinks=False)
