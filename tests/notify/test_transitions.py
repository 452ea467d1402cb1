"""What is worth a message: what lasted, once; its end, if it was told; and no more of a flap than three."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tcbsync.notify.transitions import DAY, HOUR, Notice, Transitions, sight
from tcbsync.status import MirrorStatus, as_json, iso

NOW = 1_800_000_000.0
SETTLE = 90.0
LOOK = 2.0
WELL = {"state": "ok", "last_error": None}
MISSING: dict[str, Any] = {"state": "held", "hold": "root /srv/site is missing", "hold_since": iso(NOW - 7)}


def mirror(name: str = "site", **told: Any) -> MirrorStatus:
    """Make the status of one mirror."""
    return MirrorStatus(**{"name": name, "state": "in_sync", **told})


def service(state: str, error: str = "no answer") -> dict[str, Any]:
    """Make the status of a service that is not well."""
    return {"state": state, "last_error": error}


BAD = ["files", "site", {"kind": "failed", "since": "x", "seen_at": 1, "kind_at": 1}]


class Operator:
    """Looks each two seconds, and notes what is told. Time goes on only here."""

    def __init__(self, transitions: Transitions | None = None) -> None:
        self.transitions = transitions or Transitions(SETTLE)
        self.now = NOW
        self.notices: list[Notice] = []
        self.is_deaf = False
        """Nothing arrives."""

    def sees(self, *mirrors: MirrorStatus, seconds: float = SETTLE + LOOK, service: dict[str, Any] = WELL) -> None:
        """Look at this for so long."""
        end, seen = self.now + seconds, sight(as_json([*mirrors] or [mirror()], service))
        while self.now < end:
            for notice in self.transitions.look(seen, self.now):
                self.notices.append(notice)
                if not self.is_deaf:
                    self.transitions.arrived(notice)
            self.now += LOOK

    @property
    def told(self) -> list[str]:
        """What was told, each with its mirror."""
        return [f"{notice.what} {notice.mirror}".strip() for notice in self.notices]

    def restarted(self) -> Operator:
        """Begin anew with what is remembered, through JSON as a file has it."""
        after = Operator(Transitions(SETTLE))
        after.now = self.now
        after.transitions.remember(json.loads(json.dumps(self.transitions.remembered())), self.now)
        return after


class Case(NamedTuple):
    """What is seen, and what is told of it."""

    status: MirrorStatus
    service: dict[str, Any]
    told: str
    kind: str
    files: int = 0
    reason: str = "no answer"
    since: float = NOW


TROUBLES = {
    "root missing": Case(mirror(**MISSING), WELL, "held site", "unseen", 0, "root /srv/site is missing", NOW - 7),
    "deletes held": Case(mirror(state="held", hold="9 of 9", held_deletes=9), WELL, "held site", "held", 9, "9 of 9"),
    "files failed": Case(mirror(state="syncing", failed=500), WELL, "failed site", "failed", 500, ""),
    "paths unseen": Case(mirror(state="syncing", problems=2), WELL, "failed site", "unreadable", 2, ""),
    "no answer": Case(mirror(state="offline"), service("offline"), "offline", "offline"),
    "nothing let through": Case(mirror(state="paused"), service("blocked"), "blocked", "blocked"),
    "quota": Case(mirror(state="paused"), service("paused", "[45009]"), "quota", "paused", reason="[45009]"),
    "storage full": Case(mirror(state="paused"), service("full"), "quota", "full"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_is_told_once_and_its_end(name: str) -> None:
    """What lasts is told once, however long it lasts within a day; then, when it is over for as long, that it is."""
    case = TROUBLES[name]
    operator = Operator()

    operator.sees(case.status, service=case.service, seconds=5 * HOUR)
    operator.sees(seconds=HOUR)

    assert operator.told == [case.told, f"recovered {case.told.partition(' ')[2]}".strip()]
    told, over = operator.notices
    assert (told.kind, told.count, told.reason, told.since) == (case.kind, case.files, case.reason, case.since)
    assert told.at == NOW + SETTLE
    assert not told.is_repeated
    assert (over.kind, over.since, over.count) == (told.kind, told.since, told.count)
    assert over.at >= NOW + 5 * HOUR + SETTLE


@pytest.mark.parametrize("name", TROUBLES)
def test_what_passes_by_itself_is_not_told(name: str) -> None:
    """What is over before it has lasted is told of neither way."""
    case = TROUBLES[name]
    operator = Operator()

    for _ in range(20):
        operator.sees(case.status, service=case.service, seconds=SETTLE - LOOK)
        operator.sees(seconds=SETTLE + LOOK)
    operator.sees(seconds=HOUR)

    assert operator.told == []


@pytest.mark.parametrize(("bad", "good", "told_after"), [(80, 20, 110), (44, 46, 180), (2, 80, 3690)])
def test_what_comes_again_and_again_adds_up(bad: int, good: int, told_after: int) -> None:
    """It is amiss though it never lasts: it is told when its times add up, and as one that began at the first."""
    operator = Operator()

    while operator.now < NOW + 3 * HOUR:
        operator.sees(service=service("offline"), seconds=bad)
        operator.sees(seconds=good)

    assert operator.told == ["offline"]
    assert NOW + SETTLE < operator.notices[0].at <= NOW + told_after + bad + good
    assert operator.notices[0].since == NOW


def test_what_comes_again_and_again_is_told_again_after_a_day() -> None:
    """As what has never been away."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.now += DAY - 10 * SETTLE

    while operator.now < NOW + DAY + 10 * SETTLE:
        operator.sees(service=service("offline"), seconds=80)
        operator.sees(seconds=20)

    assert operator.told == ["offline", "offline"]


