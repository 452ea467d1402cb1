"""Says what a person must do first, in one sentence; and what becomes of a file that failed. Decides; shows nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tcbsync.cloud.codes import MEANINGS
from tcbsync.core.words import plural, size, span
from tcbsync.status import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.status import MirrorStatus
    from tcbsync.store.answers import Failure
    from tcbsync.web.view import MirrorView, Overview

Mood = Literal["well", "busy", "wait", "act"]
"""All is equal; being made so; it goes on by itself, later; a person has to do something."""

RATE_MINUTES = 5
LOCAL = {
    "changing": "It is sent once it is left alone for a moment",
    "unreadable": "Let the daemon's user read it, or ignore it",
    "internal": "A defect of tcbsync; its log has more",
    "delete": "The object may be gone already: look into the CloudBase console",
    "ETag": "A proxy may have changed the bytes",
}
"""Codes that are not the service's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How things are. `command` is what to type, where there is something to type."""

    mood: Mood
    headline: str
    detail: str = ""
    command: str = ""
    then: str = ""
    """What comes after that."""


def verdict(overview: Overview) -> Verdict:
    """Give the first thing that stands in the way, the worst first."""
    first, *others = [*_trouble(overview), _quiet(overview)]
    return replace(first, then=others[0].headline) if len(others) > 1 else first


def _trouble(overview: Overview) -> Iterator[Verdict]:
    service, error = overview.service, overview.service["last_error"] or ""
    if service["state"] == "blocked":
        yield Verdict("act", "The service lets nothing through.", error)
    for mirror in overview.mirrors:
        if is_unseen(mirror.status):
            yield Verdict("act", f"The folder of {mirror.name} cannot be seen.", mirror.status.hold)
    for mirror in overview.mirrors:
        if count := mirror.status.held_deletes:
            deletes, verb = plural(count, "delete"), "waits" if count == 1 else "wait"
            detail = f"{mirror.status.hold}. Put the files back, or let exactly these go:"
            command = f"tcbsync approve {mirror.name} --list {mirror.lists.listing}"
            yield Verdict("act", f"{deletes} of {mirror.name} {verb} for you.", detail, command)
    if service["state"] == "full":
        yield Verdict("act", "The cloud's storage is used up.", error)
    if service["state"] == "offline":
        waiting = "Everything goes on by itself when the service answers"
        yield Verdict("wait", "The service cannot be reached.", f"{waiting}{until(overview)}: {error}")
    if service["state"] == "paused":
        yield Verdict("wait", "The service asked for a pause.", f"It goes on by itself{until(overview)}: {error}")
    yield from _about_files(overview)


def is_unseen(told: MirrorStatus) -> bool:
    """Whether the folder itself cannot be looked at: what fails then follows from that."""
    return bool(told.hold) and not told.held_deletes


def trouble_count(told: MirrorStatus) -> int:
    """Count what is worth telling of in one mirror: failed files, and paths that cannot be looked at."""
    return told.problems if is_unseen(told) else told.failed + told.problems


def _about_files(overview: Overview) -> Iterator[Verdict]:
    seen = [mirror.status for mirror in overview.mirrors if not is_unseen(mirror.status)]
    if parked := sum(each.parked for each in seen):
        told = f"{plural(parked, 'file')} {'was' if parked == 1 else 'were'} refused for good."
        yield Verdict("act", told, "Mend what is listed below; then have it tried again:", "tcbsync retry")
    if count := sum(each.problems for each in seen):
        yield Verdict("act", f"{plural(count, 'path')} cannot be looked at.", "Nothing there is sent or deleted.")
    if count := sum(each.failed - each.parked for each in seen):
        detail = "Each is tried again by itself; the reasons are listed below. To try them now:"
        yield Verdict("wait", f"{plural(count, 'file')} failed so far.", detail, "tcbsync retry")


def _quiet(overview: Overview) -> Verdict:
    told = [mirror.status for mirror in overview.mirrors]
    reason = next((each.reason for each in told if each.reason), "")
    if any(each.state in ("starting", "scanning") for each in told):
        return Verdict("busy", "Looking at every file.", reason or "What has changed is uploaded meanwhile.")
    uploads, deletes = sum(each.pending_uploads for each in told), sum(each.pending_deletes for each in told)
    if uploads:
        left = sum(each.pending_bytes for each in told)
        return Verdict("busy", f"Uploading {plural(uploads, 'file')}.", f"{size(left)} to go{_remaining(overview)}.")
    if deletes:
        return Verdict("busy", f"Deleting {plural(deletes, 'file')}.", reason)
    if any(each.state != "in_sync" for each in told):
        return Verdict("busy", "Working.", reason)
    files = plural(sum(each.files for each in told), "file")
    detail = f"{files}, {size(sum(each.bytes for each in told))}: the cloud holds what the disk holds."
    worth = next((f"{each.name}: {each.watch_reason}" for each in told if each.watch_reason), "")
    return Verdict("well", "In sync.", worth or overview.service["notice"] or detail)


def until(overview: Overview) -> str:
    """Say when the service is tried again, where that is known."""
    at = seconds_of(overview.service["paused_until"])
    return "" if at is None or at <= overview.at else f", next try in {span(at - overview.at)}"


def _remaining(overview: Overview) -> str:
    """Say how long it takes at the rate of the last minutes, but for the one that has just begun."""
    rate = sum(overview.hour[-RATE_MINUTES - 1 : -1]) / RATE_MINUTES / 60
    left = sum(mirror.status.pending_bytes for mirror in overview.mirrors)
    return f", about {span(left / rate)} at the pace of the last minutes" if rate else ""


def advice(failure: Failure, now: float) -> tuple[str, str, str]:
    """Give for a failed file its reason, what a person can do, and when it is tried again."""
    meaning = MEANINGS.get(failure.code)
    hint = meaning.advice if meaning else ""
    reason = failure.reason.removesuffix(f" ({hint})")
    told = LOCAL.get(failure.code) or _sentence(hint)
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
    return _sentence(reason), told, when


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".")


def icon(mirror: MirrorView) -> Mood:
    """Give the mood of one mirror."""
    told = mirror.status
    if told.state == "held" or told.problems or told.parked:
        return "act"
    if told.state in ("offline", "paused", "stopped") or told.failed:
        return "wait"
    return "well" if told.state == "in_sync" else "busy"
