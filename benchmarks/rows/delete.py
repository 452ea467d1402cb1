"""`rm -r` of many files that the daemon mirrors: how many calls, and how long after the grace the last is answered.

The files are sent first, without latency; then every answer takes 10 ms. `guard: null`, all else by default.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.processes import daemon, until
from benchmarks.rows.first_upload import FILES, UPLOADS
from benchmarks.stage import remove

if TYPE_CHECKING:
    from benchmarks.stage import Stage

LATENCY, GRACE_SECONDS, PER_CALL = 0.01, 3.0, 50


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Send, remove, count."""
    files = stage.size(FILES)
    case = f"{files:,} files"
    for turn in stage.turns(2):
        book.note(case, OURS, turn, **_delete(stage, files))
    calls = -(-files // PER_CALL)
    book.bound(case, "calls", f"≤ {calls:,}, of {PER_CALL} each", most=calls)
    book.bound(case, "after_grace_seconds", "≤ 3 s after the grace, at 10 ms", most=3)
    book.bound(case, "cpu_seconds", "")
    return [
        panel(book, case, "after_grace_seconds", f"rm -r of {case}: last delete after the grace", 3),
        panel(book, case, "calls", f"rm -r of {case}: calls", calls),
    ]


def _delete(stage: Stage, files: int) -> dict[str, float]:
    place = stage.folder()
    root = place / "root"
    shutil.copytree(stage.assets(files), root / "gone")
    (root / "stays").write_text("a root that is empty is another matter: deletes are held")
    with stage.emulator(place) as cloud:
        config = stage.configure(place, root, cloud.url, service=[f"uploads: {UPLOADS}"], mirror=["guard: null"])
        stage.sync(place, config)
        with daemon(config, place / "daemon.log") as running:
            running.until("in_sync")
            cloud.set_latency(LATENCY)
            before = running.process.cpu_seconds()
            subprocess.run(["rm", "-r", str(root / "gone")], check=True)
            removed = time.time()
            until(lambda: len(cloud.objects()) == 1, "not all is deleted", pause=0.5)
            time.sleep(1)
            ended = max(each["at"] for each in cloud.log() if each["call"] == "batchdeletefile")
            figures = {
                "calls": float(cloud.count("batchdeletefile")),
                "after_grace_seconds": ended - removed - GRACE_SECONDS,
                "cpu_seconds": running.process.cpu_seconds() - before,
                "peak_mb": running.process.memory_mb(),
            }
    remove(place)
    return figures
