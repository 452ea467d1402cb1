"""The start on many directories: when all are watched, when a change made meanwhile is served, how much memory.

Ours says READY when it watches; lsyncd says nothing of that kind, so its watches are counted (/proc/PID/fdinfo). As
soon as that is so a file is saved, while each still compares all of the tree for the first time; it is served when it
has its place at the other side. All is from the start of the program.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.peers import is_first_pass_done
from benchmarks.processes import daemon, until
from benchmarks.trees import ENV, MIRROR, PREFIX
from tcbsync.status import open_report

if TYPE_CHECKING:
    from benchmarks.stage import Stage, Still

DIRECTORIES, FILES_IN_EACH = 50_000, 2
_LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Start each, in turns."""
    directories = min(stage.size(FILES_IN_EACH * DIRECTORIES) // FILES_IN_EACH, _room(book))
    tree = stage.still(FILES_IN_EACH * directories, FILES_IN_EACH)
    case = f"{directories:,} directories"
    for turn in stage.turns(3):
        book.note(case, OURS, turn, **_ours(stage, tree, turn))
        if "lsyncd" in stage.peers.paths:
            book.note(case, "lsyncd", turn, **_theirs(stage, tree, directories, turn))
    book.beside(case, "watching_seconds", "lsyncd")
    served, scanned = (book.median(case, OURS, figure) for figure in ("served_seconds", "scanned_seconds"))
    is_served = bool(served and scanned and served < scanned)
    end = f", which ends at {scanned:.2f} s" if scanned else ""
    book.judge(case, "served_seconds", served, f"a change is served during the first scan{end}", is_met=is_served)
    book.beside(case, "served_seconds", "lsyncd")
    book.beside(case, "peak_mb", "lsyncd")
    book.beside(case, "cpu_seconds", "lsyncd")
    return [
        panel(book, case, "watching_seconds", f"start to all watched, {case}"),
        panel(book, case, "served_seconds", "start to a change made then is served"),
        panel(book, case, "peak_mb", "most memory"),
    ]


def _ours(stage: Stage, tree: Still, turn: int) -> dict[str, float]:
    place = stage.folder()
    with stage.emulator(place) as cloud:
        config = stage.configure(tree.state.parent, tree.root, cloud.url)
        with daemon(config, place / "daemon.log") as running:
            started = running.process.started
            watching = running.until("READY=1")
            _probe(tree, turn).write_text("saved during the first scan")
            cloud.wait_for("cos", 1)
            running.until("in_sync")
            report = open_report(tree.state, MIRROR, ENV, PREFIX)
            scanned = report.times()[0] if report else None
            stored = min(each["uploaded_at"] for each in cloud.objects().values())
            return {
                "watching_seconds": watching - started,
                "served_seconds": stored - started,
                "scanned_seconds": (scanned or time.time()) - started,
                "cpu_seconds": running.process.cpu_seconds(),
                "peak_mb": running.process.memory_mb(),
            }


def _theirs(stage: Stage, tree: Still, directories: int, turn: int) -> dict[str, float]:
    with stage.peers.lsyncd(stage.folder(), tree.root, tree.copy) as running:
        started = running.started
        watching = until(lambda: running.watches() >= directories, "lsyncd does not watch all", pause=0.05)
        probe = _probe(tree, 1000 + turn)
        probe.write_text("saved during the first pass")
        until(lambda: is_first_pass_done(running), "lsyncd is not done", pause=0.05)
        done = time.time()
        copy = tree.copy / probe.relative_to(tree.root)
        until(copy.exists, "lsyncd has not copied the file", pause=0.05)
        return {
            "watching_seconds": watching - started,
            "served_seconds": copy.stat().st_ctime - started,
            "scanned_seconds": done - started,
            "cpu_seconds": running.cpu_seconds(),
            "peak_mb": running.memory_mb(),
        }


def _probe(tree: Still, turn: int) -> Path:
    """Name a file in the last directory, which a scan reaches last."""
    return max(path for path in tree.root.iterdir() if path.is_dir()) / f"probe-{turn}.txt"


def _room(book: Book) -> int:
    """Give how many directories the kernel lets us watch twice over: a stopped program's watches go after a while."""
    limit = int(_LIMIT.read_text("ascii")) // 2
    if limit < DIRECTORIES:
        book.remark(f"fs.inotify.max_user_watches allows for {limit:,} directories only; sysctl sets more")
    return limit
