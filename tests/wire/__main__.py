"""Plays the whole cross product: every fault at every byte class of every call. `python -m tests.wire [--only TEXT]`.

Prints what did not hold, and totals by call, by fault and by class. Exit code 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.wire import cases
from tests.wire.judge import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.wire.cases import Case

PORTION = 40


def main(arguments: Sequence[str]) -> int:
    """Play what is asked for, in portions over some processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds TEXT")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (default 2)")
    options = parser.parse_args(arguments)
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