def test_a_blip_or_two_are_not_told() -> None:
    """What comes and goes within seconds, now and then, does not add up before it is forgotten."""
    operator = Operator()
    for _ in range(8):
        operator.sees(service=service("paused"), seconds=10)
        operator.sees(seconds=30)
    for _ in range(100):
        operator.sees(service=service("paused"), seconds=10)
        operator.sees(seconds=SETTLE + LOOK)

    assert operator.told == []


def test_a_flap_makes_three_messages() -> None:
    """Out of reach and back for hours: it is told, that it is over, that it is back; its end only after a calm hour."""
    operator = Operator()

    for _ in range(50):
        operator.sees(service=service("offline"), seconds=150)
        operator.sees(seconds=150)
    so_far = list(operator.told)
    operator.sees(seconds=HOUR + LOOK)

    assert so_far == ["offline", "recovered", "offline"]
    assert [notice.is_repeated for notice in operator.notices] == [False, False, True, False]
    assert operator.told == [*so_far, "recovered"]


def test_a_new_trouble_after_an_hour_is_a_new_one() -> None:
    """What comes back long after its end is told as the first time."""
    operator = Operator()
    for _ in range(2):
        operator.sees(service=service("offline"))
        operator.sees(seconds=HOUR + SETTLE + LOOK)

    assert operator.told == ["offline", "recovered"] * 2
    assert not any(notice.is_repeated for notice in operator.notices)


def test_more_of_it_is_told_as_a_sum_after_an_hour() -> None:
    """Thousands of files that fail one after the other make one message, and one an hour later with their sum."""
    operator = Operator()
    for count in range(1, 1500):
        operator.sees(mirror(state="syncing", failed=count), seconds=LOOK)
    operator.sees(mirror(state="syncing", failed=1000), seconds=12 * HOUR)

    assert [(notice.what, notice.is_repeated) for notice in operator.notices] == [("failed", False), ("failed", True)]
    assert operator.notices[1].at >= operator.notices[0].at + HOUR


def test_what_goes_on_is_told_again_after_a_day() -> None:
    """Nobody forgets a hold: a message a day."""
    operator = Operator()

    operator.sees(mirror(**MISSING), seconds=3 * DAY + 2 * SETTLE)

    assert operator.told == ["held site"] * 4
    assert {notice.since for notice in operator.notices} == {NOW - 7}


