"""What `check` has found of one thing, as a value."""

from __future__ import annotations

from typing import NamedTuple

from tcbsync.cli import exits


class Point(NamedTuple):
    """One thing that was checked. Where it is not right, `advice` is the next step, and `code` the exit code."""

    what: str
    is_right: bool
    found: str
    advice: str = ""
    code: int = exits.DONE


def wrong(what: str, found: str, advice: str, code: int = exits.FAILED) -> Point:
    """Describe a thing that is not as it must be."""
    return Point(what, is_right=False, found=found, advice=advice, code=code)
