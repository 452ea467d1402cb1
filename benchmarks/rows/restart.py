"""A restart with nothing changed: `sync` beside those who compare two local trees, and beside a bare walk.

All find nothing to do; caches are warm. `find -printf` asks for the same five facts of each file and compares nothing.
Start-up is what `sync` takes for a mirror of one file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.processes import timed
from benchmarks.stage import NOWHERE

if TYPE_CHECKING:
    from benchmarks.stage import Stage

SIZES = {100_000: 5, 1_000_000: 3}
"""Files, and pairs."""


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Compare, at each size."""
    sizes = {stage.files: 5} if stage.files else SIZES
    _compare(stage, book, 1, "1 file", range(5))
    for files, pairs in sizes.items():
        case = f"{files:,} files"
        _compare(stage, book, files, case, stage.turns(pairs))
        _judge(book, files, case)
    if len(sizes) > 1:
        peaks = [book.median(f"{files:,} files", OURS, "peak_mb") for files in sizes]
        flat = peaks[-1] / peaks[0] if peaks[0] and peaks[-1] else None
        book.judge("memory, 1,000,000 to 100,000 files", "ratio", flat, "flat: ≤ 1.1", is_met=(flat or 2) <= 1.1)
    charts: list[Panel | Curves] = []
    for files in sizes:
        case = f"{files:,} files"
        charts.append(panel(book, case, "wall_seconds", f"restart, nothing changed, {case}"))
        charts.append(panel(book, case, "peak_mb", f"most memory, {case}", 120 if files >= 1_000_000 else None))
    return charts


def _compare(stage: Stage, book: Book, files: int, case: str, turns: range) -> None:
    tree = stage.still(files)
    config = stage.configure(tree.state.parent, tree.root, NOWHERE)
    log = tree.state.parent / "restart.log"
    commands = {} if files == 1 else stage.peers.compare(tree.root, tree.copy)
    for command in commands.values():
        timed(command, log)
    stage.sync(tree.state.parent, config)
    for turn in turns:
        book.note(case, OURS, turn, **stage.sync(tree.state.parent, config)._asdict())
        for who, command in commands.items():
            book.note(case, who, turn, **timed(command, log)._asdict())


def _judge(book: Book, files: int, case: str) -> None:
    is_million = files >= 1_000_000
    judged = "rsync -a" if is_million else "rclone sync"
    for who in ("rclone sync", "rsync -a"):
        if who == judged:
            book.beside(case, "wall_seconds", who, "ahead: ratio ≤ 1", most=1)
        else:
            book.beside(case, "wall_seconds", who)
    start, find = book.median("1 file", OURS, "wall_seconds"), book.median(case, "find -printf", "wall_seconds")
    bar = 2.5 * find + start if start and find else None
    words = f"≤ 2.5 × find + start-up{f' = {bar:.2f} s' if bar else ''}"
    if bar:
        book.bound(case, "wall_seconds", words, most=bar)
    book.beside(case, "wall_seconds", "find -printf")
    book.beside(case, "cpu_seconds", "rclone sync")
    book.beside(case, "cpu_seconds", "rsync -a")
    book.bound(case, "peak_mb", "≤ 120 MB" if is_million else "", most=120 if is_million else None)
    book.beside(case, "peak_mb", "rclone sync")
    book.beside(case, "peak_mb", "rsync -a")
