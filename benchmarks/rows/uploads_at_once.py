"""How many uploads in flight: the rate and the client's CPU at 4 to 64, 50 ms an answer. The reason for the default.

And what the daemon makes of a service that refuses more than so many at once (`emulator --at-once N`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel
from benchmarks.rows.first_upload import send
from tcbsync.config.schema import ServiceConfig

if TYPE_CHECKING:
    from benchmarks.stage import Stage

FILES, LATENCY = 2_000, 0.05
STEPS = (4, 8, 16, 32, 64)
PLACES = 8


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Send the same files with each number, in turns."""
    files = stage.size(FILES)
    for turn in stage.turns(2):
        for uploads in STEPS:
            _note(stage, book, f"{uploads} at once", turn, uploads)
    measured = {uploads: book.median(f"{uploads} at once", OURS, "files_per_second") for uploads in STEPS}
    book.remark(f"the default is {ServiceConfig().uploads} at once: with more, a file costs hardly less CPU")
    for uploads in STEPS:
        book.bound(f"{uploads} at once", "files_per_second", "")
        book.bound(f"{uploads} at once", "cpu_ms", "")
    _refused(stage, book)
    points = [(float(uploads), rate) for uploads, rate in measured.items() if rate]
    return [Curves(f"{files:,} files at 50 ms an answer", "uploads in flight", "files_per_second", [(OURS, points)])]


def _refused(stage: Stage, book: Book) -> None:
    case, fixed = f"32 at once, and the service takes {PLACES}", f"{PLACES} at once, for comparison"
    for turn in stage.turns(2):
        _note(stage, book, case, turn, 32, "--at-once", str(PLACES))
        _note(stage, book, fixed, turn, PLACES)
    book.bound(case, "files_per_second", "")
    book.bound(fixed, "files_per_second", "")
    found, known = (book.median(name, OURS, "files_per_second") for name in (case, fixed))
    share = 100 * found / known if found and known else None
    bar = f"≥ 85 % of what a limit of {PLACES}, known beforehand, sends"
    book.judge(case, "share_percent", share, bar, is_met=(share or 0) >= 85)


def _note(stage: Stage, book: Book, case: str, turn: int, uploads: int, *options: str) -> None:
    files = stage.size(FILES)
    sent = send(stage, stage.assets(files), LATENCY, uploads, *options)
    book.note(case, OURS, turn, **sent.figures(files))
