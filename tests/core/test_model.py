"""Paths, and the values that decisions are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.model import (
    Delete,
    Found,
    Keep,
    Plan,
    Problem,
    Skipped,
    Snapshot,
    State,
    Touch,
    Upload,
    covers,
    is_beneath,
    join,
    split,
)
from tests.core.values import OTHER, SAME, found


@pytest.mark.parametrize(
    ("above", "path", "expected"),
    [
        ("", "", True),
        ("", "a/b", True),
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "ab", False),
        ("a", "b/a", False),
        ("a/b", "a", False),
        ("a", "", False),
    ],
)
def test_covers(above: str, path: str, *, expected: bool) -> None:
    """A path covers itself and what lies beneath it; the root covers everything."""
    assert covers(above, path) is expected
    assert Problem(above, "input/output error").covers(path) is expected


@pytest.mark.parametrize(
    ("path", "others", "expected"),
    [
        ("a/b/c", {"a"}, True),
        ("a/b/c", {"a/b"}, True),
        ("a/b/c", {"a/b/c"}, False),
        ("a", {""}, True),
        ("", {""}, False),
        ("ab/c", {"a"}, False),
        ("a", set(), False),
    ],
)
def test_is_beneath(path: str, others: set[str], *, expected: bool) -> None:
    """A path does not lie beneath itself; everything but the root lies beneath the root."""
    assert is_beneath(path, others) is expected


@pytest.mark.parametrize(("path", "parts"), [("a", ("", "a")), ("a/b", ("a", "b")), ("a/b/c.d", ("a/b", "c.d"))])
def test_joining_is_the_opposite_of_splitting(path: str, parts: tuple[str, str]) -> None:
    """The directory of what lies in the root is the empty string."""
    assert split(path) == parts
    assert join(*parts) == path


NAME = st.text(st.characters(exclude_characters="/"), min_size=1, max_size=3)
PATH = st.lists(NAME, max_size=4).map("/".join)


@given(PATH, st.sets(PATH, max_size=4))
def test_lying_beneath_is_being_covered_by_another(path: str, others: set[str]) -> None:
    """The fast way over the directories above agrees with comparing each."""
    expected = any(other != path and covers(other, path) for other in others)

    assert is_beneath(path, others) is expected


def test_a_file_of_a_snapshot() -> None:
    """Its path is the identity; its local name is what the disk has to be asked for."""
    seen = Snapshot("b\u00e9", "be\u0301", {"\u00e9": SAME, "a": OTHER}, {"\u00e9": "e\u0301"})

    assert seen.found("\u00e9") == Found("b\u00e9/\u00e9", SAME, "be\u0301/e\u0301")
    assert seen.found("a") == Found("b\u00e9/a", OTHER, "be\u0301/a")


def test_a_plan_sorts_decisions() -> None:
    """Each goes where it belongs, and no decision is a file that needs nothing."""
    upload, touch = Upload(found("a"), replaces=False), Touch(found("b"))
    delete, keep = Delete("c", was_sent=True), Keep("d")
    plan = Plan()

    for decision in (upload, touch, delete, keep, None, None):
        plan.add(decision)

    assert (plan.uploads, plan.touches, plan.deletes, plan.keeps) == ([upload], [touch], [delete], [keep])
    assert plan.unchanged == 2


def test_a_plan_reads_like_a_summary() -> None:
    """Only what there is, is named."""
    plan = Plan([Upload(found(), replaces=False)] * 2, skipped=[Skipped("l", "a symbolic link")], unchanged=7)

    assert repr(plan) == "<Plan 2 uploads, 1 skipped, 7 unchanged>"
    assert repr(Plan()) == "<Plan nothing>"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param(Plan(), False, id="empty"),
        pytest.param(Plan(unchanged=9), False, id="unchanged"),
        pytest.param(Plan(problems=[Problem("a", "?")], skipped=[Skipped("b", "?")]), False, id="only reports"),
        pytest.param(Plan(uploads=[Upload(found(), replaces=True)]), True, id="an upload"),
        pytest.param(Plan(touches=[Touch(found())]), True, id="a touch"),
        pytest.param(Plan(deletes=[Delete("a", was_sent=False)]), True, id="a delete"),
        pytest.param(Plan(keeps=[Keep("a")]), True, id="something to keep"),
    ],
)
def test_whether_there_is_anything_to_do(plan: Plan, *, expected: bool) -> None:
    """Problems and skipped names are told, not done."""
    assert bool(plan) is expected


def test_states_are_the_numbers_that_rows_on_disk_speak_in() -> None:
    """A manifest that was written years ago means the same today."""
    assert {state.name: state.value for state in State} == {
        "PROVED": 0,
        "UPLOAD": 1,
        "DELETE": 2,
        "HELD": 3,
        "KEPT": 4,
    }


def test_a_snapshot_begins_empty() -> None:
    """And what is put into one is in no other."""
    first, second = Snapshot("d", "d"), Snapshot("d", "d")

    first.files["a"] = (1, 2, 3, 4)
    first.spellings["a"] = "b"
    first.problems.append(Problem("d", "trouble"))
    first.skipped.append(Skipped("d/link", "a link"))

    assert second == Snapshot("d", "d", {}, {}, [], [])
