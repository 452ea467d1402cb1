"""Says first what a person must know or do: one sentence, what it means, and what to type. Pure.

What it decides by is the status as JSON has it, from a daemon of this version or another: what is missing is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tcbsync.core.words import ago, plural, size, span
from tcbsync.status import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tcbsync.cli.lines import Tone

    Told = Mapping[str, Any]
    """One mirror, as `status --json` gives it."""


class Verdict(NamedTuple):
    """How things are. `command` is what to type, where there is something to type."""

    tone: Tone
    headline: str
    detail: str = ""
    command: str = ""


def verdicts(answer: Told, now: float) -> list[Verdict]:
    """Give all that stands in the way, the worst first; or else how well it goes. `now` in unix seconds."""
    return [*_trouble(answer, now)] or [_quiet(answer, now)]


def tone_of(mirror: Told) -> Tone:
    """Give the tone of one mirror."""
    if mirror["hold"] or mirror["problems"] or mirror.get("parked"):
        return "act"
    if mirror["state"] in ("offline", "paused", "stopped") or mirror["failed"]:
        return "wait"
    return "well" if mirror["state"] == "in_sync" else "busy"


def _trouble(answer: Told, now: float) -> Iterator[Verdict]:
    service, mirrors = answer["service"], answer["mirrors"]
    if service["state"] == "blocked":
        yield Verdict("act", "The service lets nothing through.", service["last_error"] or "")
    yield from (
        Verdict("act", f"The folder of {mirror['name']} cannot be seen.", _sentence(mirror["hold"]))
        for mirror in mirrors
        if is_unseen(mirror)
    )
    yield from map(_held, filter(_holds, mirrors))
    yield from _service(service, now)
    yield from _files([mirror for mirror in mirrors if not is_unseen(mirror)])
    for mirror in mirrors:
        if mirror.get("paused_at"):
            name = mirror["name"]
            yield Verdict("wait", f"{name} is paused by hand.", "To let it go on:", f"tcbsync resume {name}")


def _holds(mirror: Told) -> bool:
    return bool(mirror["held_deletes"])


def _held(mirror: Told) -> Verdict:
    count = mirror["held_deletes"]
    told = f"{plural(count, 'delete')} of {mirror['name']} {'waits' if count == 1 else 'wait'} for you."
    them = "it" if count == 1 else "them"
    detail = f"{_sentence(mirror['hold'])} Put the files back, or look at the list and let {them} go:"
    return Verdict("act", told, detail, "tcbsync held")


def _service(service: Told, now: float) -> Iterator[Verdict]:
    error = service["last_error"] or ""
    if service["state"] == "full":
        yield Verdict("act", "The cloud's storage is used up.", error)
    if service["state"] == "offline":
        yield Verdict("wait", "The service cannot be reached.", f"It goes on by itself{_until(service, now)}. {error}")
    if service["state"] == "paused":
        yield Verdict("wait", "The service asked for a pause.", f"It goes on by itself{_until(service, now)}. {error}")


def is_unseen(mirror: Told) -> bool:
    """Whether the folder itself cannot be looked at: what fails then follows from that."""
    return bool(mirror["hold"]) and not mirror["held_deletes"]


def _files(mirrors: list[Told]) -> Iterator[Verdict]:
    parked = sum(mirror.get("parked") or 0 for mirror in mirrors)
    if parked:
        told = f"{plural(parked, 'file')} {'was' if parked == 1 else 'were'} refused for good."
        yield Verdict("act", told, "To see which, and why:", "tcbsync failed")
    if count := sum(mirror["problems"] for mirror in mirrors):
        told = f"{plural(count, 'path')} cannot be looked at."
        yield Verdict("act", told, "Nothing there is sent or deleted. To see which, and why:", "tcbsync failed")
    if count := sum(mirror["failed"] for mirror in mirrors) - parked:
        each = "It is" if count == 1 else "Each is"
        yield Verdict("wait", f"{plural(count, 'file')} failed so far.", f"{each} tried again by itself.")


def _quiet(answer: Told, now: float) -> Verdict:
    mirrors = answer["mirrors"]
    states = {mirror["state"] for mirror in mirrors}
    files = sum(mirror["files"] for mirror in mirrors)
    stored = sum(mirror.get("bytes") or 0 for mirror in mirrors)
    has = f"{plural(files, 'file')} ({size(stored)})" if stored else plural(files, "file")
    uploads, deletes = (sum(mirror[f"pending_{what}"] for mirror in mirrors) for what in ("uploads", "deletes"))
    if states == {"stopped"}:
        return _stopped(mirrors, now)
    if states & {"starting", "scanning"}:
        return Verdict("busy", "Looking at every file.", "What has changed is uploaded meanwhile.")
    if uploads:
        left = sum(mirror.get("pending_bytes") or 0 for mirror in mirrors)
        return Verdict("busy", f"Uploading {plural(uploads, 'file')}.", f"{size(left)} to go." if left else "")
    if deletes:
        return Verdict("busy", f"Deleting {plural(deletes, 'file')}.")
    if states != {"in_sync"}:
        return Verdict("busy", "Working.", next((mirror["reason"] for mirror in mirrors if mirror["reason"]), ""))
    return Verdict("well", "In sync.", f"The cloud holds what the disk holds: {has}.")


def _stopped(mirrors: list[Told], now: float) -> Verdict:
    """Say what was so when something ran last."""
    seen = [at for mirror in mirrors if (at := seconds_of(mirror["last_scan_at"])) is not None]
    if not seen:
        return Verdict("wait", "Nothing was mirrored yet.", "No daemon runs. To see what would be:", "tcbsync plan")
    left = sum(mirror["pending_uploads"] + mirror["pending_deletes"] for mirror in mirrors)
    then = f"{plural(left, 'file')} waited then" if left else "all was equal then"
    if any(mirror["last_proved_at"] is None for mirror in mirrors) and not left:
        then = "not all was equal then"
    return Verdict("wait", "No daemon runs.", f"This is as of the last run, {ago(now - min(seen))}: {then}.")


def _until(service: Told, now: float) -> str:
    until = seconds_of(service["paused_until"])
    return "" if until is None or until <= now else f", next try in {span(until - now)}"


def _sentence(words: str) -> str:
    """Make a sentence of a reason."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""
