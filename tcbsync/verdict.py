"""Says first what a person must know or do: one sentence, what it means, and what to type. Pure.

Terminal, page, systemd's STATUS line and notifications say it by these words. What is decided by is the status as JSON
has it, from a daemon of this version or another: what is missing is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tcbsync.core.words import ago, plural, size, span
from tcbsync.status import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Told = Mapping[str, Any]
    """A status, or one mirror or the service of it, as `status --json` gives it."""

Mood = Literal["well", "busy", "wait", "act"]
"""All is equal; being made so; it goes on by itself, or when you say so; a person has to do something."""

HEADLINES = {
    "unseen": "The folder of {mirror} cannot be seen.",
    "held": "{deletes} of {mirror} {wait} for you.",
    "offline": "The service cannot be reached.",
    "blocked": "The service lets nothing through.",
    "stalled": "The state directory takes no more.",
    "paused": "The service asked for a pause.",
    "full": "The cloud's storage is used up.",
}
"""What is amiss with one mirror, or with the service → how it is said, here and in messages: see `filled`."""
LET_GO = "Put the files back, or let exactly these go:"
"""Before the command that `approval` gives."""


class Verdict(NamedTuple):
    """How things are. `command` is what to type, where there is something to type."""

    mood: Mood
    headline: str
    detail: str = ""
    command: str = ""


def verdicts(
    answer: Told, now: float, *, listings: Mapping[str, str] | None = None, bytes_per_second: float = 0.0
) -> list[Verdict]:
    """Give all that stands in the way, what explains the rest first; or else how well it goes. `now` in unix seconds.

    `listings`: how the list of each mirror's held deletes is called, where they, and what failed, are shown beside it;
    None: nothing is. `bytes_per_second`: how fast it went of late, where that is known.
    """
    trouble = [*_trouble(answer, now, listings)]
    if answer["service"]["state"] == "stopped":  # which explains the rest
        return [_stopped(answer["mirrors"], now), *trouble]
    return trouble or [_quiet(answer, bytes_per_second)]


def headlines(answer: Told, now: float) -> list[str]:
    """Give in a sentence each what stands in the way, the worst first; nothing where nothing does."""
    return [verdict.headline for verdict in _trouble(answer, now, None)]


def hindrances(answer: Told, now: float) -> list[Verdict]:
    """Give what keeps uploads back that are no fault of any file: the service, and who has paused a mirror."""
    service = answer["service"]
    return [*_blocked(service, now), *_service(service, now), *_paused(answer["mirrors"], now, runs=_runs(service))]


def mood_of(mirror: Told) -> Mood:
    """Give the mood of one mirror."""
    if mirror["hold"] or mirror["problems"] or mirror.get("parked"):
        return "act"
    if mirror["state"] in ("offline", "paused", "stopped") or mirror["failed"]:
        return "wait"
    return "well" if mirror["state"] == "in_sync" else "busy"


def is_unseen(mirror: Told) -> bool:
    """Whether the folder itself cannot be looked at: what fails then follows from that."""
    return bool(mirror["hold"]) and not mirror["held_deletes"]


def trouble_count(mirror: Told) -> int:
    """Count what is worth telling of in one mirror: failed files, and paths that cannot be looked at."""
    return int(mirror["problems"] if is_unseen(mirror) else mirror["failed"] + mirror["problems"])


def filled(words: str, mirror: str = "", count: int = 0) -> str:
    """Fill a mirror's name and a number of files, deletes or paths into a headline."""
    nouns = {f"{noun}s": plural(count, noun) for noun in ("delete", "file", "path")}
    return words.format(mirror=mirror, count=f"{count:,}", wait="waits" if count == 1 else "wait", **nouns)


def approval(name: str, listing: str) -> str:
    """Give the command that lets go exactly the held deletes that are listed so."""
    return f"tcbsync approve {name} --list {listing}"


def until(service: Told, now: float) -> str:
    """Say when the service is tried again, as the end of a clause; empty where that is not known, or is now."""
    at = seconds_of(service.get("paused_until"))
    return "" if at is None or at - now < 1 else f", next try in {span(at - now)}"


