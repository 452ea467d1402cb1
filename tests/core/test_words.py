"""Words for people: ages, spans, rates, and what the cloud has."""

from __future__ import annotations

import pytest

from tcbsync.core.words import ago, rate, span, stock


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3, "just now"),
        (4.9, "just now"),
        (12, "12 s ago"),
        (89, "89 s ago"),
        (90, "2 min ago"),
        (3600, "60 min ago"),
        (5400, "2 h ago"),
        (36 * 3600, "2 days ago"),
        (400 * 86400, "400 days ago"),
    ],
)
def test_ages(seconds: float, expected: str) -> None:
    """One unit, and one that says enough: never 0 of something, nor thousands."""
    assert ago(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-1, "0 s"), (12, "12 s"), (90, "2 min"), (5400, "2 h"), (200_000, "2 days")]
)
def test_spans(seconds: float, expected: str) -> None:
    """The same, shorter."""
    assert span(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, "not limited"), (900, "900 bytes/s"), (1500, "1.5 KB/s"), (500_000, "500 KB/s"), (2 * 10**9, "2 GB/s")],
)
def test_rates(count: int | None, expected: str) -> None:
    """In thousands, as they are configured."""
    assert rate(count) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"files": 0}, "0 files in the cloud"),
        ({"files": 1, "count": 1024}, "1 file in the cloud (1.0 KiB)"),
        ({"files": 0, "held": 3}, "3 files in the cloud, all of them held"),
        ({"files": 0, "held": 1}, "1 file in the cloud, held"),
        ({"files": 5, "held": 1, "kept": 2}, "8 files in the cloud, 1 of them held, 2 of them kept"),
    ],
)
def test_what_is_held_is_in_the_cloud(counts: dict[str, int], expected: str) -> None:
    """Deletes that wait for a person have not gone: their objects count."""
    assert stock(**counts) == expected
