"""Churn from the command line: `python -m tests.churn --seeds 1-10 --seconds 20 --jobs 2`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING

from tests.churn import tools
from tests.churn.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.churn.run import Totals


def main() -> int:
    """Run the seeds; exit 1 if one of them failed."""
    parser = _parser()
    options = parser.parse_args()
    if missing := tools.missing():
        parser.error(f"not installed here: {', '.join(missing)}")
    seeds = options.seeds or [int(time.time())]
    began = time.monotonic()
    totals = []
    # A process for each run: what a failed one leaves behind is not in the next one's way.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(run, seed, options.seconds) for seed in seeds]):
            totals.append(future.result())
            _tell(totals[-1])
    failed = sorted(each.seed for each in totals if each.failure)
    print(f"\n{len(totals)} seeds in {time.monotonic() - began:.0f} s; failed: {failed or 'none'}")
    for name in ("work", "trouble", "faults", "calls"):
        counts: Counter[str] = sum((getattr(each, name) for each in totals), Counter())
        print(f"{name}: {counts.total():,} ({_listed(counts)})")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.churn", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", dest="seeds", type=lambda text: [int(text)], metavar="S", help="one seed")
    which.add_argument("--seeds", type=_seeds, metavar="FIRST-LAST", help="several; without any, one by the clock")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="of work for each seed; default 20")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many seeds at once; default 1")
    return parser


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _tell(totals: Totals) -> None:
    print(
        f"seed {totals.seed}: {'FAILED' if totals.failure else 'equal'}; {totals.work.total()} pieces of work in "
        f"{totals.seconds:.0f} s, {totals.files} files, {totals.calls.total():,} calls, "
        f"{totals.faults.total()} faults, "
        f"quiet after {totals.settled_seconds:.1f} s ({_listed(totals.trouble)})",
        flush=True,
    )
    if totals.failure:
        print(totals.failure, flush=True)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
