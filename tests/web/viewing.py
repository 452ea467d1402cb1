"""What the tests of the page share: overviews made by hand, and a page that is served over a real mirror at rest."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp

from tcbsync.engine.tally import Tally
from tcbsync.local.watch import WatchMode, WatchState
from tcbsync.status import MirrorStatus
from tcbsync.web.server import Site, keep_serving
from tcbsync.web.view import Lists, MirrorView, Overview, Source, View
from tests.desk import desk_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import pytest

    from tests.desk import Desk

NOW = 1_800_000_000.0
WELL = {
    "state": "ok",
    "paused_until": None,
    "last_error": None,
    "notice": None,
    "uploads_at_once": 16,
    "deletes_at_once": 4,
}


def mirror(name: str = "site", *, lists: Lists | None = None, tally: Tally | None = None, **told: Any) -> MirrorView:
    """Make one mirror; what is told is its status."""
    return MirrorView(
        status=MirrorStatus(**{"name": name, "state": "in_sync", "watch_mode": "inotify", **told}),
        lists=lists or Lists(),
        place="test-env/site/",
        root="/srv/assets/site",
        watch=WatchState(WatchMode.INOTIFY),
        tally=tally or Tally(),
        drift=told.get("drift", 0),
        proved_at=NOW,
    )


def overview(*mirrors: MirrorView, **service: Any) -> Overview:
    """Make an overview; the service is well but for what is given."""
    return Overview(NOW, list(mirrors or (mirror(),)), {**WELL, **service}, {"paused": 2})


class Document(HTMLParser):
    """What a browser would make of markup: elements with their attributes, and texts. Unbalanced tags are refused."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "link", "meta"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def count(self, tag: str) -> int:
        return sum(each == tag for each, _ in self.elements)


class Watcher:
    """Eyes that see what a test says."""

    def __init__(self) -> None:
        self.state = WatchState(WatchMode.INOTIFY)


class Answer(NamedTuple):
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Served:
    """A page that is served at a port of its own, over a mirror that does only what a test tells it."""

    def __init__(self, desk: Desk, view: View, url: str) -> None:
        self.desk = desk
        self.view = view
        self.url = url
        self.ailing: list[str] = []

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """Ask for something, as a browser that has no cache."""
        async with aiohttp.ClientSession() as session, session.request(method, self.url + path, headers=headers) as got:
            return Answer(got.status, got.headers, await got.read())

    async def sync(self) -> None:
        """Let the mirror do everything that is to be done, and the next look be a new one."""
        await self.desk.mirror.once()
        self.view._fresh_until = 0.0


@asynccontextmanager
async def served_in(
    folder: Path, caplog: pytest.LogCaptureFixture, hosts: tuple[str, ...] = (), listen: str = "127.0.0.1"
) -> AsyncIterator[Served]:
    """Serve the page of a mirror of an empty root."""
    async with desk_in(folder) as desk:
        view = View(lambda: [Source(desk.mirror, desk.report, Watcher())], desk.pace, lambda: "")
        served = Served(desk, view, "")
        with caplog.at_level("INFO", logger="tcbsync.web.server"):
            serving = asyncio.create_task(keep_serving(Site(view, hosts, lambda: served.ailing), listen, 0))
            while not (told := [each for each in caplog.messages if each.startswith("status page: ")]):
                await asyncio.sleep(0.01)
        served.url = told[-1].removeprefix("status page: ").rstrip("/")
        try:
            yield served
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
