"""`python -m benchmarks [NAME…]`: run all, or those that are named, and print a line for each figure."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import nothing_to_do, saved_file, uploads

BENCHMARKS = {
    "uploads": uploads.measure,
    "saved_file": saved_file.measure,
    "nothing_to_do": nothing_to_do.measure,
}


def main(names: list[str]) -> None:
    """Run the benchmarks of these names, or all."""
    for name in names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="tcbsync-bench-") as place:
            for line in BENCHMARKS[name](Path(place)):
                print(f"{name}: {line}", flush=True)


main(sys.argv[1:])