def test_one_state_after_another_of_the_service() -> None:
    """Out of reach, then refused: both are told, and one end. Between the two it was not well."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.sees(service=service("blocked"))
    operator.sees()

    assert operator.told == ["offline", "blocked", "recovered"]
    assert operator.notices[2].kind == "blocked"


def test_a_service_that_is_never_well_is_told_of() -> None:
    """Troubles that take turns faster than any of them lasts are a trouble all the same."""
    operator = Operator()

    for _ in range(60):
        operator.sees(service=service("offline"), seconds=10)
        operator.sees(service=service("paused"), seconds=10)

    assert len(operator.told) in (1, 2)


def test_failed_files_of_a_folder_that_cannot_be_seen() -> None:
    """While the root is missing nothing is known of its files: they are neither failed nor mended."""
    operator = Operator()
    operator.sees(mirror(state="syncing", failed=3))
    operator.sees(mirror(**MISSING, failed=3), seconds=HOUR)

    assert operator.told == ["failed site", "held site"]


def test_files_and_paths_are_told_apart() -> None:
    """As status counts them; each has its own end."""
    operator = Operator()
    operator.sees(mirror(state="syncing", failed=2, problems=1))
    operator.sees(mirror(state="syncing", problems=1))

    told = [(notice.what, notice.kind, notice.count) for notice in operator.notices]
    assert told == [("failed", "failed", 2), ("failed", "unreadable", 1), ("recovered", "failed", 2)]


def test_each_mirror_for_itself() -> None:
    """Two mirrors, two messages; the end of one says nothing of the other."""
    operator = Operator()
    operator.sees(mirror("a", **MISSING), mirror("b", **MISSING))
    operator.sees(mirror("a", **MISSING), mirror("b"))

    assert operator.told == ["held a", "held b", "recovered b"]


def test_a_mirror_that_is_taken_out_of_the_configuration() -> None:
    """Its trouble is not over: nothing is said, and nothing is remembered for ever."""
    operator = Operator()
    operator.sees(mirror("a", **MISSING), mirror("b"))
    operator.sees(mirror("b"), seconds=2 * HOUR)

    assert operator.told == ["held a"]
    assert operator.transitions.remembered() == []


@pytest.mark.parametrize("name", TROUBLES)
def test_a_restart_repeats_nothing(name: str) -> None:
    """What was told is not told again, neither while the first look is under way nor after it; its end is."""
    case = TROUBLES[name]
    before = Operator()
    before.sees(case.status, service=case.service)

    after = before.restarted()
    after.sees(mirror(state="starting"), seconds=HOUR)
    after.sees(mirror(state="scanning"), seconds=HOUR)
    after.sees(case.status, service=case.service, seconds=HOUR)
    quiet = list(after.told)
    after.sees()

    assert before.told == [case.told]
    assert quiet == []
    assert [notice.what for notice in after.notices] == ["recovered"]
    assert after.notices[0].since == before.notices[0].since


@pytest.mark.parametrize("name", TROUBLES)
def test_a_restart_tells_what_has_not_arrived(name: str) -> None:
    """What was decided, and read by nobody, is told by the next daemon, once."""
    case = TROUBLES[name]
    before = Operator()
    before.is_deaf = True
    before.sees(case.status, service=case.service, seconds=HOUR)

    after = before.restarted()
    after.sees(case.status, service=case.service, seconds=HOUR)

    assert before.told == after.told == [case.told]


def test_a_restart_tells_an_end_that_has_not_arrived() -> None:
    """Who has read that it is out of reach learns that it is back; where it is not, there is nothing new to learn."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.is_deaf = True
    operator.sees(seconds=2 * HOUR)
    over, gone = operator.restarted(), operator.restarted()

    over.sees(seconds=HOUR)
    gone.sees(service=service("offline"), seconds=HOUR)

    assert operator.told == ["offline", "recovered"]
    assert over.told == ["recovered"]
    assert gone.told == []
    assert over.restarted().transitions.standing(over.now) == []


