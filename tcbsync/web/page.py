"""The status page, put together. Pure: an overview becomes a document, or the part of it that is refreshed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync import __version__
from tcbsync.web import sections
from tcbsync.web.advice import first
from tcbsync.web.chart import chart
from tcbsync.web.markup import Html, command, join, prose, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcbsync.verdict import Verdict
    from tcbsync.web.view import Overview

NEXT = 3
"""Of what comes after the first thing to do, so many are told."""
REFRESH_SECONDS = 10
"""For browsers without scripts."""


def title(told: Verdict) -> str:
    """Give what stands on the tab."""
    return f"{told.headline.rstrip('.')} · tcbsync"


def main(overview: Overview, told: Sequence[Verdict]) -> Html:
    """Give everything that changes."""
    hour = sections.section("hour", "Last hour", chart(overview.hour))
    return _main(
        told,
        sections.mirrors(overview, told[0]),
        sections.held(overview),
        sections.failures(overview),
        tag("div", hour, sections.flights(overview), class_="pair"),
        sections.changes(overview),
    )


def failed_main(told: Verdict) -> Html:
    """Give what stands there while the manifest cannot be read."""
    return _main([told])


def _main(verdicts: Sequence[Verdict], *parts: Html) -> Html:
    told, *others = verdicts
    then = " ".join(each.headline for each in others[:NEXT])
    detail = join(prose(told.detail), join(" ", command(told.command)) if told.command else "")
    lead = tag(
        "header",
        tag("h1", told.headline),
        tag("p", detail) if detail else "",
        tag("p", f"After that: {then}", class_="quiet") if then else "",
        class_=f"verdict {told.mood}",
        id="verdict",
    )
    return tag("main", lead, *parts, id="main", data_mood=told.mood)


def document(told: Verdict, body: Html) -> Html:
    """Put the whole page around `main`. It is right without a script; with one, it keeps itself up to date."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", title(told)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", type="image/svg+xml", href=f"/icon-{told.mood}.svg", id="icon"),
        tag("link", rel="stylesheet", href="/page.css"),
        tag("script", src="/page.js", defer=True),
        tag("noscript", tag("meta", http_equiv="refresh", content=REFRESH_SECONDS)),
    )
    silence = tag(
        "p", "The daemon does not answer; this is what it said last.", id="silence", hidden=True, role="alert"
    )
    news = tag("p", id="news", role="status")  # read out, and only when the mood changes: counts change all the time
    links = [tag("a", name, href=f"/{name}") for name in ("metrics", "healthz", "readyz")]
    foot = tag("footer", tag("span", f"tcbsync {__version__}"), *links)
    return join(Html("<!doctype html>\n"), tag("html", head, tag("body", silence, body, foot, news), lang="en"))


def whole(overview: Overview) -> Html:
    """Give the page."""
    told = first(overview)
    return document(told[0], main(overview, told))