def sentence(words: str) -> str:
    """Make a sentence of a reason, which may be a question, or end with one. A name that begins it stays as it is."""
    begin = words[:1] if words.partition(" ")[0].endswith(":") else words[:1].upper()
    return f"{begin}{words[1:]}{'' if words.endswith(('.', '?', '!')) else '.'}" if words else ""


def _trouble(answer: Told, now: float, listings: Mapping[str, str] | None) -> Iterator[Verdict]:
    service, mirrors, runs = answer["service"], answer["mirrors"], _runs(answer["service"])
    yield from _blocked(service, now)
    for mirror in mirrors:
        if is_unseen(mirror):
            yield Verdict("act", filled(HEADLINES["unseen"], mirror["name"]), sentence(mirror["hold"]))
    for mirror in mirrors:
        if mirror["held_deletes"]:
            yield _held(mirror, (listings or {}).get(mirror["name"], ""))
    yield from _unknown(mirrors) if runs else ()
    yield from _service(service, now)
    seen = [mirror for mirror in mirrors if not is_unseen(mirror)]
    yield from _files(seen, is_listed=listings is not None, runs=runs)
    yield from _paused(mirrors, now, runs=runs)


def _runs(service: Told) -> bool:
    """Whether a daemon runs: else nothing happens by itself. `unknown`: another verb is at work."""
    return service["state"] not in ("stopped", "unknown")


def is_stalled(service: Told) -> bool:
    """Whether it is the state directory that lets nothing through: no row can be written, so no byte may leave."""
    return service["state"] == "blocked" and service.get("blocked_by") == "state_dir"


def _blocked(service: Told, now: float) -> Iterator[Verdict]:
    error = sentence(service["last_error"] or "")
    if is_stalled(service):
        yield Verdict("act", HEADLINES["stalled"], error)
    elif service["state"] == "blocked":
        yield Verdict("act", HEADLINES["blocked"], f"{error} {_once_mended(service, now)}".lstrip())


def _once_mended(service: Told, now: float) -> str:
    return f"It goes on by itself once that is mended{until(service, now)}."


def _held(mirror: Told, listing: str) -> Verdict:
    count, name = mirror["held_deletes"], mirror["name"]
    told = filled(HEADLINES["held"], name, count)
    if listing:
        return Verdict("act", told, f"{sentence(mirror['hold'])} {LET_GO}", approval(name, listing))
    them = "it" if count == 1 else "them"
    detail = f"{sentence(mirror['hold'])} Put the files back, or look at the list and let {them} go:"
    return Verdict("act", told, detail, "tcbsync held")


def _unknown(mirrors: list[Told]) -> Iterator[Verdict]:
    names = [mirror["name"] for mirror in mirrors if mirror["state"] == "stopped"]
    if names:
        one = len(names) == 1
        told = f"The running daemon does not know {'mirror' if one else 'mirrors'} {', '.join(names)}."
        what = f"so it does nothing for {'it' if one else 'them'}. To have the configuration read again:"
        yield Verdict("act", told, f"The configuration was changed since it was read, {what}", "tcbsync reload")


def _service(service: Told, now: float) -> Iterator[Verdict]:
    error, later = sentence(service["last_error"] or ""), f"It goes on by itself{until(service, now)}."
    match service["state"]:
        case "full":
            yield Verdict("act", HEADLINES["full"], f"{error} {_once_mended(service, now)}".lstrip())
        case "offline":
            yield Verdict("wait", HEADLINES["offline"], f"{later} {error}".rstrip())
        case "paused":
            yield Verdict("wait", HEADLINES["paused"], f"{later} {error}".rstrip())


