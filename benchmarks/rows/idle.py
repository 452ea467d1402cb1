"""Idle: everything is mirrored, and nothing happens. CPU of a minute, memory now; both at once, since neither works."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.peers import is_first_pass_done
from benchmarks.processes import daemon, until

if TYPE_CHECKING:
    from benchmarks.processes import Service
    from benchmarks.stage import Stage

FILES, SECONDS, SETTLED_SECONDS = 100_000, 60.0, 20.0


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Wait, and read what the kernel counted."""
    tree, place = stage.still(stage.size(FILES)), stage.folder()
    case = f"{tree.files:,} files mirrored"
    with contextlib.ExitStack() as stack:
        cloud = stack.enter_context(stage.emulator(place))
        config = stage.configure(tree.state.parent, tree.root, cloud.url)
        ours = stack.enter_context(daemon(config, place / "daemon.log"))
        ours.until("in_sync")
        everybody = {OURS: ours.process}
        if "lsyncd" in stage.peers.paths:
            theirs = everybody["lsyncd"] = stack.enter_context(stage.peers.lsyncd(place, tree.root, tree.copy))
            until(lambda: is_first_pass_done(theirs), "lsyncd does not begin", pause=0.1)
        time.sleep(SETTLED_SECONDS)
        for turn in stage.turns(1):
            _wait(book, case, turn, everybody)
    book.bound(case, "cpu_percent", "≤ 0.2 % of a core", most=0.2)
    book.beside(case, "cpu_percent", "lsyncd")
    book.bound(case, "memory_mb", "≤ 80 MB", most=80)
    book.beside(case, "memory_mb", "lsyncd")
    return [
        panel(book, case, "cpu_percent", f"idle, CPU of a core, {case}", 0.2),
        panel(book, case, "memory_mb", f"idle, memory, {case}", 80),
    ]


def _wait(book: Book, case: str, turn: int, everybody: dict[str, Service]) -> None:
    before, started = {who: each.cpu_seconds() for who, each in everybody.items()}, time.monotonic()
    time.sleep(SECONDS)
    seconds = time.monotonic() - started
    for who, each in everybody.items():
        share = 100 * (each.cpu_seconds() - before[who]) / seconds
        book.note(case, who, turn, cpu_percent=share, memory_mb=each.memory_mb("VmRSS"), peak_mb=each.memory_mb())
