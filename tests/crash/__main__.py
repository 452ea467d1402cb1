"""The whole matrix: `python -m tests.crash [SCENE…] [--jobs N]`. Ends with 1 where anything was not as it should be.

`first`, `changed` and each `schema N` are tried at every boundary. `crowded`, `daemon` and `live`, whose order is
another each time, at the first, the middle and the last of each kind; `--all` tries every one of theirs too.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.crash.crew import SCENES, crew
from tests.crash.vfs import is_reachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.crash.matrix import Try


def _tell(name: str, tries: Iterable[Try], seconds: float) -> bool:
    """Print what was found; give whether all is well."""
    died = [each for each in tries if each.has_died]
    kinds = Counter(each.at.kind for each in died)
    cuts, repeated = sum(len(each.outcomes) for each in died), sum(each.repeated for each in died)
    print(
        f"{name}: {len(died)} kills at {len(kinds)} kinds of boundaries, {cuts} power cuts judged,"
        f" {repeated} uploads repeated, {seconds:.0f} s"
    )
    for kind, count in sorted(kinds.items()):
        print(f"  {count:4} {kind}")
    for each in tries:
        if not each.has_died:
            print(f"  not met this time: {each.at.kind}, {each.at.nth}")
    wrong = [each for each in tries if each.complaints]
    for each in wrong:
        print(f"  WRONG at {each.at.kind}, {each.at.nth}: {'; '.join(each.complaints)}")
    return not wrong


def main() -> int:
    """Try everything that was asked for."""
    parser = argparse.ArgumentParser(description=(inspect.getdoc(sys.modules[__name__]) or "").split("\n")[0])
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; default: all")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time; default 2")
    parser.add_argument("--all", action="store_true", help="every boundary of every scene")
    options = parser.parse_args()
    if not is_reachable():
        print("SQLite is linked into this Python: its own writes and power cuts cannot be tried here")
    started, is_well = time.monotonic(), True
    with tempfile.TemporaryDirectory(prefix="crash-") as folder, crew(options.jobs, Path(folder)) as hands:
        for name in options.scenes or SCENES:
            since = time.monotonic()
            tries = hands.play(name, tries_all=options.all)
            is_well &= _tell(name, tries, time.monotonic() - since)
    print(f"{'all as it should be' if is_well else 'NOT as it should be'}, {time.monotonic() - started:.0f} s")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
