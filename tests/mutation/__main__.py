"""Changes one thing of a room at a time, and names the changes that its tests do not notice.

    python -m tests.mutation core store/rows.py

Survivors that may live stand in `accepted.toml`, each with its reason. One that is not there makes the exit code 1, and
so does an entry there that no survivor belongs to any more. Why not a kept tool: by its source, mutmut 3 leaves
decorated functions and constants of modules alone, cosmic-ray 8 removes no statement, and neither knows SQL.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.mutation.mutants import mutants
from tests.mutation.trial import Trials

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = Path(__file__).parents[2]
ACCEPTED = Path(__file__).with_name("accepted.toml")


class Survivor(NamedTuple):
    """A change that no test noticed: its function, its line, and its text before and after, each in one line."""

    module: str
    where: str
    line: str
    before: str
    after: str


def main() -> int:
    """Try the mutants of every module that was asked for."""
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__, add_help=True)
    parser.add_argument("what", nargs="+", help="a room, such as core, or a module, such as core/plan.py")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no module after so long")
    parser.add_argument("--near", action="store_true", help="only with the tests that bear the module's name")
    options = parser.parse_args()
    accepted = _accepted()
    survivors: set[Survivor] = set()
    tried: set[str] = set()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as place:
        trials = Trials(TREE, Path(place), is_near=options.near)
        for module in _modules(options.what):
            if time.monotonic() < end:
                survivors |= set(_survivors(trials, module, accepted))
                tried.add(str(module))
    stale = {each for each in accepted if each.module in tried} - survivors
    for each in sorted(stale):
        print(
            f"accepted, but does not survive: {each.module}: {each.where}: {each.line}: {each.before} -> {each.after}"
        )
    return 1 if stale or survivors - accepted.keys() else 0


def _accepted() -> dict[Survivor, str]:
    entries = tomllib.loads(ACCEPTED.read_text()).get("survivor", [])
    return {Survivor(*(each[name] for name in Survivor._fields)): each["reason"] for each in entries}


def _modules(what: list[str]) -> Iterator[Path]:
    for each in what:
        path = TREE / "tcbsync" / each
        for file in [path] if path.suffix == ".py" else sorted(path.glob("*.py")):
            yield file.relative_to(TREE)


def _survivors(trials: Trials, module: Path, accepted: dict[Survivor, str]) -> Iterator[Survivor]:
    source = (TREE / module).read_text()
    lines = source.splitlines()
    all_of_it = list(mutants(source))
    if not all_of_it:
        return
    seconds = trials.measure(module)
    count = 0
    begun_at = time.monotonic()
    for mutant in all_of_it:
        if trials.is_noticed(module, mutant.source, seconds):
            continue
        line = lines[mutant.line - 1].strip()
        survivor = Survivor(str(module), mutant.where, line, mutant.before, mutant.after)
        count += survivor not in accepted
        reason = f"  [may live: {accepted[survivor]}]" if survivor in accepted else ""
        print(f"{module}:{mutant.line} ({mutant.where}): {line}")
        print(f"    {mutant.before} -> {mutant.after}{reason}", flush=True)
        yield survivor
    took = time.monotonic() - begun_at
    print(f"{module}: {len(all_of_it)} mutants, {count} survived unexplained, {took:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
