"""`reconcile` for whole directories: scopes, problems, names that are spelled otherwise, and what is counted."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import Found, Problem, Skipped, Snapshot, State
from tcbsync.core.plan import reconcile
from tests.core.values import OTHER, SAME, record, snapshot

if TYPE_CHECKING:
    from types import FrameType

    from tcbsync.core.model import Fingerprint, Plan, Record

DECOMPOSED, COMPOSED = "e\N{COMBINING ACUTE ACCENT}.png", "\N{LATIN SMALL LETTER E WITH ACUTE}.png"


@dataclass
class Case:
    """What is in one directory on disk and in the manifest, and what follows from that: paths by kind of decision."""

    description: str
    files: dict[str, Fingerprint] = field(default_factory=dict)
    rows: dict[str, Record] = field(default_factory=dict)
    directory: str = ""
    problems: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    deletes: bool = True
    uploads: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    unchanged: int = 0

    def snapshot(self) -> Snapshot:
        """Return the directory as it was seen."""
        return snapshot(
            self.files,
            directory=self.directory,
            problems=[Problem(path, "input/output error") for path in self.problems],
            skipped=[Skipped(path, "a FIFO") for path in self.skipped],
        )


PROVED, QUEUED, UNSENT = record(), record(State.UPLOAD), record(State.UPLOAD, digest=None, was_sent=False)
GOING, HELD, KEPT = record(State.DELETE), record(State.HELD), record(State.KEPT)

CASES = [
    Case("nothing on either side"),
    Case("all is new", files={"a": SAME, "b": OTHER}, uploads=("a", "b")),
    Case("all is gone", rows={"a": PROVED, "b": QUEUED}, gone=("a", "b")),
    Case("all is as it was", files={"a": SAME, "b": SAME}, rows={"a": PROVED, "b": PROVED}, unchanged=2),
    Case("an upload that is queued counts as nothing to do", files={"a": SAME}, rows={"a": QUEUED}, unchanged=1),
    Case(
        "one of each",
        files={"new": SAME, "changed": OTHER, "same": SAME, "back": SAME},
        rows={"changed": PROVED, "same": PROVED, "back": GOING, "gone": PROVED, "going": GOING, "held": HELD},
        uploads=("new", "changed"),
        touches=("back",),
        gone=("gone",),
        unchanged=1,
    ),
    Case(
        "a rename is an upload and a delete",
        files={"new-name": SAME},
        rows={"old-name": PROVED},
        uploads=("new-name",),
        gone=("old-name",),
    ),
    Case(
        "paths hold the directory",
        directory="d/e",
        files={"a": OTHER, "k": SAME},
        rows={"b": PROVED, "k": KEPT},
        uploads=("d/e/a",),
        touches=("d/e/k",),
        gone=("d/e/b",),
    ),
    Case("what was never sent is forgotten", rows={"a": UNSENT}, gone=("a",)),
    Case("what waits to be deleted, or for a person, goes on waiting", rows={"a": GOING, "b": HELD}),
    Case("a mirror that deletes takes up what one kept", rows={"a": KEPT}, gone=("a",)),
    Case("a mirror that never deletes keeps", rows={"a": PROVED, "b": QUEUED}, deletes=False, keeps=("a", "b")),
    Case("a mirror that never deletes lets go of what was never sent", rows={"a": UNSENT}, deletes=False, gone=("a",)),
    Case("what is kept is decided once", rows={"a": KEPT}, deletes=False),
    Case(
        "a mirror that never deletes any more keeps what was to go",
        rows={"a": GOING, "b": HELD},
        deletes=False,
        keeps=("a", "b"),
    ),
    Case("what comes back while it is held is touched", files={"a": SAME}, rows={"a": HELD}, touches=("a",)),
    Case("what comes back after it was kept is touched", files={"a": SAME}, rows={"a": KEPT}, touches=("a",)),
    Case("a name that became a FIFO is gone", rows={"a": PROVED}, skipped=("a",), gone=("a",)),
    Case("a name that is skipped and has no row is nothing", skipped=("a",)),
    Case("a problem at the path", rows={"a": PROVED, "b": PROVED}, problems=("a",), gone=("b",)),
    Case("a problem with the directory itself", directory="d", rows={"a": PROVED, "b": QUEUED}, problems=("d",)),
    Case("a problem with a directory above", directory="d/e", rows={"a": PROVED}, problems=("d",)),
    Case("a problem with the root", directory="d", rows={"a": PROVED}, problems=("",)),
    Case("a problem with the root, seen from the root", rows={"a": PROVED}, problems=("",)),
    Case("a problem below says nothing", directory="d", rows={"a": PROVED}, problems=("d/a/b",), gone=("d/a",)),
    Case("a problem beside says nothing", directory="d", rows={"a": PROVED}, problems=("e",), gone=("d/a",)),
    Case("a name that only begins like the troubled one", rows={"ab": PROVED}, problems=("a",), gone=("ab",)),
    Case(
        "a directory that only begins like the troubled one",
        directory="dd",
        rows={"a": PROVED},
        problems=("d",),
        gone=("dd/a",),
    ),
    Case("a problem keeps off a mirror that keeps, too", rows={"a": PROVED}, problems=("a",), deletes=False),
    Case(
        "what was seen before the listing broke off stays as it is",
        directory="d",
        files={"new": SAME, "changed": OTHER, "back": SAME, "same": SAME},
        rows={"changed": PROVED, "back": GOING, "same": PROVED, "unseen": PROVED},
        problems=("d",),
        unchanged=1,
    ),
    Case(
        "two names that meet in one key stay as they are, and so does the row",
        rows={COMPOSED: PROVED},
        problems=(COMPOSED,),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_directories(case: Case) -> None:
    """The plan holds what the case says and nothing else, and reports all that was reported."""
    seen = case.snapshot()

    plan = reconcile(seen, case.rows, deletes=case.deletes)

    assert sorted(upload.found.path for upload in plan.uploads) == sorted(case.uploads)
    assert sorted(touch.found.path for touch in plan.touches) == sorted(case.touches)
    assert sorted(delete.path for delete in plan.deletes) == sorted(case.gone)
    assert sorted(keep.path for keep in plan.keeps) == sorted(case.keeps)
    assert (plan.problems, plan.skipped, plan.unchanged) == (seen.problems, seen.skipped, case.unchanged)
    assert bool(plan) is bool(case.uploads or case.touches or case.gone or case.keeps)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_the_questions_stay_as_they_were(case: Case) -> None:
    """Neither the snapshot nor the rows are changed by being compared."""
    seen = case.snapshot()
    before = copy.deepcopy((seen, case.rows))

    plan = reconcile(seen, case.rows, deletes=case.deletes)
    plan.problems.append(Problem("later", "added by whoever reads the plan"))

    assert (seen, case.rows) == before


def test_the_disk_spells_and_the_manifest_composes() -> None:
    """A name in decomposed form is the row of its composed form; the upload holds the spelling to open it by."""
    seen = snapshot({COMPOSED: OTHER}, directory="d", spellings={COMPOSED: DECOMPOSED})

    plan = reconcile(seen, {COMPOSED: PROVED})

    assert [upload.found for upload in plan.uploads] == [Found(f"d/{COMPOSED}", OTHER, f"d/{DECOMPOSED}")]
    assert plan.deletes == []


def test_a_directory_that_is_spelled_otherwise() -> None:
    """The disk's spelling of the directory is part of the file's."""
    seen = Snapshot(COMPOSED, DECOMPOSED, {"a": SAME})

    plan = reconcile(seen, {})

    assert [upload.found for upload in plan.uploads] == [Found(f"{COMPOSED}/a", SAME, f"{DECOMPOSED}/a")]


def test_a_mirror_deletes_unless_told_otherwise() -> None:
    """That is what mirroring means."""
    plan = reconcile(snapshot({}), {"a": PROVED})

    assert [delete.path for delete in plan.deletes] == ["a"]


def calls(files: int) -> int:
    """Count the function calls that a directory costs in which no file may be looked at, such as one without `x`."""
    names = [f"f{number}" for number in range(files)]
    seen = snapshot({}, directory="d", problems=[Problem(f"d/{name}", "permission denied") for name in names])
    rows = dict.fromkeys(names, PROVED)
    count = 0

    def on_event(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(on_event)
    try:
        plan: Plan = reconcile(seen, rows)
    finally:
        sys.setprofile(None)

    assert not plan
    assert len(plan.problems) == files
    return count


def test_many_problems_cost_no_more_each_than_few() -> None:
    """The work grows with the number of troubled files, not with its square."""
    few, many = calls(100), calls(1000)

    assert many < 20 * few
