"""Who works on which path, and who has to look again."""

from __future__ import annotations

import pytest

from tcbsync.engine.busy import Busy


@pytest.fixture
def again() -> list[str]:
    """Collect the paths that are to be looked at again."""
    return []


@pytest.fixture
def busy(again: list[str]) -> Busy:
    """Make one that nobody works on."""
    return Busy(lambda path, _since: again.append(path))


def test_a_claimed_path_is_looked_at_again_once(busy: Busy, again: list[str]) -> None:
    """However often it was claimed meanwhile, and only when the work is done."""
    with busy.holding(["a", "b"]):
        assert busy.claims("a", 1.0)
        assert busy.claims("a", 1.0)
        assert again == []

    assert again == ["a"]
    assert not busy.claims("a", 1.0)

    with busy.holding(["a"]):
        pass
    assert again == ["a"]


def test_who_is_at_work_is_counted(busy: Busy) -> None:
    """By paths, not by operations."""
    with busy.holding(["a", "b"]), busy.holding(["c"]):
        assert len(busy) == 3

    assert len(busy) == 0


def test_a_path_that_nobody_works_on_is_free(busy: Busy, again: list[str]) -> None:
    """It can be decided about at once."""
    with busy.holding(["a"]):
        assert not busy.claims("b", 1.0)

    assert again == []


def test_two_operations_on_one_path_are_a_defect(busy: Busy) -> None:
    """It is said loudly, and the first one keeps the path."""
    with busy.holding(["a"]):
        with pytest.raises(AssertionError), busy.holding(["b", "a"]):
            pass

        assert "a" in busy
        assert "b" not in busy


def test_an_error_gives_the_path_back(busy: Busy, again: list[str]) -> None:
    """What was claimed is looked at again then too."""

    def work() -> None:
        with busy.holding(["a"]):
            busy.claims("a", 1.0)
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        work()

    assert "a" not in busy
    assert again == ["a"]


def test_a_witness_sees_what_has_ended(busy: Busy) -> None:
    """Only what ended in its block; what is still under way is claimed instead."""
    with busy.holding(["before"]):
        pass
    with busy.holding(["during"]), busy.witness() as ended:
        with busy.holding(["a"]), busy.holding(["b"]):
            pass

        assert ended == {"a", "b"}
    with busy.holding(["after"]):
        pass

    assert ended == {"a", "b"}


def test_how_long_a_path_waits_to_be_looked_at_again() -> None:
    """Since it was claimed first; whoever looks again is told."""
    told: list[tuple[str, float]] = []
    busy = Busy(lambda path, since: told.append((path, since)))

    with busy.holding(["a", "b"]):
        busy.claims("b", 3.0)
        busy.claims("a", 2.0)
        busy.claims("a", 4.0)

    assert sorted(told) == [("a", 2.0), ("b", 3.0)]
