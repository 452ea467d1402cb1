"""Plays the whole cross product: every fault at every byte class of every call. `python -m tests.wire [--only TEXT]`.

With `--storms N`, N seeds of many faults at once instead. Prints what did not hold, and totals by call, by fault and by
class. Exit code 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.wire import cases
from tests.wire.judge import Verdict, judge
from tests.wire.storm import weather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.wire.cases import Case

PORTION = 40


def main(arguments: Sequence[str]) -> int:
    """Play what is asked for, in portions over some processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds TEXT")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (default 2)")
    parser.add_argument("--storms", type=int, default=0, metavar="N", help="N storms instead of single faults")
    parser.add_argument("--seed", type=int, default=0, help="of the first storm (default 0)")
    options = parser.parse_args(arguments)
    if options.storms:
        return _blow(range(options.seed, options.seed + options.storms), options.jobs)
    chosen = [case for case in cases.every() if options.only in str(case)]
    started = time.monotonic()
    portions = [chosen[start : start + PORTION] for start in range(0, len(chosen), PORTION)]
    with ProcessPoolExecutor(options.jobs) as processes:
        verdicts = [verdict for some in processes.map(_play, portions) for verdict in some]
    _report(verdicts, time.monotonic() - started)
    return 1 if not verdicts or any(verdict.complaints for verdict in verdicts) else 0


def _play(portion: list[Case]) -> list[Verdict]:
    with tempfile.TemporaryDirectory(prefix="tcbsync-wire-") as folder:
        return asyncio.run(judge(portion, Path(folder)))


def _blow(seeds: range, jobs: int) -> int:
    started = time.monotonic()
    broken = strikes = 0
    with ProcessPoolExecutor(jobs) as processes:
        for seed, (complaints, struck) in zip(seeds, processes.map(_weather, seeds), strict=True):
            strikes += len(struck)
            if complaints:
                broken += 1
                print(f"seed {seed}: {'; '.join(complaints)}\n  struck: {', '.join(struck)}")
    held = len(seeds) - broken
    print(f"{held:,} of {len(seeds):,} storms held, with {strikes:,} strikes, in {time.monotonic() - started:.0f} s")
    return 1 if broken else 0


def _weather(seed: int) -> tuple[list[str], list[str]]:
    with tempfile.TemporaryDirectory(prefix="tcbsync-wire-") as folder:
        return asyncio.run(weather(random.Random(seed), Path(folder) / "line"))


def _report(verdicts: list[Verdict], seconds: float) -> None:
    for verdict in verdicts:
        if verdict.complaints:
            print(verdict)
    _totals("call", verdicts, lambda verdict: verdict.case.call)
    _totals("fault", verdicts, lambda verdict: verdict.case.fault + (", always" if verdict.case.times > 1 else ""))
    _totals("class", verdicts, lambda verdict: verdict.case.where)
    held = sum(not verdict.complaints for verdict in verdicts)
    beyond = sum(verdict.is_beyond for verdict in verdicts)
    most = max((verdict.requests for verdict in verdicts), default=0)
    print(f"{held:,} of {len(verdicts):,} cases held in {seconds:.0f} s; at most {most} requests in a pass;", end=" ")
    print(f"{beyond} of them only `verify --repair` could mend: see tests/wire/beyond.py")


def _totals(what: str, verdicts: Iterable[Verdict], key: Callable[[Verdict], str]) -> None:
    verdicts = list(verdicts)
    played = Counter(map(key, verdicts))
    broken = Counter(key(verdict) for verdict in verdicts if verdict.complaints)
    print(f"by {what}:")
    for name, count in played.items():
        print(f"  {count:5}  {name}" + (f"   {broken[name]} DID NOT HOLD" if broken[name] else ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
