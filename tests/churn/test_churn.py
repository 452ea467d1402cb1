"""The machinery of churn: the same seed does the same work, what it judges can be wrong, and one short run is right."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.churn import oracle, tools
from tests.churn.files import go_on
from tests.churn.ground import Ground
from tests.churn.oracle import Row
from tests.churn.run import Churn, run
from tests.churn.work import HEARD, REMOVING, SILENT, next_work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEPS = 60
with_tools = pytest.mark.skipif(bool(tools.missing()), reason=f"needs {', '.join(tools.missing())}")


def worked(place: Path, seed: int, *, hears_all: bool) -> tuple[list[str], dict[str, bytes]]:
    """Work so many steps in a new ground; give what was done, and what should be in the cloud then."""
    place.mkdir()
    ground = Ground(place / "root", place / "outside", random.Random(seed), hears_all=hears_all)
    told = []
    for _ in range(STEPS):
        work = next_work(ground)
        told.append(f"{work.__name__} {work(ground)}".replace(str(place), ""))
        go_on(ground)
    ground.settle()
    return told, oracle.expected(ground.root, ("*.psd",), "site/")


@pytest.mark.slow
@with_tools
@pytest.mark.parametrize("hears_all", [True, False])
def test_the_same_seed_does_the_same_work(tmp_path: Path, hears_all: bool) -> None:
    """Step by step, and the tree is the same in the end; another seed does other work."""
    first = worked(tmp_path / "first", 1, hears_all=hears_all)
    again = worked(tmp_path / "again", 1, hears_all=hears_all)
    other = worked(tmp_path / "other", 2, hears_all=hears_all)

    assert first == again
    assert first[0] != other[0]


def test_every_kind_of_work_is_told_apart() -> None:
    """What makes no event is not done where everything must be heard; nothing is listed twice."""
    names = [work.__name__ for work in (*HEARD, *REMOVING, *SILENT)]

    assert len(names) == len(set(names))


def test_the_oracle_names_every_kind_of_difference() -> None:
    """Missing, surplus and other bytes; equal is nothing."""
    wanted = {"same": b"1", "missing": b"2", "other": b"3"}
    held = {"same": b"1", "surplus": b"2", "other": b"4"}

    assert oracle.differences(wanted, held).keys() == {"missing", "surplus", "other"}
    assert oracle.differences(wanted, wanted) == {}


def test_the_oracle_knows_orphans_and_false_claims() -> None:
    """An object without a row that knows its id, and a row that is sure of what is not there."""
    rows = [Row("sure", 0, "aa", True), Row("sent", 1, None, True), Row("unsent", 1, None, False)]

    assert oracle.false_claims(rows, {"sure": "aa", "sent": "bb"}) == {}
    assert oracle.false_claims(rows, {"sure": "bb", "unsent": "cc"}).keys() == {"sure", "unsent"}
    assert oracle.false_claims(rows, {}).keys() == {"sure"}


@with_tools
def test_the_oracle_leaves_out_what_is_no_asset(tmp_path: Path) -> None:
    """Links, what is ignored, and names that the cloud does not take."""
    root = tmp_path / "root"
    (root / "drafts").mkdir(parents=True)
    for name in ("kept.png", "kept.log", "x.log", "y.tmp", "back\\slash", "\udcff", "drafts/z", "cafe\u0301"):
        (root / name).write_text(name, errors="surrogateescape")
    (root / "link").symlink_to("kept.png")
    (root / ".tcbignore").write_text("*.log\n!kept.log\n")

    assert oracle.expected(root, ("drafts/",), "site/").keys() == {"kept.png", "kept.log", "caf\u00e9"}


@pytest.fixture
def churn(tmp_path: Path) -> Iterator[Churn]:
    """Work for a moment; the service's faults are there from the first one on."""
    churn = Churn(tmp_path, 1)
    churn.work(1.0)
    yield churn
    churn.processes.close()


@pytest.mark.slow
@with_tools
@pytest.mark.timeout(300)  # a token that was rejected twice is asked about again after half a minute, by design
def test_a_change_that_nobody_mirrors_is_found_and_explained(churn: Churn) -> None:
    """What differs at the end is named, with the seed, the last work, and the row."""
    churn.judge()
    cloud = churn.processes.cloud
    assert cloud is not None
    next(iter(sorted((cloud.data / "test2-4a89da" / "site").rglob("always.txt")))).write_text("tampered")

    with pytest.raises(AssertionError) as failed:
        churn.compare(cloud)

    told = churn.explain(failed.value)
    assert "seed 1: AssertionError" in told
    assert "'always.txt': the cloud has other bytes (8 bytes there, 11 here); its row: Row(" in told


@pytest.mark.slow
@with_tools
@pytest.mark.timeout(300)  # a row that failed at the very end is tried again a minute later, by design
def test_a_short_run() -> None:
    """Work, faults, kills, then quiet: equal, and everything says so."""
    totals = run(2026, 8)

    assert not totals.failure, totals.failure
    assert totals.work.total() > 10