def test_what_comes_late_to_a_second_webhook() -> None:
    """What has arrived is what one of them has read last: the other's delay changes nothing of it."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.sees(seconds=HOUR)

    operator.transitions.arrived(operator.notices[0])
    after = operator.restarted()
    after.sees(seconds=HOUR)

    assert after.told == []


def test_what_stands_is_given_to_who_comes_later() -> None:
    """As it is now, and as for the first time; what is over, or was never told, is none of it."""
    operator = Operator()
    operator.sees(mirror("a", **MISSING), mirror("b", state="syncing", failed=3), mirror("c"))
    over = service("offline")
    operator.sees(mirror("a"), mirror("b", state="syncing", failed=2), mirror("c"))
    operator.sees(mirror("a"), mirror("b", state="syncing", failed=2), mirror("c", **MISSING), service=over, seconds=9)

    standing = operator.transitions.standing(operator.now)

    assert standing == [Notice("failed", "failed", "b", operator.now, NOW, 2)]


def test_an_end_that_nobody_has_read_stands_too() -> None:
    """Who comes under a mended address learns that it is over; where it had arrived, there is nothing to learn."""
    deaf, heard = Operator(), Operator()
    for operator in (deaf, heard):
        operator.sees(service=service("offline"))
        operator.is_deaf = operator is deaf
        operator.sees()

    told, nothing = (each.transitions.standing(each.now) for each in (deaf, heard))

    assert [(notice.what, notice.kind, notice.since) for notice in told] == [("recovered", "offline", NOW)]
    assert nothing == []


def test_a_restart_forgets_no_flap() -> None:
    """What is told as come back is known as such after a restart, too."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.sees()
    operator = operator.restarted()
    operator.sees(service=service("offline"))

    assert [(notice.what, notice.is_repeated) for notice in operator.notices] == [("offline", True)]


def test_short_troubles_after_one_that_was_told() -> None:
    """What passes by itself is not told within the hour after a trouble's end, either."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.sees()
    for _ in range(6):
        operator.sees(service=service("offline"), seconds=SETTLE - LOOK)
        operator.sees(seconds=SETTLE + LOOK)

    assert operator.told == ["offline", "recovered"]


def test_a_clock_that_is_set_back_while_a_trouble_is_new() -> None:
    """It is told when it has lasted from then on."""
    operator = Operator()
    operator.sees(service=service("offline"), seconds=SETTLE / 2)
    operator.now -= 365 * DAY
    operator.sees(service=service("offline"))

    assert operator.told == ["offline"]


def test_how_long_it_took_by_a_clock_that_was_set_back() -> None:
    """From then on at least: nothing began later than it ended."""
    operator = Operator()
    operator.sees(service=service("offline"))
    operator.now -= DAY
    operator.sees(service=service("offline"), seconds=HOUR)
    operator.sees()

    assert operator.told == ["offline", "recovered"]
    assert HOUR <= operator.notices[1].at - operator.notices[1].since <= HOUR + 2 * SETTLE


def test_a_clock_that_is_set_back() -> None:
    """A year back: what is told stays told, and what is new is told when it has lasted."""
    operator = Operator()
    operator.sees(mirror("a", **MISSING), mirror("b"))
    operator.now -= 365 * DAY
    operator.sees(mirror("a", **MISSING), mirror("b", **MISSING), seconds=HOUR)
    operator.sees(mirror("a"), mirror("b"))

    assert operator.told == ["held a", "held b", "recovered a", "recovered b"]


@pytest.mark.parametrize("document", [{"a": 1}, [1], [["a", "b", {"kind": "held"}]], [["a", "b", {}]], "x", 7, [BAD]])
def test_what_cannot_be_remembered(document: Any) -> None:
    """A damaged memory is a ValueError, and nothing of it is taken in."""
    transitions = Transitions(SETTLE)

    with pytest.raises(ValueError, match="remembered"):
        transitions.remember(document, NOW)

    assert transitions.remembered() == []


def test_what_is_kept_is_bounded() -> None:
    """Three places a mirror and the service, whatever happens for however long."""
    operator = Operator()
    for number in range(300):
        told = mirror(state="syncing", failed=number % 7, problems=number % 5, hold="x" if number % 2 else "")
        operator.sees(told, service=service("offline") if number % 3 else WELL, seconds=60)

    assert len(operator.transitions._cases) <= 4
