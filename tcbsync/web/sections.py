"""The parts of the page: mirrors, what is in flight, what needs a person, what was done. Pure: values become markup."""

from __future__ import annotations

from itertools import islice, starmap
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tcbsync.core.words import ago, plural, size, span
from tcbsync.status import iso, seconds_of
from tcbsync.verdict import LET_GO, approval, mood_of, sentence, trouble_count, until
from tcbsync.web.advice import advice
from tcbsync.web.markup import Html, command, join, path, prose, tag
from tcbsync.web.thumbnails import ending, has_thumbnail
from tcbsync.web.view import LISTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tcbsync.engine.tally import Change, Flight
    from tcbsync.verdict import Verdict
    from tcbsync.web.view import MirrorView, Overview

FLIGHTS = 6
CHANGES = 24
BLIND = "Nothing there is sent or deleted until it can be looked at"
STATES = {"in_sync": "in sync"}
"""A state's word for people, where it is not the contract's own."""


def age(moment: float | None, now: float) -> Html:
    """Show how long ago something was; the exact time is in the tooltip."""
    if moment is None:
        return Html("never")
    return tag("time", ago(now - moment), datetime=iso(moment), title=iso(moment))


def lasting(moment: float, now: float) -> Html:
    """Show for how long something has been so; since when exactly is in the tooltip."""
    return tag("time", f"for {span(now - moment)}", datetime=iso(moment), title=iso(moment))


def section(key: str, title: str, *content: str, count: str = "") -> Html:
    """Put a part of the page under its heading."""
    heading = tag("h2", title, tag("span", count, class_="count") if count else "", id=f"{key}-title")
    return tag("section", heading, *content, id=key, aria_labelledby=f"{key}-title")


def table(columns: Sequence[str], rows: Iterable[Html], kind: str) -> Html:
    """Make a table; a column whose title begins with # holds numbers."""
    titles = [tag("th", each.lstrip("#"), scope="col", class_="number" if each[0] == "#" else None) for each in columns]
    body = tag("tbody", *rows)
    return tag("div", tag("table", tag("thead", tag("tr", *titles)), body, class_=kind), class_="wide")


def cell(label: str, *content: str, **attributes: Any) -> Html:
    """Make a cell that says of which column it is, for where there is no room for columns."""
    return tag("td", *content, data_label=label, **attributes)


def mirrors(overview: Overview, first: Verdict) -> Html:
    """Show each mirror with its state and how far it is. What stands `first` on the page is not said again."""
    columns = ("Mirror", "State", "#Files", "#Size", "#To upload", "#To delete", "#Failed", "#Held", "Last scan")
    rows = [row for each in overview.mirrors for row in _mirror(each, overview.at, first)]
    return section("mirrors", "Mirrors", table(columns, rows, "mirrors"), *_service(overview, first))


def _service(overview: Overview, first: Verdict) -> list[Html]:
    """Show the service where it is not well, or where something about it should be mended."""
    service, error = overview.service, overview.service["last_error"]
    told = f"Service {service['state']}{until(service, overview.at)}: {error}" if service["state"] != "ok" else ""
    pairs = ((told, sentence(error or "")), (service["notice"], sentence(service["notice"] or "")))
    return [tag("p", prose(words)) for words, core in pairs if words and (core or words) not in first.detail]


def _mirror(mirror: MirrorView, now: float, first: Verdict) -> list[Html]:
    told = mirror.status
    state = tag("span", STATES.get(told.state, told.state), class_=f"state {mood_of(mirror.told)}")
    uploads = join(f"{told.pending_uploads:,}", tag("small", size(told.pending_bytes)) if told.pending_uploads else "")
    numbers = {
        "Files": f"{told.files:,}",
        "Size": size(told.bytes),
        "To upload": uploads if told.pending_uploads else "0",
        "To delete": f"{told.pending_deletes:,}",
        "Failed": f"{told.failed:,}",
        "Held": f"{told.held_deletes:,}",
    }
    cells = [cell(label, value, class_="number none" if value == "0" else "number") for label, value in numbers.items()]
    name = tag("th", tag("b", told.name), tag("small", f"{mirror.root} → {mirror.place}"), scope="row")
    scan = age(seconds_of(told.last_scan_at), now)
    row = tag("tr", name, cell("State", state), *cells, cell("Last scan", scan), data_key=f"mirror-{told.name}")
    notes = [*_progress(mirror), *_notes(mirror, now, first)]
    if not notes:
        return [row]
    more = tag("tr", tag("td", *notes, colspan=9), class_="notes", data_key=f"notes-{told.name}")
    return [row, more]