def _files(mirrors: list[Told], *, is_listed: bool, runs: bool) -> Iterator[Verdict]:
    parked = sum(mirror.get("parked") or 0 for mirror in mirrors)
    which = ("Mend what is listed below; then have it tried again:", "tcbsync retry")
    if parked:
        told = f"{plural(parked, 'file')} {'was' if parked == 1 else 'were'} refused for good."
        yield Verdict("act", told, *(which if is_listed else ("To see which, and why:", "tcbsync failed")))
    if count := sum(mirror["problems"] for mirror in mirrors):
        told, still = f"{plural(count, 'path')} cannot be looked at.", "Nothing there is sent or deleted."
        yield Verdict("act", told, *((still,) if is_listed else (f"{still} To see which, and why:", "tcbsync failed")))
    if count := sum(mirror["failed"] for mirror in mirrors) - parked:
        again = f"{'It is' if count == 1 else 'Each is'} tried again {'by itself' if runs else 'when a daemon runs'}."
        told = f"{plural(count, 'file')} failed so far."
        yield Verdict("wait", told, *((f"{again} To try now:", "tcbsync retry") if is_listed else (again,)))


def _paused(mirrors: list[Told], now: float, *, runs: bool) -> Iterator[Verdict]:
    then = "what changes is noted. To let it go on:" if runs else "a daemon that starts leaves it so. To end that:"

    def halted(who: str, since: float, command: str) -> Verdict:
        what = f"For {span(now - since)} nothing has been sent or deleted; {then}"
        return Verdict("wait", f"{who} is paused by hand.", what, command)

    stopped = [(mirror["name"], at) for mirror in mirrors if (at := seconds_of(mirror.get("paused_at"))) is not None]
    if len(stopped) == len(mirrors) > 1:
        yield halted("Every mirror", min(at for _, at in stopped), "tcbsync resume")
        return
    for name, at in stopped:
        yield halted(f"Mirror {name}", at, f"tcbsync resume {name}")


def _quiet(answer: Told, bytes_per_second: float) -> Verdict:
    mirrors = answer["mirrors"]
    states = {mirror["state"] for mirror in mirrors}
    reason = next((mirror["reason"] for mirror in mirrors if mirror["reason"]), "")
    uploads, deletes = (sum(mirror[f"pending_{what}"] for mirror in mirrors) for what in ("uploads", "deletes"))
    if states & {"starting", "scanning"}:
        return Verdict("busy", "Looking at every file.", reason or "What has changed is uploaded meanwhile.")
    if uploads:
        left = sum(mirror.get("pending_bytes") or 0 for mirror in mirrors)
        pace = f", about {span(left / bytes_per_second)} at the pace of the last minutes" if bytes_per_second else ""
        return Verdict("busy", f"Uploading {plural(uploads, 'file')}.", f"{size(left)} to go{pace}." if left else "")
    if deletes:
        return Verdict("busy", f"Deleting {plural(deletes, 'file')}.", reason)
    if states != {"in_sync"}:
        return Verdict("busy", "Working.", reason)
    late = next((f"{each['name']}: {each['watch_reason']}" for each in mirrors if each["watch_reason"]), "")
    return Verdict("well", "In sync.", late or sentence(answer["service"].get("notice") or "") or _stock(mirrors))


def _stock(mirrors: list[Told]) -> str:
    files, stored = sum(mirror["files"] for mirror in mirrors), sum(mirror.get("bytes") or 0 for mirror in mirrors)
    return f"The cloud holds what the disk holds: {plural(files, 'file')}{f' ({size(stored)})' if stored else ''}."


def _stopped(mirrors: list[Told], now: float) -> Verdict:
    """Say what was so when something ran last."""
    seen = [at for mirror in mirrors if (at := seconds_of(mirror["last_scan_at"])) is not None]
    if not seen:
        return Verdict("wait", "Nothing was mirrored yet.", "No daemon runs. To see what would be:", "tcbsync plan")
    left = sum(mirror["pending_uploads"] + mirror["pending_deletes"] for mirror in mirrors)
    is_equal = all(mirror["last_proved_at"] and not mirror["hold"] and not trouble_count(mirror) for mirror in mirrors)
    then = f"{plural(left, 'file')} waited then" if left else f"{'' if is_equal else 'not '}all was equal then"
    looked = f"whose last look at the whole folder was {ago(now - min(seen))}"
    return Verdict("wait", "No daemon runs.", f"This is as of the last run, {looked}: {then}.")
