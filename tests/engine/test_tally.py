"""What was done since the start: counted where it arises, and bounded."""

from __future__ import annotations

from tcbsync.engine.tally import CHANGES, MINUTES, Flight, Tally

NOW = 1_800_000_030.0


def test_bytes_are_of_the_minute_in_which_they_left() -> None:
    """The minute that is under way is the last of sixty."""
    tally = Tally()
    tally.sent("a", 1, NOW - 59 * 60)
    tally.sent("a", 2, NOW - 60)
    tally.sent("a", 3, NOW)
    tally.sent("a", 4, NOW + 1)

    hour = tally.hour(NOW)

    assert (len(hour), hour[0], hour[-2:]) == (60, 1, [2, 7])
    assert sum(hour) == 10


def test_an_hour_ago_is_forgotten() -> None:
    """A day of uploads takes no more room than an hour."""
    tally = Tally()

    for minute in range(24 * 60):
        tally.sent("a", 1, NOW + 60 * minute)

    assert tally.hour(NOW + 60 * (24 * 60 - 1)) == [1] * MINUTES
    assert len(tally._minutes) == MINUTES


def test_what_was_sent_piece_by_piece_is_not_counted_twice() -> None:
    """A large file's bytes are counted as they leave, a small one's with its proof."""
    tally = Tally()
    tally.flights["large"] = Flight(100, NOW)
    tally.sent("large", 60, NOW)

    tally.uploaded("large", 100, NOW)
    tally.uploaded("small", 5, NOW)

    assert tally.hour(NOW)[-1] == 105
    assert (tally.uploads, tally.upload_bytes) == (2, 105)


def test_the_last_changes() -> None:
    """The newest of them, uploads and deletes, in order; an emptied folder does not fill the memory."""
    tally = Tally()
    tally.uploaded("a", 3, NOW)

    tally.deleted([f"gone/{number}" for number in range(1000)], NOW + 1)
    tally.uploaded("b", 4, NOW + 2)

    assert len(tally.changes) == CHANGES
    assert tally.changes[-1] == ("b", "upload", 4, NOW + 2)
    assert tally.changes[-2] == ("gone/999", "delete", 0, NOW + 1)
    assert tally.deletes == 1000


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    """Bytes of minutes that come again are added."""
    tally = Tally()
    tally.sent("a", 1, NOW)

    tally.sent("a", 2, NOW - 3600)
    tally.sent("a", 4, NOW)

    assert tally.hour(NOW)[-1] == 5
