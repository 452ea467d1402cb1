"""A burst: many files are copied, or unpacked, into a root that the daemon watches.

From the start of `cp -r` or `tar x` to the last object that the emulator stored, beside `sync` of the same files that
lie there already; all at 10 ms an answer and 32 uploads in flight, all else by default. At the end all must be there.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.processes import daemon
from benchmarks.rows.first_upload import FILES, UPLOADS, check, send
from benchmarks.stage import remove

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stage import Stage

LATENCY = 0.01
SYNC = "sync"


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Let the same files come in each way, in turns."""
    files = stage.size(FILES)
    assets = stage.assets(files)
    archive = stage.folder() / "assets.tar"
    subprocess.run(["tar", "-cf", archive, "-C", assets, "."], check=True)
    case = f"{files:,} files"
    ways = {"cp -r": ["cp", "-r", f"{assets}/."], "tar x": ["tar", "-xf", str(archive), "-C"]}
    for turn in stage.turns(2):
        cost = send(stage, assets, LATENCY, UPLOADS).cost
        for way in ways:  # the peer of each
            book.note(f"{way}, {case}", SYNC, turn, **cost._asdict())
        for way, command in ways.items():
            book.note(f"{way}, {case}", OURS, turn, **_burst(stage, command, files, assets))
    archive.unlink()
    for way in ways:
        book.beside(f"{way}, {case}", "wall_seconds", SYNC, "all there; ≤ 1.2 × sync of the same files", most=1.2)
        book.beside(f"{way}, {case}", "cpu_seconds", SYNC)
        book.bound(f"{way}, {case}", "peak_mb", "")
    return [panel(book, f"{way}, {case}", "wall_seconds", f"{way} of {case} into the root") for way in ways]


def _burst(stage: Stage, command: list[str], files: int, assets: Path) -> dict[str, float]:
    place = stage.folder()
    root = place / "root"
    root.mkdir()
    with stage.emulator(place, LATENCY) as cloud:
        config = stage.configure(place, root, cloud.url, service=[f"uploads: {UPLOADS}"])
        with daemon(config, place / "daemon.log") as running:
            running.until("READY=1")
            time.sleep(1)  # the first scan of nothing
            before, started = running.process.cpu_seconds(), time.time()
            subprocess.run([*command, str(root)], check=True)
            copied = time.time()
            cloud.wait_for("cos", files)
            time.sleep(3)  # whatever is sent again, or late
            check(cloud, assets)
            stored = max(each["uploaded_at"] for each in cloud.objects().values())
            figures = {
                "wall_seconds": stored - started,
                "copy_seconds": copied - started,
                "cpu_seconds": running.process.cpu_seconds() - before,
                "peak_mb": running.process.memory_mb(),
                "uploads": cloud.count("cos"),
            }
    remove(place)
    return figures