def _progress(mirror: MirrorView) -> list[Html]:
    told = mirror.status
    if not told.pending_uploads:
        return []
    whole = told.bytes + told.pending_bytes
    done = min(whole, told.bytes + sum(flight.sent for _, flight in mirror.flights))
    if not whole:  # empty files only
        done, whole = told.files, told.files + told.pending_uploads
    percent = f"{min(99, 100 * done // whole)} %"  # what is not done is not all
    bar = tag("progress", percent, value=done, max=whole, aria_label=f"{told.name}: uploaded")
    return [tag("p", bar, tag("span", percent, class_="quiet"), class_="progress")]


def _notes(mirror: MirrorView, now: float, first: Verdict) -> list[Html]:
    told = mirror.status
    # What is told elsewhere on the page is not told here, but whoever has paused a mirror may look for it at that.
    is_told = told.hold or told.failed or told.problems or told.state in ("offline", "paused")
    notes = ["" if is_told else told.reason]
    if told.paused_at and first.command not in (f"tcbsync resume {told.name}", "tcbsync resume"):
        since = ago(now - (seconds_of(told.paused_at) or now))
        notes[:1] = [f"Paused by hand {since}: `tcbsync resume {told.name}` lets it go on."]
    if told.watch_reason and told.watch_mode != "waiting":
        notes.append(f"Watching ({told.watch_mode}): {told.watch_reason}")
    if told.drift:
        notes.append(f"{plural(told.drift, 'change')} came without an event, and {_was(told.drift)} found by rescans.")
    if told.skipped:
        notes.append(f"{plural(told.skipped, 'name')} can never be mirrored: `tcbsync failed` lists them.")
    if told.kept:
        notes.append(f"{plural(told.kept, 'file')} of the cloud {_was(told.kept)} kept though gone here.")
    lines = [tag("p", prose(note)) for note in notes if note]
    if told.state != "in_sync" and mirror.proved_at is not None:
        lines.append(tag("p", "Last known equal ", age(mirror.proved_at, now), ".", class_="quiet"))
    return lines


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def flights(overview: Overview) -> Html:
    """Show what is being uploaded now."""
    every = [(mirror, *each) for mirror in overview.mirrors for each in mirror.flights]
    rows = [_flight(*each, overview.at) for each in every[:FLIGHTS]]
    if not rows:
        return section("flights", "In flight", tag("p", "Nothing.", class_="quiet"))
    more = _more(len(every) - FLIGHTS, "")
    return section("flights", "In flight", tag("ul", *rows, class_="list flights"), more, count=f"{len(every):,}")


def _flight(mirror: MirrorView, name: str, flight: Flight, now: float) -> Html:
    sent = min(flight.sent, flight.size)
    bar = tag("progress", value=sent, max=flight.size, aria_label="sent") if sent else ""
    words = f"{size(sent)} of {size(flight.size)}" if sent else size(flight.size)
    since = tag("span", f"{words}, {span(now - flight.since)}", class_="quiet")
    end, kind = tag("span", bar, since, class_="end"), "long" if sent else None
    return tag("li", path(name), end, class_=kind, data_key=f"flight-{mirror.name}-{name}")


def held(overview: Overview) -> Html:
    """Show the deletes that wait for a person, with the command that lets them go."""
    return join(*(_held(mirror, overview.at) for mirror in overview.mirrors if mirror.status.held_deletes))


