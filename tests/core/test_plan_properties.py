"""What holds of every plan, whatever happened to the disk and however much of the last plan was carried out."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.model import Plan, Problem, State, Upload, covers, is_beneath
from tcbsync.core.plan import decide, fingerprint_of
from tests.core.trees import DIRECTORIES, PATHS, Mirrored, Step, Tree, perturbed, planned, steps
from tests.core.values import found

LATER, LATEST = 100, 200


def equal_after(first: list[Step]) -> tuple[Tree, Mirrored]:
    """Return a tree, and a mirror that is equal to it."""
    tree = perturbed({}, first, moment=1)
    mirror = Mirrored()
    mirror.expect(planned(tree, {}))
    mirror.work(tree)
    return tree, mirror


def decided(plan: Plan) -> set[str]:
    """Return the paths that a plan wants something for."""
    paths = {upload.found.path for upload in plan.uploads} | {touch.found.path for touch in plan.touches}
    return paths | {delete.path for delete in plan.deletes} | {keep.path for keep in plan.keeps}


def problems() -> st.SearchStrategy[list[Problem]]:
    """Draw paths that cannot be judged: files, directories, the root."""
    path = st.sampled_from([*DIRECTORIES, *PATHS])
    return st.lists(st.builds(Problem, path, st.just("input/output error")), max_size=3)


@given(steps(), steps())
def test_a_plan_that_is_carried_out_makes_them_equal(first: list[Step], then: list[Step]) -> None:
    """Afterwards there is a proved row for each file, with the digest of its content, and no other row."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)

    mirror.expect(planned(tree, mirror.rows))
    mirror.work(tree)

    assert {path: (row.state, row.digest) for path, row in mirror.rows.items()} == {
        path: (State.PROVED, file.digest) for path, file in tree.items()
    }


@given(steps(), steps(), st.booleans())
def test_a_second_look_wants_nothing(first: list[Step], then: list[Step], deletes: bool) -> None:
    """Neither once the plan is written down, nor once it is carried out: restarts repeat nothing."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)
    mirror.expect(planned(tree, mirror.rows, deletes=deletes))

    assert not planned(tree, mirror.rows, deletes=deletes)

    mirror.work(tree)
    plan = planned(tree, mirror.rows, deletes=deletes)
    assert not plan
    assert plan.unchanged == len(tree)


@given(steps(), steps(), steps(), st.integers(1, 4))
def test_any_moment_is_a_good_one_to_look_again(
    first: list[Step], then: list[Step], at_last: list[Step], fraction: int
) -> None:
    """The tree goes on changing while half of the plan is done; the next plan makes up for all of it."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)
    mirror.expect(planned(tree, mirror.rows))
    mirror.work(tree, fraction=fraction)
    tree = perturbed(tree, at_last, LATEST)

    mirror.expect(planned(tree, mirror.rows))
    mirror.work(tree)

    assert {path: row.digest for path, row in mirror.rows.items()} == {p: file.digest for p, file in tree.items()}
    assert all(row.state == State.PROVED for row in mirror.rows.values())


@given(steps(), steps(), steps())
def test_a_tree_that_was_away_comes_back(first: list[Step], while_away: list[Step], then: list[Step]) -> None:
    """Files that come back with the fingerprints they had are trusted only where the cloud holds their bytes."""
    tree, mirror = equal_after(first)
    changed = perturbed(tree, while_away, LATER)
    mirror.expect(planned(changed, mirror.rows))
    mirror.expect(planned({}, mirror.rows))
    back = perturbed(changed, then, LATEST)

    mirror.expect(planned(back, mirror.rows))
    mirror.work(back)

    assert {path: row.digest for path, row in mirror.rows.items()} == {p: file.digest for p, file in back.items()}


@given(steps(), steps(), problems(), st.booleans())
def test_nothing_under_a_problem_is_touched(
    first: list[Step],
    then: list[Step],
    troubles: list[Problem],
    deletes: bool,
) -> None:
    """What could not be judged stays as it is, and everything else is decided as if it were alone."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)
    troubled = {problem.path for problem in troubles}

    plan = planned(tree, mirror.rows, troubles, deletes=deletes)

    wanted = decided(planned(tree, mirror.rows, deletes=deletes))
    assert decided(plan) == {path for path in wanted if path not in troubled and not is_beneath(path, troubled)}


@given(steps(), steps())
def test_comparing_changes_neither_side(first: list[Step], then: list[Step]) -> None:
    """The rows are only read."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)
    before = copy.deepcopy(mirror.rows)

    planned(tree, mirror.rows)

    assert mirror.rows == before


@given(steps(), steps())
def test_a_mirror_that_never_deletes_forgets_no_object(first: list[Step], then: list[Step]) -> None:
    """Each object that was ever proved keeps its row, whatever happens to its file."""
    tree, mirror = equal_after(first)
    ever = set(mirror.rows)
    tree = perturbed(tree, then, LATER)

    mirror.expect(planned(tree, mirror.rows, deletes=False))
    mirror.work(tree)

    assert ever <= set(mirror.rows)
    assert {path for path, row in mirror.rows.items() if row.state == State.KEPT} == ever - set(tree)


@given(steps(), steps(), problems(), st.booleans())
def test_a_plan_says_one_thing_of_a_path_and_never_deletes_what_is_there(
    first: list[Step], then: list[Step], troubles: list[Problem], deletes: bool
) -> None:
    """Nothing that is on the disk is deleted or kept, nothing that is not there is sent, nothing without a row goes."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)

    plan = planned(tree, mirror.rows, troubles, deletes=deletes)

    there = [upload.found.path for upload in plan.uploads] + [touch.found.path for touch in plan.touches]
    gone = [delete.path for delete in plan.deletes] + [keep.path for keep in plan.keeps]
    assert len(set(there + gone)) == len(there + gone)
    assert set(there) <= set(tree)
    assert set(gone) <= set(mirror.rows) - set(tree)
    assert not (plan.keeps if deletes else plan.deletes)


@given(steps(), steps(), steps(), st.integers(1, 4))
def test_what_the_cloud_surely_holds_is_known_by_what_was_read(
    first: list[Step], then: list[Step], at_last: list[Step], fraction: int
) -> None:
    """With the content read, a file is sent exactly where the cloud is not sure to hold these bytes under its key."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)
    mirror.expect(planned(tree, mirror.rows))
    mirror.work(tree, fraction=fraction)
    tree = perturbed(tree, at_last, LATEST)

    for path, file in tree.items():
        row = mirror.rows.get(path)
        decision = decide(found(path, file.fingerprint, file.digest), row)
        is_queued = row is not None and row.state == State.UPLOAD and fingerprint_of(row) == file.fingerprint
        is_sure = row is not None and row.digest == file.digest
        assert isinstance(decision, Upload) == (not is_sure and not is_queued)
        if isinstance(decision, Upload):
            assert decision.replaces == (row is not None and row.was_sent)


@given(steps(), steps(), st.sampled_from(DIRECTORIES))
def test_a_smaller_scope_wants_the_same_for_what_is_in_it(first: list[Step], then: list[Step], scope: str) -> None:
    """A look at a directory decides as a look at everything does about what lies in it."""
    tree, mirror = equal_after(first)
    tree = perturbed(tree, then, LATER)

    part = planned(
        {path: file for path, file in tree.items() if covers(scope, path)},
        {path: row for path, row in mirror.rows.items() if covers(scope, path)},
    )

    assert decided(part) == {path for path in decided(planned(tree, mirror.rows)) if covers(scope, path)}
