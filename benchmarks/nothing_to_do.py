"""A tree in which nothing has changed: `tcbsync sync` beside `rsync -a` of the same tree, where rsync is installed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.stage import TCBSYNC, Times, configure, emulator, make_files, timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 20_000
TURNS = 5


def measure(place: Path) -> Iterator[str]:
    """Let both find out that there is nothing to do, in turns; the fastest of each counts."""
    root, copy = place / "root", place / "copy"
    make_files(root, FILES, 16)
    rsync = shutil.which("rsync")
    with emulator(place / "objects") as url:
        config = str(configure(place, root, url))
        timed([*TCBSYNC, "sync", "-c", config])
        start = timed([*TCBSYNC, "--version"])
        ours, theirs = [], []
        for _ in range(TURNS):
            ours.append(timed([*TCBSYNC, "sync", "-c", config]))
            if rsync:
                theirs.append(timed([rsync, "-a", f"{root}/", str(copy)]))
    best = min(ours)
    yield f"{FILES} files: {best.wall:.2f} s, of which {start.wall:.2f} s is the start of the program"
    if theirs:
        peer: Times = min(theirs)
        yield f"rsync -a: {peer.wall:.2f} s; ratio {best.wall / peer.wall:.2f}"
