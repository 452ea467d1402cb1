"""A saved file: from close() to stored, in a tree of which everything else is mirrored. Default settings, no latency.

Every other save is a new file, the others are written over; pauses vary, so that nothing beats in step. Ours counts
when the emulator says that it stored the object; lsyncd's when the file has its place in the copy (ctime of the rename,
which the kernel rounds to its tick). They run one after the other, never at once.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.peers import is_first_pass_done
from benchmarks.processes import daemon, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.stage import Stage, Still

FILES, SAVES = 100_000, 100
PAUSE_SECONDS = (0.05, 0.25)
SETTLED_SECONDS = 2.0


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Save a hundred files for each, in turns; of all of ours together the 99 of 100 are judged."""
    tree = stage.still(stage.size(FILES))
    case = f"{tree.files:,} files mirrored"
    ours: list[float] = []
    for turn in stage.turns(2):
        delays = save_ours(stage, tree, SAVES, turn)
        ours += delays
        book.note(case, OURS, turn, **_summed_up(delays))
        if "lsyncd" in stage.peers.paths:
            book.note(case, "lsyncd", turn, **_summed_up(_theirs(stage, tree, turn)))
    book.bound(case, "median_ms", "median ≤ 60 ms", most=60)
    late = statistics.quantiles(ours, n=100)[98] * 1000
    book.judge(f"{case}, all {len(ours)} saves", "within_99_ms", late, "99 % ≤ 250 ms", is_met=late <= 250)
    book.beside(case, "median_ms", "lsyncd")
    book.beside(case, "within_99_ms", "lsyncd")
    return [
        panel(book, case, "median_ms", f"a saved file, close() to stored, {case}", 60),
        panel(book, case, "within_99_ms", "the same, 99 of 100 within", 250),
    ]


def save_ours(stage: Stage, tree: Still, saves: int, turn: int) -> list[float]:
    """Save files while `tcbsync run` watches; give the seconds of each."""
    place = stage.folder()
    with stage.emulator(place) as cloud:
        config = stage.configure(tree.state.parent, tree.root, cloud.url)
        with daemon(config, place / "daemon.log") as running:
            running.until("in_sync")
            time.sleep(SETTLED_SECONDS)
            before = cloud.count("cos")
            closed = dict(_save(tree, saves, turn))
            cloud.wait_for("cos", before + saves)
            stored = {key: each["uploaded_at"] for key, each in cloud.objects().items()}
    return [stored[path.relative_to(tree.root).as_posix()] - at for path, at in closed.items()]


def _theirs(stage: Stage, tree: Still, turn: int) -> list[float]:
    with stage.peers.lsyncd(stage.folder(), tree.root, tree.copy) as running:
        until(lambda: is_first_pass_done(running), "lsyncd does not begin", pause=0.1)
        time.sleep(SETTLED_SECONDS)
        closed = dict(_save(tree, SAVES, 1000 + turn))
        copies = {tree.copy / path.relative_to(tree.root): at for path, at in closed.items()}
        until(lambda: all(_is_there(copy, at) for copy, at in copies.items()), "lsyncd has not copied all", pause=0.2)
    return [copy.stat().st_ctime_ns / 1e9 - at for copy, at in copies.items()]


def _is_there(copy: Path, closed: float) -> bool:
    return copy.exists() and copy.stat().st_size > 0 and copy.stat().st_ctime > closed - 0.1


def _save(tree: Still, saves: int, turn: int) -> Iterator[tuple[Path, float]]:
    dice = random.Random(turn)
    directories = sorted(os.listdir(tree.root))  # noqa: PTH208 - names are enough
    for number in range(saves):
        directory = tree.root / dice.choice(directories)
        names = sorted(path.name for path in directory.iterdir() if path.stat().st_size == 0)
        path = directory / (f"saved-{turn}-{number}.json" if number % 2 or not names else dice.choice(names))
        path.write_text(f'{{"saved": {time.time_ns()}}}')
        yield path, time.time()
        time.sleep(dice.uniform(*PAUSE_SECONDS))


def _summed_up(delays: list[float]) -> dict[str, float]:
    milliseconds = [1000 * delay for delay in delays]
    hundredths = statistics.quantiles(milliseconds, n=100)
    return {
        "median_ms": statistics.median(milliseconds),
        "within_99_ms": hundredths[98],
        "longest_ms": max(milliseconds),
    }
