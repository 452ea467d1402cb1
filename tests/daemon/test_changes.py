"""What changed between two looks, and how a mirror's work is summed up."""

from __future__ import annotations

from typing import Any

import pytest

from tcbsync.core.events import Event, Rested, StateChanged
from tcbsync.daemon.changes import APART_SECONDS, Changes
from tcbsync.engine.tally import Tally
from tcbsync.status import MirrorStatus


class Looks:
    """One mirror that is looked at again and again."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.tally = Tally()
        self.changes = Changes(lambda event, _mirror: self.told.append(event))

    def look(self, now: float, state: str, **status: Any) -> list[Rested]:
        """Look at it. Gives what is told of its work."""
        begin = len(self.told)
        self.changes.take([MirrorStatus("site", state, **status)], {"site": self.tally}, now)
        return [event for event in self.told[begin:] if isinstance(event, Rested)]

    def work(self, count: int) -> None:
        """Let it upload so many files of ten bytes, and delete one."""
        for number in range(count):
            self.tally.uploaded(f"{number}", 10, 0.0)
        self.tally.deleted(["gone"], 0.0)


@pytest.fixture
def looks() -> Looks:
    """Give a mirror that was in sync at 100 s, and said so."""
    looks = Looks()
    looks.look(90.0, "scanning")
    assert looks.look(100.0, "in_sync") == [Rested("in_sync", 0, 0, 0, 0, 10.0)]
    return looks


def test_each_change_of_state_is_told_once(looks: Looks) -> None:
    """With what it was before; the first one was stopped."""
    looks.look(110.0, "syncing")
    looks.look(112.0, "syncing")
    looks.look(114.0, "held", reason="why")

    states = [event for event in looks.told if isinstance(event, StateChanged)]

    assert [(event.before, event.state) for event in states] == [
        ("stopped", "scanning"),
        ("scanning", "in_sync"),
        ("in_sync", "syncing"),
        ("syncing", "held"),
    ]
    assert states[-1].reason == "why"
    assert repr(looks.changes) == "<Changes site: held>"


def test_work_is_told_when_it_is_done(looks: Looks) -> None:
    """In one event with its sums, and the time that it took."""
    looks.work(600)
    before = looks.look(500.0, "syncing", pending_uploads=604)
    looks.work(604)

    rested = looks.look(620.0, "in_sync")

    assert before == []
    assert rested == [Rested("in_sync", 1204, 12_040, 2, 0, 120.0)]


def test_small_changes_are_summed_up_and_none_is_lost(looks: Looks) -> None:
    """Somebody saves every ten seconds for an hour: an event each five minutes, whose sums are all that was done."""
    rested: list[Rested] = []
    for second in range(110, 3710, 10):
        looks.work(1)
        rested += looks.look(second, "in_sync")
    rested += looks.look(10_000, "in_sync")

    assert len(rested) <= 3600 / APART_SECONDS + 1
    assert sum(event.uploads for event in rested) == 360
    assert sum(event.deletes for event in rested) == 360


def test_where_nothing_was_done_nothing_is_told(looks: Looks) -> None:
    """A look that found nothing is no news."""
    looks.look(500.0, "syncing")

    rested = looks.look(1000.0, "in_sync")

    assert rested == []


@pytest.mark.parametrize("state", ["held", "offline", "paused", "scanning"])
def test_after_trouble_it_is_told_that_all_is_well(looks: Looks, state: str) -> None:
    """At once, though nothing was to be done."""
    looks.look(110.0, state)

    rested = looks.look(120.0, "in_sync")

    assert [(event.state, event.uploads) for event in rested] == [("in_sync", 0)]


@pytest.mark.parametrize(
    ("state", "status", "is_told"),
    [
        ("syncing", {"failed": 2, "parked": 1, "pending_uploads": 1}, True),
        ("syncing", {"failed": 2, "parked": 2}, True),
        ("held", {"held_deletes": 3}, True),
        ("syncing", {"failed": 1, "pending_uploads": 2}, False),
        ("syncing", {"failed": 1, "pending_uploads": 1, "in_flight": 1}, False),
        ("offline", {"pending_uploads": 2}, False),
        ("scanning", {}, False),
    ],
)
def test_a_file_in_trouble_does_not_hide_the_work(
    looks: Looks, state: str, status: dict[str, int], is_told: bool
) -> None:
    """A mirror rests too when all that is left has failed, or is held."""
    looks.work(3)

    rested = looks.look(1000.0, state, **status)

    assert [(event.uploads, event.failed) for event in rested] == ([(3, status.get("failed", 0))] if is_told else [])


def test_another_mirror_in_its_place_begins_anew(looks: Looks) -> None:
    """A reload that changed it: what the one before had done is told, and not counted as the new one's."""
    looks.work(5)
    looks.tally = Tally()
    looks.work(2)

    rested = looks.look(1000.0, "in_sync")

    assert [event.uploads for event in rested] == [5, 2]


def test_the_work_of_a_mirror_that_is_taken_away_is_told(looks: Looks) -> None:
    """A reload that removed it: what it had done until then is in the log, once."""
    looks.work(5)

    looks.changes.take([], {}, 200.0)
    looks.changes.take([], {}, 202.0)
    looks.changes.end(204.0)

    assert [event for event in looks.told if isinstance(event, Rested)][1:] == [Rested("in_sync", 5, 50, 1, 0, 0.0)]


def test_a_held_mirror_sums_up_as_rarely_as_any(looks: Looks) -> None:
    """Somebody saves all the time while deletes are held: that it still is held is no news. Its end is told at once."""
    rested: list[Rested] = []
    for second in range(110, 410, 2):
        looks.work(1)
        rested += looks.look(second, "held", held_deletes=3)

    end = looks.look(412.0, "in_sync")

    assert [event.state for event in rested] == ["held"]
    assert [event.uploads for event in end] == [149]


def test_what_was_not_told_is_told_at_the_end(looks: Looks) -> None:
    """The daemon ends soon after a change: its log has that change all the same, once."""
    looks.work(2)
    looks.look(110.0, "syncing")

    looks.changes.end(120.0)
    looks.changes.end(121.0)

    assert looks.told[-1] == Rested("syncing", 2, 20, 1, 0, 10.0)
    assert len([event for event in looks.told if isinstance(event, Rested)]) == 2
