"""Has people told elsewhere: what the status shows goes to `notify`, and from there to every webhook.

The rule: all of it lives in tasks of its own, for which nothing waits, and its failure harms nothing: a defect in it
ends it, and the daemon goes on. What was told is in a small file beside the manifest, so that a restart does not tell
it again: of each message, when one webhook that wants it has taken it. A webhook that comes later, or under another
address, is told what stands.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import ConfigError, StateError
from tcbsync.daemon.credentials import address
from tcbsync.notify.heartbeat import Heartbeat
from tcbsync.notify.messages import NAMED
from tcbsync.notify.post import Hook, Post, way_out
from tcbsync.notify.transitions import Transitions, sight
from tcbsync.store import notes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.config.schema import Config
    from tcbsync.notify.transitions import Notice
    from tcbsync.store.report import Report
    from tcbsync.verdict import Told

log = logging.getLogger(__name__)

FILE_NAME = "notified.json"


@dataclass(frozen=True, slots=True)
class Places:
    """Where people are told, as a configuration says; `problems` are addresses that cannot be had."""

    hooks: tuple[Hook, ...]
    heartbeat: tuple[str, float] | None = field(repr=False)
    problems: tuple[str, ...]


def places(config: Config) -> Places:
    """Read every address. Blocks."""
    hooks, problems, heartbeat = [], [], None
    for index, webhook in enumerate(config.notify.webhooks):
        try:
            url = address(webhook, f"notify.webhooks[{index}]")
        except ConfigError as error:
            problems.append(str(error))
        else:
            hooks.append(Hook(url, webhook.format, webhook.about, webhook.language))
    if (beat := config.notify.heartbeat) is not None:
        try:
            heartbeat = address(beat, "notify.heartbeat"), beat.seconds
        except ConfigError as error:
            problems.append(str(error))
    return Places(tuple(hooks), heartbeat, tuple(problems))


class Notifying:
    """All of it, of one daemon. `report_of` gives the rows of a mirror; `silent` names the parts that do not move."""

    def __init__(
        self, config: Config, report_of: Callable[[str], Report | None], silent: Callable[[], list[str]]
    ) -> None:
        self._config = config
        self._report_of = report_of
        self._silent = silent
        self._is_configured = False
        self._seen: Told | None = None
        self._news = asyncio.Event()
        self._news.set()
        self._transitions: Transitions | None = None
        self._posts: list[Post] = []
        self._heartbeat: Heartbeat | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._problems: tuple[str, ...] = ()
        self._working: tuple[Places, str | None, Path | None] | None = None
        self._past: Counter[str] = Counter()
        self._written: list[Any] = []

    @property
    def notice(self) -> str:
        """Say who cannot be told, and why; empty where all can be, as far as is known."""
        posts = [post for post in self._posts if post.trouble]
        troubled = [f"notifications to {post.hook.origin} do not arrive: {post.trouble}" for post in posts]
        if self._heartbeat is not None and self._heartbeat.trouble:
            troubled.append(f"the heartbeat is not heard: {self._heartbeat.trouble}")
        return "; ".join([*self._problems, *troubled])

    def counts(self) -> Counter[str]:
        """Count messages that were `sent` and `given_up`, and tries that `failed`."""
        return sum((post.counts for post in self._posts), Counter(self._past))

    def configure(self, config: Config) -> None:
        """Go on as another configuration says. Never waits."""
        self._config, self._is_configured = config, False
        self._news.set()

    def look(self, answer: Told) -> None:
        """Take in what the status shows now, as JSON has it. Never waits."""
        self._seen = answer
        if self._posts:
            self._news.set()

    async def live(self) -> None:
        """Tell people, until cancelled."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                if not self._is_configured:
                    self._is_configured = True
                    await self._begin(self._config)
                    if self._transitions is not None:
                        self._transitions.settle_seconds = self._config.notify.settle_seconds
                if self._posts and self._seen is not None:
                    seen, self._seen = self._seen, None
                    await self._decide(seen)
                if self._has_to_note():
                    await asyncio.to_thread(self._note)
        except Exception:
            log.exception("notifications end here: a defect of this program; everything else goes on")
            self._problems = ("notifications have ended, see the log",)
        finally:
            await self._end()
            if self._has_to_note():
                self._note()  # at once: it is small, and whoever ends may be killed soon

    async def _begin(self, config: Config) -> None:
        """Let the posts work that are configured. One that was there before goes on, unless it has given up."""
        found = await asyncio.to_thread(places, config)
        working = found, config.service.proxy, config.service.ca_file
        known = {post.hook: post for post in self._posts if not post.has_given_up}
        if working == self._working and len(known) == len(self._posts):
            return
        self._working = working
        await self._end()
        for problem in found.problems:
            log.error("nobody is notified there: %s", problem)
        for post in self._posts:
            if post.hook not in known or post.hook not in found.hooks:
                self._past += post.counts
        host = socket.gethostname()
        self._posts = [known.get(hook) or Post(hook, host) for hook in dict.fromkeys(found.hooks)]
        for post in self._posts:
            post.on_sent = self._arrived
        self._heartbeat = Heartbeat(*found.heartbeat, self._silent) if found.heartbeat else None
        self._problems = found.problems
        if self._transitions is not None:
            newcomers = [post for post in self._posts if post.hook not in known]
            await self._tell(self._transitions.standing(time.time()), newcomers)
        elif self._posts:
            self._transitions = await asyncio.to_thread(self._remembered)
        if self._posts or self._heartbeat:
            self._tasks = [asyncio.create_task(self._work(config), name="notifications")]

    async def _work(self, config: Config) -> None:
        service = config.service
        ca_file = None if service.ca_file is None else str(service.ca_file)
        try:
            way = way_out(service.proxy, ca_file, len(self._posts) + 1)
            try:
                send = way.open().send
                async with asyncio.TaskGroup() as tasks:
                    for post in self._posts:
                        tasks.create_task(post.deliver(send))
                    if self._heartbeat is not None:
                        tasks.create_task(self._heartbeat.beat(send))
            finally:
                await way.close()
        except ConfigError as error:
            log.error("nobody is notified: %s", error)  # noqa: TRY400 - the operator's to mend; no defect
            self._problems, self._working = (f"nobody is notified: {error}",), None  # the next reload tries again
        except Exception:
            log.exception("notifications end here: a defect of this program; everything else goes on")
            self._problems, self._working = ("notifications have ended, see the log",), None

    async def _decide(self, seen: Told) -> None:
        assert self._transitions is not None, "there are posts"
        await self._tell(self._transitions.look(sight(seen), time.time()), self._posts)

    async def _tell(self, notices: list[Notice], posts: list[Post]) -> None:
        for notice in notices:
            named = await asyncio.to_thread(self._with_paths, notice)
            for post in posts:
                post.put(named)
            if notice.what == "recovered" and not any(post.wants(notice) for post in self._posts):
                self._arrived(notice)

    def _arrived(self, notice: Notice) -> None:
        assert self._transitions is not None, "it has decided that this is worth a message"
        self._transitions.arrived(notice)
        self._news.set()

    def _with_paths(self, notice: Notice) -> Notice:
        if notice.what != "failed":
            return notice
        try:
            report = self._report_of(notice.mirror)
            failures = report.failures(NAMED) if report and notice.kind == "failed" else []
            problems = report.problems(NAMED) if report and notice.kind == "unreadable" else []
        except StateError:  # they would have been nice to have
            return notice
        paths = [failure.path for failure in failures] + [path or "." for path, _, blocks, _ in problems if blocks]
        return replace(notice, paths=tuple(paths))

    def _remembered(self) -> Transitions:
        transitions, path = Transitions(self._config.notify.settle_seconds), self._config.state_dir / FILE_NAME
        try:
            transitions.remember(notes.read(path) or [], time.time())
            self._written = transitions.remembered()
        except (OSError, ValueError) as error:
            log.warning("who was notified of what cannot be read from %s (%s); it may be told again", path, error)
        return transitions

    def _has_to_note(self) -> bool:
        """Whether what was told, and has arrived, is not written down yet."""
        return self._transitions is not None and self._transitions.remembered() != self._written

    def _note(self) -> None:
        assert self._transitions is not None, "it has something to be noted"
        self._written = self._transitions.remembered()
        try:
            notes.write(self._config.state_dir / FILE_NAME, self._written)
        except StateError as error:
            log.warning("who was notified of what cannot be noted, and a restart may tell it again: %s", error)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []
