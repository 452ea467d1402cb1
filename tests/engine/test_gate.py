"""One gate, with the time as an argument."""

from __future__ import annotations

import pytest

from tcbsync.core.errors import CloudError, Transient
from tcbsync.engine.gate import FIRST_PROBE_SECONDS, LAST_PROBE_SECONDS, PROBE_SECONDS, Gate

TROUBLE = Transient("no answer")
NOW = 1_700_000_000.0


def closed(state: str = "offline", seconds: float | None = None) -> Gate:
    """Close a gate now."""
    gate = Gate()
    gate.close(state, TROUBLE, NOW, seconds)
    return gate


def test_an_open_gate_lets_everybody_through() -> None:
    """Nobody waits, and nobody is a probe."""
    gate = Gate()

    assert gate.wait_seconds(NOW) == 0
    assert gate.state == "ok"


def test_a_closed_gate_waits_out_its_pause() -> None:
    """The wait gets shorter as time passes, and ends in a go."""
    gate = closed("paused", 60)

    assert gate.wait_seconds(NOW) == 60
    assert gate.wait_seconds(NOW + 59) == 1
    assert gate.wait_seconds(NOW + 61) == 0


def test_one_probe_at_a_time() -> None:
    """While a probe is under way, the next one waits."""
    gate = closed()
    later = NOW + FIRST_PROBE_SECONDS["offline"]

    gate.probe(later)

    assert gate.wait_seconds(later) == PROBE_SECONDS


def test_a_probe_that_takes_long_does_not_keep_the_next_one_waiting() -> None:
    """A file of 2 GiB may be the probe; a small one goes after half a minute."""
    gate = closed()
    later = NOW + FIRST_PROBE_SECONDS["offline"]

    gate.probe(later)

    assert gate.wait_seconds(later + PROBE_SECONDS) == 0


def test_a_probe_that_says_nothing_makes_room_for_the_next() -> None:
    """A probe that was cancelled, or met a file's own trouble, is no reason to wait."""
    gate = closed()
    later = NOW + FIRST_PROBE_SECONDS["offline"]
    gate.probe(later)

    gate.end_probe()

    assert gate.wait_seconds(later) == 0


@pytest.mark.parametrize("state", FIRST_PROBE_SECONDS)
def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit(state: str) -> None:
    """An outage of hours costs a call a minute, a wrong configuration one in a quarter of an hour."""
    gate, now, pauses = closed(state), NOW, []
    for _ in range(12):
        pauses.append(gate.wait_seconds(now))
        now += pauses[-1]
        gate.probe(now)
        gate.close(state, TROUBLE, now)

    assert pauses[:2] == [FIRST_PROBE_SECONDS[state], 2 * FIRST_PROBE_SECONDS[state]]
    assert pauses[-1] == LAST_PROBE_SECONDS[state]
    assert pauses == sorted(pauses)


def test_what_fails_together_doubles_nothing() -> None:
    """Sixteen uploads that fail in the same second are one failure of the service."""
    gate = closed()

    for _ in range(16):
        gate.close("offline", TROUBLE, NOW + 0.5)

    assert gate.wait_seconds(NOW + 0.5) == FIRST_PROBE_SECONDS["offline"]


def test_a_longer_pause_is_not_cut_by_a_shorter_one() -> None:
    """A connection that breaks while the minute's quota is used up does not end the pause of a minute."""
    gate = closed("paused", 60)

    gate.close("offline", TROUBLE, NOW + 1)

    assert gate.state == "paused"
    assert gate.wait_seconds(NOW + 1) == 59


def test_a_longer_pause_takes_the_place_of_a_shorter_one() -> None:
    """A rate answer during an outage counts for its whole minute."""
    gate, error = closed("offline"), CloudError("quota")

    gate.close("paused", error, NOW + 1, 60)

    assert (gate.state, gate.error) == ("paused", error)
    assert gate.wait_seconds(NOW + 1) == 60


def test_opening_forgets_the_reason() -> None:
    """An open gate has no error, and the next outage begins with the shortest pause."""
    gate = closed()
    gate.close("offline", TROUBLE, NOW + 10)
    gate.open()

    gate.close("offline", TROUBLE, NOW + 1000)

    assert gate.wait_seconds(NOW + 1000) == FIRST_PROBE_SECONDS["offline"]
    assert gate.since == NOW + 1000


def test_an_opened_gate_lets_everybody_through() -> None:
    """Whatever was left of the pause, or of a probe; and the next trouble closes it again."""
    gate = closed("paused", 60)
    gate.probe(NOW)

    gate.open()

    assert (gate.state, gate.wait_seconds(NOW)) == ("ok", 0)

    gate.close("offline", TROUBLE, NOW)
    assert (gate.state, gate.error) == ("offline", TROUBLE)


def test_the_newest_reason_is_told() -> None:
    """Where the state stays the same, even if the pause is the old one."""
    gate, newest = closed("blocked", 60), CloudError("another reason")

    gate.close("blocked", newest, NOW + 1, 10)

    assert (gate.error, gate.since, gate.wait_seconds(NOW + 1)) == (newest, NOW, 59)
