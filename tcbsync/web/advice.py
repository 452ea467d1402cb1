"""Says what becomes of a file that failed, and what a person can do about it; and what stands first on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync import status
from tcbsync.cloud.codes import MEANINGS
from tcbsync.core.words import span
from tcbsync.verdict import sentence, verdicts

if TYPE_CHECKING:
    from tcbsync.store.answers import Failure
    from tcbsync.verdict import Verdict
    from tcbsync.web.view import Overview

RATE_MINUTES = 5
LOCAL = {
    "changing": "It is sent once it is left alone for a moment",
    "unreadable": "Let the daemon's user read it, or ignore it",
    "internal": "A defect of tcbsync; its log has more",
    "delete": "The object may be gone already: look into the CloudBase console",
    "ETag": "A proxy may have changed the bytes",
}
"""Codes that are not the service's."""


def first(overview: Overview) -> list[Verdict]:
    """Give what stands first on the page, which shows each list below: all that stands in the way, or how it goes."""
    answer = status.as_json([mirror.status for mirror in overview.mirrors], overview.service)
    listings = {mirror.name: mirror.lists.listing for mirror in overview.mirrors}
    sent = sum(overview.hour[-RATE_MINUTES - 1 : -1])  # but for the minute that has just begun
    return verdicts(answer, overview.at, listings=listings, bytes_per_second=sent / RATE_MINUTES / 60)


def advice(failure: Failure, now: float) -> tuple[str, str, str]:
    """Give for a failed file its reason, what a person can do, and when it is tried again."""
    meaning = MEANINGS.get(failure.code)
    hint = meaning.advice if meaning else ""
    reason = failure.reason.removesuffix(f" ({hint})")
    told = LOCAL.get(failure.code) or sentence(hint).removesuffix(".")
    reason = reason.partition(f"{failure.path}: ")[2] or reason  # the path stands beside it anyway
    reason = reason.removeprefix(f"{failure.path} ")
    if not told:
        told = "Mend the file or its name, then `tcbsync retry`" if failure.next_at is None else ""
    if failure.next_at is None:
        when = "waits for you"
    elif failure.next_at <= now:
        when = "is tried now"
    else:
        when = f"next try in {span(failure.next_at - now)}"
    return sentence(reason).removesuffix("."), told, when
