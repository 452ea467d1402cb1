"""A scope is a scope: looks at what changed, one by one, leave nothing for a look at everything to find.

On a real disk, with names that meet in one key, links, ignored names, and files that become directories.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcbsync.core.ignore import Rules
from tcbsync.core.model import Fingerprint, Found, Plan, State
from tcbsync.engine.compare import Comparison
from tcbsync.local.scan import Disk
from tcbsync.store import rows
from tests.store.table import LATER, NOW, Table, digest_of

RULES = Rules(["*.psd", "drafts/"])
TWINS = ["caf\u00e9", "cafe\u0301"]
NAMES = st.sampled_from(["a", *TWINS, *TWINS, "a.psd", "drafts", "back\\slash"])
PATHS = st.lists(NAMES, min_size=1, max_size=2).map("/".join) | st.lists(NAMES, min_size=3, max_size=3).map("/".join)
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "write", "write", "remove", "rename", "link", "work"]), PATHS, PATHS),
    max_size=12,
)


def clear(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_room(root: Path, local: str) -> str:
    """Make the directories that a path needs, in the place of whatever stood in their way. Gives what was changed."""
    *above, _ = local.split("/")
    changed, place = "", root
    for name in above:
        place /= name
        if place.is_symlink() or not place.is_dir():
            clear(place)
            place.mkdir()
            changed = changed or place.relative_to(root).as_posix()
    return changed or local


def is_reached(root: Path, local: str) -> bool:
    """Whether no link is on the way."""
    return not any((root / above).is_symlink() for above in Path(local).parents)


def change(root: Path, kind: str, local: str, target: str, size: int) -> list[str]:
    """Carry out one step. Gives what an event would tell of."""
    path = root / local
    if kind in ("write", "link"):
        scope = make_room(root, local)
        clear(path)
        if kind == "write":
            path.write_bytes(b"x" * size)
        else:
            path.symlink_to(target.split("/", maxsplit=1)[0])
        return [scope]
    if not is_reached(root, local) or not os.path.lexists(path):
        return []
    if kind == "remove":
        clear(path)
        return [local]
    if f"{target}/".startswith(f"{local}/") or f"{local}/".startswith(f"{target}/"):
        return []
    scope = make_room(root, target)
    if os.path.lexists(path):  # else it made room
        clear(root / target)
        path.rename(root / target)
    return [local, scope]


def look(disk: Disk, table: Table, scopes: list[str]) -> Plan:
    """Look at scopes, and write down what was found. Gives what that changed."""
    comparison = Comparison(disk, table.manifest)
    found, wanted = Plan(), Plan()
    for plan in comparison.slices(scopes):
        table.do(rows.expect, plan, NOW)
        found.problems += plan.problems
        found.skipped += plan.skipped
        for kind in ("uploads", "touches", "deletes", "keeps"):
            getattr(wanted, kind).extend(getattr(plan, kind))
    table.do(rows.note_problems, comparison.covered, found, LATER)
    return wanted


def work(table: Table) -> None:
    """Do what the rows want."""
    for path, record in table.records().items():
        if record.state == State.UPLOAD:
            found = Found(path, Fingerprint._make(record[:4]), path, digest_of(str(record.size)))
            local = table.row(path)
            assert local is not None
            found = Found(path, found.fingerprint, local["local"] or path, found.digest)
            table.do(rows.sending, found, f"cloud://{path}")
            table.do(rows.prove, found, NOW)
        elif record.state == State.DELETE:
            table.do(rows.remove, [path], NOW)


def troubles(table: Table) -> set[tuple[str, str]]:
    """Give what is known to be troubled, and why."""
    return {(path, reason) for path, reason, _, _ in table.report.problems()}


@pytest.mark.slow
@settings(max_examples=150)
@given(STEPS)
def test_looks_at_what_changed_leave_nothing_to_find(steps: list[tuple[str, str, str]]) -> None:
    """Whatever changes, and whatever was done meanwhile: the rows, and what is told of, are those of one full look."""
    table = Table()
    with TemporaryDirectory() as place:
        disk = Disk(Path(place), "", RULES)
        table.do(rows.scanned, RULES.digest, NOW)
        look(disk, table, [""])
        for number, (kind, local, target) in enumerate(steps, start=1):
            if kind == "work":
                work(table)
            elif scopes := change(Path(place), kind, local, target, number):
                look(disk, table, scopes)
        known = troubles(table)

        wanted = look(disk, table, [""])

        assert not wanted
        assert troubles(table) == known
    table.close()
