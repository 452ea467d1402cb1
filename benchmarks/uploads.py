"""Many small files to an empty cloud: `tcbsync sync` beside a bare script that only sends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.stage import TCBSYNC, configure, emulator, make_files, timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 3000
BYTES = 10 * 1024


def measure(place: Path) -> Iterator[str]:
    """Send the same files twice, each time to a cloud of its own."""
    root = place / "root"
    make_files(root, FILES, BYTES)
    with emulator(place / "bare") as url:
        bare = timed([sys.executable, "-m", "benchmarks.bare", str(root), url])
    with emulator(place / "objects") as url:
        ours = timed([*TCBSYNC, "sync", "-c", str(configure(place, root, url))])
    for name, times in (("tcbsync sync", ours), ("a bare script that only sends", bare)):
        yield f"{name}: {FILES / times.wall:.0f} files/s of {BYTES} bytes, {1000 * times.cpu / FILES:.2f} ms CPU each"
    yield f"ratio to the bare script: {ours.wall / bare.wall:.2f} of its time, {ours.cpu / bare.cpu:.2f} of its CPU"
