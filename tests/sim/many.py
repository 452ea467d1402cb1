"""Runs many schedules in processes, adds up what they did, and tells of each failure how to repeat it."""

from __future__ import annotations

import concurrent.futures
import gc
import multiprocessing
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.sim.install import install
from tests.sim.run import Simulation
from tests.sim.schedule import burst, generate
from tests.sim.shrink import kind_of, shrink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.outcome import Outcome
    from tests.sim.schedule import Schedule

CHUNK = 50
BURST_SEED, BURST_FILES = 0, 10_000
"""The schedule with this seed is the one with thousands of files at once."""
DAY = 86_400


class Totals(NamedTuple):
    """What many schedules did."""

    schedules: int
    counts: Counter[str]
    failures: dict[int, str]


def schedule_of(seed: int) -> Schedule:
    """Give the schedule of a seed."""
    return burst(seed, BURST_FILES) if seed == BURST_SEED else generate(seed)


def outcome_of(schedule: Schedule, *, late: bool = False) -> Outcome:
    """Run one; an error of the simulation itself is a failure too."""
    simulation = Simulation(schedule, late=late)
    return simulation.run()


def shrunk(schedule: Schedule, failure: str, *, late: bool = False) -> Schedule:
    """Give the smallest schedule that fails in the same way."""
    kind = kind_of(failure)
    return shrink(schedule, lambda candidate: kind_of(outcome_of(candidate, late=late).failure) == kind)


def run_some(seeds: range, late: bool) -> Totals:
    """Run some, in this process."""
    install()
    counts: Counter[str] = Counter()
    failures = {}
    for seed in seeds:
        outcome = outcome_of(schedule_of(seed), late=late)
        counts += outcome.counts
        if outcome.failure:
            failures[seed] = outcome.failure
    gc.collect()
    return Totals(len(seeds), counts, failures)


def run_many(seeds: range, jobs: int, *, late: bool = False) -> Iterator[Totals]:
    """Run all of them, in so many processes; give what each chunk did."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if jobs == 1:
        yield from (run_some(chunk, late) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {pool.submit(run_some, chunk, late) for chunk in chunks}
        for done in concurrent.futures.as_completed(waiting):
            waiting.discard(done)
            yield done.result()


def told(totals: Totals, seconds: float) -> str:
    """Say what was done, in a few lines."""
    counts = totals.counts

    def those(start: str) -> str:
        names = sorted(name for name in counts if name.startswith(start))
        return ", ".join(f"{name.removeprefix(start)} {counts[name]:,}" for name in names)

    others = [
        *("mount", "trouble", "lose", "lag", "jump", "outage", "slowness", "stall", "approve", "retry", "stop"),
        *("pause", "flush", "flushes that were proved"),
    ]
    return "\n".join(
        (
            f"{totals.schedules:,} schedules in {seconds:.0f} s: {len(totals.failures)} failed",
            f"  virtual days   {counts['virtual seconds'] / DAY:,.1f}",
            f"  crashes        {counts['crashes']:,}",
            f"  on the disk    {those('disk ')}",
            f"  cloud faults   {those('fault ')}",
            f"  other trouble  {', '.join(f'{name} {counts[name]:,}' for name in others)}",
            f"  calls          links {counts['link']:,}, uploads {counts['send']:,}, deletes {counts['delete']:,}",
            f"  holds          {counts['holds']:,}",
            f"  deletes sent as the file came back: {counts['deletes that met a file coming back']:,}",
        )
    )


def add(totals: Totals, more: Totals) -> Totals:
    """Add up."""
    return Totals(totals.schedules + more.schedules, totals.counts + more.counts, {**totals.failures, **more.failures})


def clock() -> float:
    """Give real seconds."""
    return time.monotonic()
