"""`python -m tests.sim`: run schedules, and say what they did. Exit code 1 and the seeds where any failed.

Names are hashed the same way in every run (PYTHONHASHSEED), or else sets would be walked in another order: the command
starts itself anew for that.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections import Counter

from tests.sim import many
from tests.sim.install import install
from tests.sim.mutants import MUTANTS, breed


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    if options.mutant:
        breed(options.mutant)
    if options.repeat is not None:
        install()
        return _repeat(options)
    started = many.clock()
    totals = many.Totals(0, Counter(), {})
    seeds = range(options.seed, options.seed + options.schedules)
    for some in many.run_many(seeds, 1 if options.mutant else options.jobs, late=options.late):
        for seed, failure in some.failures.items():
            print(f"seed {seed}: {failure}\n  {_command(seed, options)}", flush=True)
        totals = many.add(totals, some)
        if options.mutant and totals.failures:
            break
    print(many.told(totals, many.clock() - started))
    if totals.failures:
        print("failed:", *sorted(totals.failures)[:20])
    return 1 if totals.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="how many (1000000 is the soak)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's; seed 0 is 10,000 files at once")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--repeat", type=int, metavar="SEED", help="run this one, and print its trace")
    parser.add_argument("--shrink", action="store_true", help="with --repeat: cut out what the failure does not need")
    parser.add_argument("--late", action="store_true", help="let requests of a dead program land after newer ones")
    parser.add_argument("--mutant", choices=MUTANTS, help="with this defect in the product; ends where it is found")
    return parser.parse_args()


def _command(seed: int, options: argparse.Namespace) -> str:
    late = " --late" if options.late else ""
    mutant = f" --mutant {shlex.quote(options.mutant)}" if options.mutant else ""
    return f"python -m tests.sim --repeat {seed} --shrink{late}{mutant}"


def _repeat(options: argparse.Namespace) -> int:
    schedule = many.schedule_of(options.repeat)
    outcome = many.outcome_of(schedule, late=options.late)
    if outcome.failure and options.shrink:
        before = schedule.size
        schedule = many.shrunk(schedule, outcome.failure, late=options.late)
        outcome = many.outcome_of(schedule, late=options.late)
        print(f"shrunk from {before} steps to {schedule.size}")
    print(schedule)
    print("\n".join(outcome.trace))
    print(outcome.failure or "all is as it should be")
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main())
