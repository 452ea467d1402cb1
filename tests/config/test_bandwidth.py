"""`service.bandwidth`: none, a number, or limits by time; and each way to get it wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.config.load import load
from tests.config.writing import changed, check, write

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = {
    "nothing": ("null", None),
    "a number": ("500000", 500_000),
    "in quotes": ('{"08:00": 500000, "19:00": null}', {"08:00": 500_000, "19:00": None}),
    "without": ("{08:00: 500000, 19:00: null}", {"08:00": 500_000, "19:00": None}),
    "days": ("{Mon-Fri 08:00: 500_000, 19:00: ~, Sat 08:00: 1024}",
             {"Mon-Fri 08:00": 500_000, "19:00": None, "Sat 08:00": 1024}),
    "block": ("\n    08:00: 500000\n    '19:00':\n", {"08:00": 500_000, "19:00": None}),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_may_be_written(tmp_path: Path, name: str) -> None:
    """None, one limit, or limits by time; with quotes or without, though YAML takes 19:00 for a number."""
    text, expected = RIGHT[name]

    config = load(write(tmp_path, changed("uploads: 8", f"bandwidth: {text}")))

    assert config.service.bandwidth == expected


TIME = "must be a time such as 08:00, Sat 08:00 or Mon-Fri 08:00"

WRONG = {
    "a text": ("500k", "3: service.bandwidth: must be a whole number"),
    "a fraction": ("0.5", "3: service.bandwidth: must be a whole number"),
    "a list": ("[500000]", "3: service.bandwidth: must be a whole number"),
    "in KB": ("500", "3: service.bandwidth: must be at least 1024"),
    "nothing at any time": ("{}", "3: service.bandwidth: name at least one time, or a number of bytes a second"),
    "no time": ("{day: 500000}", f"3: service.bandwidth.day: {TIME}"),
    "too late": ("{'24:00': 500000}", f"3: service.bandwidth.24:00: {TIME}"),
    "a list for a time": ("{[a]: 500000}", f"3: service.bandwidth.?: {TIME}"),
    "no number": ("{'08:00': fast}", "3: service.bandwidth.08:00: must be a whole number"),
    "true": ("{'08:00': true}", "3: service.bandwidth.08:00: must be a whole number"),
    "a number in KB": ("\n    '08:00': 500000\n    '19:00': 20", "5: service.bandwidth.19:00: must be at least 1024"),
    "twice": ("\n    08:00: 2000\n    '08:00': 3000", "5: service.bandwidth.08:00: is there twice"),
    "the same minute": (
        "\n    08:00: 2000\n    Sat 08:00: 3000",
        "5: service.bandwidth.Sat 08:00: is at the same time as 08:00",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    """Each mistake at the line of its time, and what would be right."""
    text, expected = WRONG[name]

    check(tmp_path, changed("uploads: 8", f"bandwidth: {text}"), expected)


def test_all_of_them_come_at_once(tmp_path: Path) -> None:
    """Three wrong times are three mistakes."""
    text = "\n    noon: 2000\n    '08:00': 20\n    '25:00': true"

    check(
        tmp_path,
        changed("uploads: 8", f"bandwidth: {text}"),
        f"4: service.bandwidth.noon: {TIME}",
        "5: service.bandwidth.08:00: must be at least 1024",
        "6: service.bandwidth.25:00: must be ",
        "6: service.bandwidth.25:00: must be ",
    )
