"""Growth: the same work on ten times as many files. A straight line, or better: the time of a file must not rise.

`restart` and the daemon's start are on trees of empty files that the cloud is said to have; uploads are of 1 KiB each,
to an emulator without latency, 32 in flight; deletes are of all of these by `sync`. `--full`: also 1,000,000 uploads.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel
from benchmarks.processes import daemon
from benchmarks.rows.first_upload import UPLOADS
from benchmarks.rows.saved_file import save_ours
from benchmarks.stage import NOWHERE, remove
from benchmarks.trees import make_tree

if TYPE_CHECKING:
    from benchmarks.processes import Cost
    from benchmarks.stage import Stage

SIZES = (10_000, 100_000, 1_000_000)
SAVES, BYTES, TOLERANCE = 20, 1024, 1.15
WORKS = ("restart", "upload", "delete", "daemon")


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Do the same at each size."""
    sizes = (stage.files // 100, stage.files // 10, stage.files) if stage.files else SIZES
    for files in sizes:
        pairs = 2 if files >= SIZES[-1] else 3
        for turn in stage.turns(pairs):
            _restart(stage, book, files, turn)
        _daemon(stage, book, files)
        if stage.full or stage.files or files < SIZES[-1]:
            _upload_and_delete(stage, book, files)
    for work in WORKS[:3]:
        _judge(book, work, "wall_seconds", sizes)
        _judge(book, work, "cpu_seconds", sizes)
    for files in sizes:
        book.bound(_case("daemon", files), "median_ms", "")
        book.bound(_case("daemon", files), "watching_seconds", "")
    _judge_memory(book, sizes)
    saved = _points(book, "daemon", "median_ms", sizes)
    times = [(work, _per_file(book, work, "wall_seconds", sizes)) for work in WORKS[:3]]
    peaks = [(work, _points(book, work, "peak_mb", sizes)) for work in WORKS]
    return [
        Curves("time of a file", "files", "file_ms", times),
        Curves("most memory", "files", "peak_mb", peaks),
        Curves(
            "a saved file, close() to stored",
            "files",
            "median_ms",
            [(OURS, saved)],
        ),
    ]


def _case(work: str, files: int) -> str:
    return f"{work}, {files:,} files"


def _note(book: Book, work: str, files: int, turn: int, cost: Cost) -> None:
    book.note(_case(work, files), OURS, turn, file_ms=1000 * cost.wall_seconds / files, **cost._asdict())


def _restart(stage: Stage, book: Book, files: int, turn: int) -> None:
    tree = stage.still(files)
    place = tree.state.parent
    config = stage.configure(place, tree.root, NOWHERE)
    if not turn:
        stage.sync(place, config)  # the first one reads all of the manifest
    _note(book, "restart", files, turn, stage.sync(place, config))


def _daemon(stage: Stage, book: Book, files: int) -> None:
    tree, place = stage.still(files), stage.folder()
    with stage.emulator(place) as cloud:
        config = stage.configure(tree.state.parent, tree.root, cloud.url)
        with daemon(config, place / "daemon.log") as running:
            watching = running.until("READY=1") - running.process.started
            running.until("in_sync")
            figures = {"cpu_seconds": running.process.cpu_seconds(), "peak_mb": running.process.memory_mb()}
    figures["median_ms"] = 1000 * statistics.median(save_ours(stage, tree, SAVES, 2000))
    book.note(_case("daemon", files), OURS, 0, watching_seconds=watching, **figures)


def _upload_and_delete(stage: Stage, book: Book, files: int) -> None:
    stage.check_room(2 * files, 2 * files * 4096)
    place = stage.folder()
    root = place / "root"
    make_tree(root / "gone", files, 100, BYTES)
    (root / "stays").write_text("a root that is empty is another matter: deletes are held")
    with stage.emulator(place) as cloud:
        config = stage.configure(place, root, cloud.url, service=[f"uploads: {UPLOADS}"], mirror=["guard: null"])
        cost = stage.sync(place, config)
        if (stored := cloud.count("cos")) != files + 1:
            raise RuntimeError(f"{stored} uploads of {files + 1} files")
        _note(book, "upload", files, 0, cost)
        remove(root / "gone")
        _note(book, "delete", files, 0, stage.sync(place, config))
    remove(place)


def _points(book: Book, work: str, figure: str, sizes: tuple[int, ...]) -> list[tuple[float, float]]:
    medians = ((files, book.median(_case(work, files), OURS, figure)) for files in sizes)
    return [(float(files), value) for files, value in medians if value]


def _per_file(book: Book, work: str, figure: str, sizes: tuple[int, ...]) -> list[tuple[float, float]]:
    return [(files, 1000 * value / files) for files, value in _points(book, work, figure, sizes)]


def _judge(book: Book, work: str, figure: str, sizes: tuple[int, ...]) -> None:
    """Compare the two largest sizes that were measured: of the smaller ones, the start of the program is most."""
    points = _per_file(book, work, figure, sizes)
    if len(points) < 2:
        return
    (few, before), (many, after) = points[-2:]
    rise = after / before
    what = f"{work}, a file of {many:,.0f} to a file of {few:,.0f}, {figure.partition('_')[0]}"
    book.judge(what, "ratio", rise, f"a straight line: ≤ {TOLERANCE}", is_met=rise <= TOLERANCE)


def _judge_memory(book: Book, sizes: tuple[int, ...]) -> None:
    for work in WORKS:
        points = _points(book, work, "peak_mb", sizes)
        if len(points) > 1:
            rise = points[-1][1] / points[0][1]
            what = f"{work}, {points[-1][0]:,.0f} to {points[0][0]:,.0f} files, memory"
            book.judge(what, "ratio", rise, "", is_met=None)
