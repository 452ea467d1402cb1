"""`python -m benchmarks [ROW…]`: measure all rows or some, side by side with peers, and write the results."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import table
from benchmarks.book import Book
from benchmarks.stage import Stage, remove

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.charts import Curves, Panel

ROWS = (
    "restart",
    "idle",
    "saved_file",
    "watch",
    "first_upload",
    "burst",
    "delete",
    "large_file",
    "uploads_at_once",
    "bandwidth",
    "growth",
)
RESULTS = Path(__file__).with_name("results")
TRIAL = RESULTS / "trial"
"""Where it goes when the sizes are not the usual ones."""


def main() -> None:
    """Measure what the command line names."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started ends, and is removed
    place = Path(tempfile.mkdtemp(prefix="tcbsync-bench-")).resolve()
    stage = Stage(place, files=options.files, pairs=options.pairs, full=options.full)
    for name, how in stage.peers.missing.items():
        print(f"{name} is missing, and nothing is compared with it; to get it: {how}", flush=True)
    about = table.machine() | stage.peers.versions()
    try:
        for row in options.rows or ROWS:
            started = time.monotonic()
            book = Book(row)
            charts: list[Panel | Curves] = []
            try:
                charts = _measure(row)(stage, book)
            except (OSError, RuntimeError) as error:  # the other rows have their own story
                book.remark(f"this row came to no end: {error}")
            table.write(options.results, about, book, charts)
            print(f"{row}: {time.monotonic() - started:.0f} s", flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        remove(place)
    print(f"the table is {options.results / table.TABLE}")


def _measure(row: str) -> Callable[[Stage, Book], list[Panel | Curves]]:
    measure: Callable[[Stage, Book], list[Panel | Curves]] = importlib.import_module(f"benchmarks.rows.{row}").measure
    return measure


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"default: all of {', '.join(ROWS)}")
    parser.add_argument("--files", type=int, metavar="N", help="instead of each row's own number of files")
    parser.add_argument("--pairs", type=int, metavar="N", help="instead of each row's own number of pairs")
    parser.add_argument("--full", action="store_true", help="also what takes long: 1,000,000 uploads")
    parser.add_argument("--results", type=Path, metavar="DIR", help=f"default: {RESULTS}, or {TRIAL} with other sizes")
    options = parser.parse_args()
    if strange := [row for row in options.rows if row not in ROWS]:
        parser.error(f"there is no row {strange[0]}; there are {', '.join(ROWS)}")
    if options.results is None:
        options.results = TRIAL if options.files or options.pairs else RESULTS
    return options


main()