def _held(mirror: MirrorView, now: float) -> Html:
    told, lists = mirror.status, mirror.lists
    rows = [
        tag("li", path(each.path), tag("span", age(each.since, now), class_="end quiet"), data_key=f"held-{each.path}")
        for each in lists.held
    ]
    since = seconds_of(told.hold_since)
    return section(
        f"held-{told.name}",
        f"Held deletes of {told.name}",
        tag("p", prose(sentence(told.hold)), join(" Held ", lasting(since, now), ".") if since else ""),
        tag("p", f"{LET_GO} ", command(approval(told.name, lists.listing))),
        tag("ul", *rows, class_="list two"),
        _more(told.held_deletes - len(rows), "tcbsync held"),
        count=f"{told.held_deletes:,}",
    )


def failures(overview: Overview) -> Html:
    """Show what could not be mirrored: why, and what to do, and then the files that this is so with."""
    groups: dict[tuple[str, str], list[Html]] = {}
    every = ((mirror.name, *each) for mirror in overview.mirrors for each in _failed(mirror, overview.at))
    for name, failed, reason, todo, when in islice(every, LISTED):
        whose = tag("span", name, class_="quiet") if len(overview.mirrors) > 1 else ""
        row = tag("li", path(failed), whose, tag("span", when, class_="quiet"), data_key=f"failure-{name}-{failed}")
        groups.setdefault((reason, todo), []).append(row)
    if not groups:
        return Html()
    count = sum(trouble_count(mirror.told) for mirror in overview.mirrors)
    more = _more(count - sum(map(len, groups.values())), "tcbsync failed")
    return section("failed", "Failed", *starmap(_group, groups.items()), more, count=f"{count:,}")


def _group(why: tuple[str, str], rows: Sequence[Html]) -> Html:
    reason, todo = why
    head = tag("p", tag("b", prose(reason)), join(". ", prose(todo)) if todo else "", ".")
    return tag("div", head, tag("ul", *rows, class_="list two"), class_="group")


def _failed(mirror: MirrorView, now: float) -> Iterator[tuple[str, str, str, Html]]:
    """Give path, reason, what to do, and when it is tried again."""
    for name, reason, since in mirror.lists.problems:
        yield name, reason, BLIND, lasting(since, now)
        if not name:  # all others are only what follows from this
            return
    for failure in mirror.lists.failures:
        reason, todo, when = advice(failure, now)
        yield failure.path, reason, todo, join(f"{plural(failure.attempts, 'try')}, {when}")


def changes(overview: Overview) -> Html:
    """Show what was uploaded and deleted last, with a thumbnail of each image that is in the cloud."""
    every = [(mirror, change) for mirror in overview.mirrors for change in mirror.changes]
    every.sort(key=lambda each: each[1].at, reverse=True)
    rows = [_change(*each, overview.at) for each in every[:CHANGES]]
    content = tag("ul", *rows, class_="list two changes") if rows else tag("p", "None since the start.", class_="quiet")
    return section("changes", "Last changes", content)


def _change(mirror: MirrorView, change: Change, now: float) -> Html:
    stored = mirror.lists.stored.get(change.path)
    is_shown = change.what == "upload" and stored is not None and has_thumbnail(change.path, stored.size)
    picture: Html
    if is_shown and stored is not None:
        query = urlencode({"mirror": mirror.name, "path": change.path, "v": stored.digest.hex()})
        picture = tag("img", src=f"/thumbnail?{query}", alt="", width=40, height=40, loading="lazy", decoding="async")
    else:
        picture = tag("span", ending(change.path)[:5], class_="kind", aria_hidden="true")
    what = size(change.size) if change.what == "upload" else "deleted"
    told = tag("span", f"{what}, ", age(change.at, now), class_="quiet")
    key = f"change-{mirror.name}-{change.path}-{change.at}"
    return tag("li", picture, path(change.path), told, class_=change.what, data_key=key)


def _more(count: int, verb: str) -> Html:
    if count <= 0:
        return Html()
    return tag("p", f"and {count:,} more", join(": ", command(verb)) if verb else "", class_="quiet")
