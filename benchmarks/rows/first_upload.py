"""A first upload: many small files to an empty cloud whose every answer takes a while.

The emulator waits by itself (`--latency`); rclone talks to `rclone serve s3` behind a proxy that hands each answer on
as much later. We need two requests a file, a link and a form. So does rclone as it is (PUT, then HEAD); with
`--s3-no-head` it needs one. Peers send fewer files, and rates are compared.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.processes import timed
from benchmarks.stage import remove

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.processes import Cost
    from benchmarks.stage import Cloud, Stage

FILES, UPLOADS = 20_000, 32
LATENCIES = (0.05, 0.01)
SCRIPT = "one after the other"
RCLONES = {"rclone": (4, ()), "rclone --s3-no-head": (8, ("--s3-no-head",))}
"""What is compared at 50 ms: our files to theirs, and options."""


class Sent(NamedTuple):
    """What a tree took: the program, and the server's CPU."""

    cost: Cost
    server_cpu_seconds: float

    def figures(self, files: int) -> dict[str, float]:
        """Give what one of so many files took, and the whole."""
        return {
            "files": files,
            "files_per_second": files / self.cost.wall_seconds,
            "cpu_ms": 1000 * self.cost.cpu_seconds / files,
            "server_cpu_ms": 1000 * self.server_cpu_seconds / files,
            **self.cost._asdict(),
        }


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Send the same files at each latency."""
    files = stage.size(FILES)
    for latency in LATENCIES:
        case = f"{latency * 1000:.0f} ms"
        for turn in stage.turns(3):
            _note(book, case, OURS, turn, files, send(stage, stage.assets(files), latency, UPLOADS))
            if latency == LATENCIES[1]:
                few = max(20, files // 50)
                _note(book, case, SCRIPT, turn, few, _script(stage, stage.assets(few), latency))
            elif "rclone" in stage.peers.paths:
                for who, (part, options) in RCLONES.items():
                    fewer = files // part
                    _note(book, case, who, turn, fewer, _rclone(stage, stage.assets(fewer), latency, options))
    slow, fast = (f"{latency * 1000:.0f} ms" for latency in LATENCIES)
    book.beside(slow, "files_per_second", "rclone", "≥ 1 × rclone sync --transfers 32", least=1)
    book.beside(slow, "files_per_second", "rclone --s3-no-head")
    book.beside(fast, "files_per_second", SCRIPT, "≥ 15 × a script that sends one after the other", least=15)
    for case in (slow, fast):
        book.bound(case, "cpu_ms", "≤ 0.8 ms of CPU a file", most=0.8)
        book.bound(case, "server_cpu_ms", "")
    book.beside(slow, "cpu_ms", "rclone")
    book.beside(slow, "peak_mb", "rclone")
    return [
        panel(book, slow, "files_per_second", f"first upload, 10 KiB each, {slow} an answer"),
        panel(book, fast, "files_per_second", f"first upload, 10 KiB each, {fast} an answer"),
        panel(book, slow, "cpu_ms", f"client CPU of a file, {slow} an answer", 0.8),
    ]


def send(stage: Stage, root: Path, latency: float, uploads: int, *options: str) -> Sent:
    """Send a tree to a cloud of its own by `tcbsync sync`, and see that it is there."""
    place = stage.folder()
    with stage.emulator(place, latency, *options) as cloud:
        before = cloud.process.cpu_seconds()
        cost = stage.sync(
            place, stage.configure(place, root, cloud.url, service=[f"uploads: {uploads}", "connections: 256"])
        )
        server = cloud.process.cpu_seconds() - before
        check(cloud, root)
    remove(place)
    return Sent(cost, server)


def check(cloud: Cloud, root: Path) -> None:
    """Raise RuntimeError where the cloud does not hold just these files, by name and size."""
    here = {path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()}
    there = {key: each["size"] for key, each in cloud.objects().items()}
    if here != there:
        raise RuntimeError(f"{len(here.items() - there.items())} files of {len(here)} are not in the cloud as they are")


def _rclone(stage: Stage, root: Path, latency: float, options: tuple[str, ...]) -> Sent:
    place = stage.folder()
    with stage.peers.bucket(place, latency) as bucket:
        before = bucket.cpu_seconds()
        command = stage.peers.upload(root, "--transfers", str(UPLOADS), *options)
        cost = timed(command, place / "rclone.log", bucket.environment)
        server = bucket.cpu_seconds() - before
    remove(place)
    return Sent(cost, server)


def _script(stage: Stage, root: Path, latency: float) -> Sent:
    place = stage.folder()
    with stage.emulator(place, latency) as cloud:
        before = cloud.process.cpu_seconds()
        cost = timed([sys.executable, "-m", "benchmarks.script", str(root), cloud.url], place / "script.log")
        server = cloud.process.cpu_seconds() - before
    remove(place)
    return Sent(cost, server)


def _note(book: Book, case: str, who: str, turn: int, files: int, sent: Sent) -> None:
    book.note(case, who, turn, **sent.figures(files))
