"""Puts a status into lines for people. Pure; `ask` prints them, once or again and again."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from tcbsync import status
from tcbsync.cli.lines import Paper, Span, columns, laid
from tcbsync.cli.output import sign, signed
from tcbsync.core.words import ago, plural, size, span, stock
from tcbsync.status import seconds_of
from tcbsync.verdict import Verdict, is_unseen, mood_of, sentence, until, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.cli.lines import Line
    from tcbsync.verdict import Told

WATCHING = {
    "inotify": "by events",
    "degraded": "by events, in part by rescans",
    "native": "by events",
    "rescan": "by rescans",
    "waiting": "waits for the folder",
}


def status_lines(answer: Told, now: float, paper: Paper) -> list[str]:
    """Give the whole status: what a person must know or do, each mirror, the service. `now` in unix seconds."""
    lines: list[str] = []
    service, first = answer["service"], verdicts(answer, now)
    for verdict in first:
        lines += verdict_lines(verdict, paper)
    for mirror in answer["mirrors"]:
        rows = [(Span(f"  {what:10}", "quiet"), text) for what, text in _rows(mirror, service, now)]
        lines += ["", *laid(headline(mirror), paper, hang=2), *columns(rows, paper)]
    details = " ".join(verdict.detail for verdict in first)
    told = [laid([Span(what, "quiet"), text], paper, hang=2) for what, text in _service(service, details, now)]
    return [*lines, "", *chain.from_iterable(told)] if told else lines


def verdict_lines(verdict: Verdict, paper: Paper) -> list[str]:
    """Give a sentence with its sign, what it means, and what to type."""
    lines = laid(signed(verdict.mood, Span(verdict.headline, "strong")), paper, hang=2)
    lines += laid(f"  {verdict.detail}", paper, hang=2) if verdict.detail else []
    if verdict.command:
        lines += command_line(verdict.command, paper)
    return lines


def command_line(command: str, paper: Paper) -> list[str]:
    """Give something to type. It is never broken: it has to stay whole when it is copied."""
    return laid(["  ", Span(f"{sign('next')} ", "quiet"), Span(command, "strong")], paper._replace(width=None))


def headline(mirror: Told) -> Line:
    """Give a mirror in a line: its state, and how much there is."""
    mood = mood_of(mirror)
    stored = stock(mirror["files"], held=mirror["held_deletes"], kept=mirror["kept"], count=mirror.get("bytes") or 0)
    state = mirror["state"].replace("_", " ")
    return signed(mood, Span(mirror["name"], "strong"), ": ", Span(state, mood), f", {stored}")


def _rows(mirror: Told, service: Told, now: float) -> list[tuple[str, str]]:
    return [*_trouble(mirror, now), *_work(mirror, service, now), *_eyes(mirror, now)]


def _trouble(mirror: Told, now: float) -> Iterator[tuple[str, str]]:
    if count := mirror["held_deletes"]:
        them, name = "it" if count == 1 else "them", mirror["name"]
        commands = f"`tcbsync held` lists {them}, `tcbsync approve {name}` lets {them} go"
        yield "held", f"{plural(count, 'delete')}{_for(mirror, now)}: {commands}"
    if is_unseen(mirror):
        yield "held", f"its folder cannot be seen{_for(mirror, now)}"
    if mirror["failed"]:
        yield "failed", f"{plural(mirror['failed'], 'file')}: `tcbsync failed` says why"
    if mirror["problems"] and not is_unseen(mirror):
        yield "unseen", f"{plural(mirror['problems'], 'path')}: `tcbsync failed` says why"


def _work(mirror: Told, service: Told, now: float) -> Iterator[tuple[str, str]]:
    if waiting := _waiting(mirror, now):
        yield "waiting", waiting
    if mirror.get("in_flight"):
        yield "in flight", _flying(mirror)
    if mirror["kept"]:
        yield "kept", f"{plural(mirror['kept'], 'file')}, gone here, stay in the cloud (delete: never)"
    told = (mirror["hold"], service["last_error"], "never ran")  # elsewhere
    if mirror["reason"] and mirror["reason"] not in told and not mirror["failed"]:
        yield "because", mirror["reason"]


def _eyes(mirror: Told, now: float) -> Iterator[tuple[str, str]]:
    if mirror["watch_mode"] != "none":
        mode = WATCHING.get(mirror["watch_mode"]) or str(mirror["watch_mode"])
        yield "watched", f"{mode}: {mirror['watch_reason']}" if mirror["watch_reason"] else mode
    if mirror["drift"]:
        yield "drift", f"{plural(mirror['drift'], 'change')} came without an event, and rescans found them"
    yield "last scan", _when(mirror["last_scan_at"], now)
    if mirror["state"] == "in_sync":
        yield "last proof", "now"
    elif mirror["last_scan_at"]:
        yield "last proof", _when(mirror["last_proved_at"], now)


def _waiting(mirror: Told, now: float) -> str:
    parts = []
    if uploads := mirror["pending_uploads"]:
        sized = mirror.get("pending_bytes")
        parts.append(f"{plural(uploads, 'upload')} ({size(sized)})" if sized else plural(uploads, "upload"))
    if deletes := mirror["pending_deletes"]:
        parts.append(plural(deletes, "delete"))
    since = seconds_of(mirror.get("oldest_pending_at"))
    if parts and since is not None and now - since >= 60:
        parts.append(f"the oldest for {span(now - since)}")
    return ", ".join(parts)


def _flying(mirror: Told) -> str:
    named = list(mirror.get("in_flight_paths") or ())
    more = mirror["in_flight"] - len(named)
    return ", ".join([*named, *([f"{more:,} more"] if more > 0 else [])])


def _for(mirror: Told, now: float) -> str:
    since = seconds_of(mirror.get("hold_since"))
    return "" if since is None else f" (for {span(now - since)})"


def _when(text: str | None, now: float) -> str:
    at = seconds_of(text)
    return "never" if at is None else ago(now - at)


def _service(service: Told, told: str, now: float) -> Iterator[tuple[str, str]]:
    """Say of the service what is not `told` already."""
    if service["state"] not in ("ok", "stopped", "unknown") and sentence(service["last_error"] or "") not in told:
        yield "service: ", f"{service['state']}{until(service, now)}: {service['last_error']}"
    for limit in status.limits(service):
        yield "", limit
    if service.get("notice") and sentence(service["notice"]) not in told:
        yield "notice: ", service["notice"]
