"""The page as a document: whole, bounded, escaped, and without anything that a strict policy would refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.engine.tally import Flight, Tally
from tcbsync.status import iso
from tcbsync.store.answers import Failure, Held, Stored
from tcbsync.web import page
from tcbsync.web.chart import chart
from tcbsync.web.sections import age
from tcbsync.web.view import LISTED, Lists
from tests.web.test_markup import NASTY
from tests.web.viewing import NOW, Document, mirror, overview

if TYPE_CHECKING:
    from tcbsync.web.view import MirrorView


def troubled(*names: str) -> MirrorView:
    """Make a mirror in which files of these names do everything that can be shown."""
    tally = Tally()
    tally.uploaded("img/logo.png", 2048, NOW - 300)
    for name in names:
        tally.uploaded(name, 10, NOW - 60)
        tally.deleted([name], NOW - 30)
        tally.flights[name] = Flight(4096, NOW - 9, 1024)
    lists = Lists(
        failures=[Failure(name, "-501007", f"upload {name}: invalid argument", 1, None, NOW) for name in names],
        problems=[(name, f"{name} cannot be looked at", NOW) for name in names],
        held=[Held(name, "id", NOW - 90) for name in names],
        listing="abcd1234",
        stored={"img/logo.png": Stored("img/logo.png", 2048, b"0123456789abcdef")},
    )
    count = len(names)
    return mirror(
        state="held",
        files=5,
        bytes=9000,
        failed=count,
        parked=count,
        problems=count,
        skipped=1,
        held_deletes=count,
        pending_uploads=2,
        pending_bytes=4096,
        hold=f"{count} objects would be deleted",
        hold_since="2027-01-15T08:00:00+00:00",
        last_scan_at="2027-01-15T07:59:00+00:00",
        tally=tally,
        lists=lists,
    )


def test_a_quiet_page() -> None:
    """It says that all is well, and has no part that has nothing to say."""
    document = Document(page.whole(overview(mirror(files=2, bytes=2048))))

    assert document.elements[0] == ("html", {"lang": "en"})
    assert "In sync." in document.texts
    assert "The cloud holds what the disk holds: 2 files (2.0 KiB)." in document.texts
    ids = {attributes["id"] for _, attributes in document.elements if "id" in attributes}
    assert {"mirrors", "hour", "flights", "changes"} <= ids
    assert ids.isdisjoint({"failed", "held-site"})


def test_a_page_in_trouble() -> None:
    """What is held stands there with the command, what failed with its reason, and when it is tried again."""
    text = Document(page.whole(overview(troubled("img/a.png")))).text

    for told in (
        "1 delete of site waits for you.",
        "After that: 1 file was refused for good.",
        "tcbsync approve site --list abcd1234",
        "Invalid argument. Mend the file or its name, then tcbsync retry.",
        "1 try, waits for you",
        "1 objects would be deleted. Held for 0 s.",
        "for 0 s",
        "1.0 KiB of 4.0 KiB, 9 s",
        "1 name can never be mirrored: tcbsync failed lists them.",
        "2.0 KiB, 5 min ago",
    ):
        assert told in text


@pytest.mark.parametrize("name", [*NASTY, "two\nlines", "half\udcff", "\u202egnp.exe"])
def test_no_name_does_anything(name: str) -> None:
    """Wherever a name stands, it opens no element and adds no attribute; the bytes are UTF-8."""
    plain = Document(page.whole(overview(troubled("plain"))))

    document = Document(page.whole(overview(troubled(name))).encode().decode())

    assert [(tag, set(attributes)) for tag, attributes in document.elements if tag != "span"] == [
        (tag, set(attributes)) for tag, attributes in plain.elements if tag != "span"
    ]


def test_nothing_that_the_policy_refuses() -> None:
    """No style and no handler in an attribute, no script or style in the document, no address of another host."""
    markup = page.whole(overview(troubled("img/a.png")))
    document = Document(markup)

    names = {name for _, attributes in document.elements for name in attributes}
    addresses = [attributes.get("src") or attributes.get("href") for _, attributes in document.elements]
    assert not [name for name in names if name == "style" or name.startswith("on")]
    assert document.count("style") == 0
    assert re.findall(r"<script[^>]*>", markup) == ['<script src="/page.js" defer>']
    assert all(each.startswith("/") and not each.startswith("//") for each in addresses if each)


def test_long_lists_are_cut() -> None:
    """Of a thousand failed files some are shown, and how many more there are, and where all of them are."""
    view = troubled(*(f"img/{number:04}.png" for number in range(1000)))
    short = Lists(
        failures=view.lists.failures[:LISTED], problems=[], held=view.lists.held[:LISTED], listing="abcd1234", stored={}
    )
    cut = mirror(state="held", failed=1000, held_deletes=1000, hold="x", lists=short, tally=view.tally)

    markup = page.whole(overview(cut))

    text = Document(markup).text
    assert text.count("and 950 more: tcbsync failed") == 1
    assert text.count("and 950 more: tcbsync held") == 1
    assert "and 994 more" in text
    assert len(markup) < 100_000


def test_failed_files_are_put_together_by_their_reason() -> None:
    """What has the same reason is told once, with all the files; a missing folder hides what follows from it."""
    names = [f"img/{number}.png" for number in range(9)]
    view = troubled(*names)
    root = Lists(problems=[("", "root /srv is missing", NOW)], failures=view.lists.failures)
    missing = mirror(state="held", failed=9, problems=1, hold="root /srv is missing", lists=root)

    together = Document(page.whole(overview(mirror(failed=9, lists=Lists(failures=view.lists.failures))))).text
    unseen = Document(page.whole(overview(missing))).text

    assert together.count("Invalid argument") == 1
    assert all(name in together for name in names)
    assert "(the whole folder)" in unseen
    assert "Invalid argument" not in unseen


def test_an_image_in_the_cloud_has_a_thumbnail() -> None:
    """Other files, and images that are gone again, have their kind."""
    document = Document(page.whole(overview(troubled("img/a.png", "b.json"))))

    pictures = [attributes["src"] for tag, attributes in document.elements if tag == "img"]
    assert pictures == ["/thumbnail?mirror=site&path=img%2Flogo.png&v=30313233343536373839616263646566"]


def test_labels() -> None:
    """Each part is named by its heading, each row of a table by its first cell, each bar by what it measures."""
    document = Document(page.whole(overview(troubled("img/a.png"))))

    ids = [attributes["id"] for _, attributes in document.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for tag, attributes in document.elements:
        if tag == "section":
            assert attributes["aria-labelledby"] in ids
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
        if tag in ("progress", "svg"):
            assert attributes["aria-label"]
        if tag == "img":
            assert "alt" in attributes


def test_the_service_is_told_of_once() -> None:
    """However many mirrors wait for it, and whatever comes first; what waits for it is never all done."""
    service = {"state": "offline", "last_error": "no connection", "notice": "somebody renews the token"}
    waiting = mirror("a", state="offline", reason="no connection", bytes=10**9, pending_uploads=1, pending_bytes=1)

    text = Document(page.whole(overview(waiting, mirror("b", state="offline", reason="no connection"), **service))).text

    assert (
        text.lower().count("no connection") == 1
    )  # in the verdict; below the mirrors only where that is of something else
    assert "somebody renews the token" in text
    assert "99 %" in text
    assert "100 %" not in text


def test_the_title_is_the_verdict() -> None:
    """So that a tab in the background says it too, and so does its icon."""
    markup = page.whole(overview(troubled("a")))

    assert "<title>1 delete of site waits for you · tcbsync</title>" in markup
    assert 'href="/icon-act.svg"' in markup


def test_an_hour_without_an_upload() -> None:
    """Needs no axes."""
    assert Document(chart([0] * 60)).text == "Nothing was uploaded within the last hour."


def test_the_chart() -> None:
    """One bar for each minute in which something was uploaded, none higher than the plot; the words say it too."""
    hour = [0] * 57 + [1, 700_000, 1_500_000]

    document = Document(chart(hour))

    bars = [attributes for tag, attributes in document.elements if tag == "rect" and "rx" in attributes]
    heights = [float(str(bar["height"])) for bar in bars]
    assert heights == sorted(heights)
    assert heights[0] >= 1
    assert heights[-1] <= 120
    assert document.texts[:4] == ["2.1 MiB", " in the last hour, at the most ", "1.4 MiB", " a minute"]
    assert "1 minute ago: 683.6 KiB" in document.texts


def test_what_stands_first_is_not_said_again() -> None:
    """The service's trouble stands with the mirrors only where something else comes before it."""
    outage: dict[str, Any] = {"state": "offline", "last_error": "no connection"}

    alone = Document(page.whole(overview(mirror(state="offline"), **outage))).text
    behind = Document(page.whole(overview(mirror(state="held", held_deletes=2, hold="too many"), **outage))).text

    assert alone.lower().count("no connection") == 1
    assert "Service offline: no connection" in behind


def test_who_has_paused_a_mirror() -> None:
    """The page says first that a person did, and how to go on; and beside the mirror, whatever is said first."""
    paused: dict[str, Any] = {"state": "paused", "paused_at": iso(NOW - 7200), "pending_uploads": 3}

    alone = Document(page.whole(overview(mirror(**paused)))).text
    beside = Document(page.whole(overview(mirror(**paused), mirror("other", failed=1, parked=1)))).text

    assert "Mirror site is paused by hand." in alone
    assert "To let it go on: tcbsync resume site" in alone
    assert alone.count("tcbsync resume site") == 1
    assert "Paused by hand 2 h ago: tcbsync resume site lets it go on." in beside
    assert "After that: Mirror site is paused by hand." in beside


@pytest.mark.parametrize(("ago", "told"), [(0, "just now"), (4.9, "just now"), (61, "61 s ago"), (7200, "2 h ago")])
def test_ages(ago: float, told: str) -> None:
    """For people; the exact time is beside it for machines."""
    document = Document(age(NOW - ago, NOW))

    assert document.text == told
    assert document.elements[0][1]["datetime"] == document.elements[0][1]["title"]
    assert age(None, NOW) == "never"
