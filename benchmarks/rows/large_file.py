"""A large file: `sync` of 2 GiB beside the same transport that sends as many bytes out of memory, without hashing.

Both to the emulator, which reads, hashes and writes what it gets. Then the same file comes into a root that the daemon
watches: how much its memory grows, and when a small file is stored that is saved while the large one is on its way.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.processes import daemon, timed, until
from benchmarks.stage import remove

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes import Cost
    from benchmarks.stage import Stage

MEBIBYTES = 2048
MEMORY = "from memory"
_PIECE = 1024 * 1024


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Send it each way, in turns. `--files` says how many MiB it has."""
    mebibytes = stage.size(MEBIBYTES)
    stage.check_room(10, 4 * mebibytes * _PIECE)
    place = stage.folder()
    root = place / "root"
    root.mkdir()
    _make(root / "large.bin", mebibytes)
    case = f"{mebibytes:,} MiB"
    for turn in stage.turns(5):
        for who in (OURS, MEMORY):
            cost = _send(stage, root, mebibytes, who)
            rate = mebibytes * _PIECE / 1e6 / cost.wall_seconds
            book.note(case, who, turn, megabytes_per_second=rate, **cost._asdict())
    for turn in stage.turns(2):
        book.note(case, OURS, 100 + turn, **_beside_small(stage, root / "large.bin"))
    remove(place)
    book.beside(case, "megabytes_per_second", MEMORY, "≥ 85 % of the same transport from memory", least=0.85)
    book.beside(case, "cpu_seconds", MEMORY)
    book.bound(case, "growth_mib", "memory grows by ≤ 32 MiB", most=32)
    book.bound(case, "small_file_seconds", "a small file saved meanwhile is not held up: ≤ 1 s", most=1)
    book.bound(case, "left_seconds", "and the large one is still on its way then: > 0 s", least=0.001)
    return [
        panel(book, case, "megabytes_per_second", f"a file of {case}, MB/s"),
        panel(book, case, "growth_mib", "growth of memory while it is sent", 32),
    ]


def _make(path: Path, mebibytes: int) -> None:
    noise = os.urandom(_PIECE)
    with path.open("wb") as file:
        for number in range(mebibytes):
            file.write(number.to_bytes(8, "big") + noise[8:])


def _send(stage: Stage, root: Path, mebibytes: int, who: str) -> Cost:
    place = stage.folder()
    os.sync()  # what was written before is nobody's burden
    with stage.emulator(place) as cloud:
        if who == OURS:
            cost = stage.sync(place, stage.configure(place, root, cloud.url))
        else:
            command = [sys.executable, "-m", "benchmarks.from_memory", cloud.url, str(mebibytes * _PIECE)]
            cost = timed(command, place / "memory.log")
        if [each["size"] for each in cloud.objects().values()] != [mebibytes * _PIECE]:
            raise RuntimeError(f"{who}: the object is not there as it should be")
    remove(place)
    return cost


def _beside_small(stage: Stage, large: Path) -> dict[str, float]:
    """Move the file into a watched root, save a small one, take it out again."""
    place = stage.folder()
    root = place / "root"
    root.mkdir()
    with stage.emulator(place) as cloud:
        with daemon(stage.configure(place, root, cloud.url), place / "daemon.log") as running:
            running.until("READY=1")
            (root / "first.txt").write_text("so that everything was used once")
            cloud.wait_for("cos", 1)
            running.process.forget_peak()
            before = running.process.memory_mb()
            large.rename(root / large.name)
            until(lambda: cloud.counters()["at_once"].get("cos", 0) > 0, "the large file is not sent")
            time.sleep(0.2)
            (root / "small.txt").write_text("saved meanwhile")
            saved = time.time()
            cloud.wait_for("cos", 3)
            growth = (running.process.memory_mb() - before) * 1e6 / _PIECE
        stored = {key: each["uploaded_at"] for key, each in cloud.objects().items()}
    (root / large.name).rename(large)
    remove(place)
    return {
        "growth_mib": growth,
        "small_file_seconds": stored["small.txt"] - saved,
        "left_seconds": stored[large.name] - stored["small.txt"],
    }
