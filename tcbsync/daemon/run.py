"""The daemon: mirrors that run, watchers that see, a socket that answers, signals that end it.

It starts and stays up when a root is missing or the service cannot be reached, says so, and recovers by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from tcbsync import control, status
from tcbsync.config.load import host_and_port
from tcbsync.core.errors import CloudError, ConfigError, StateDamaged, StateError
from tcbsync.core.events import Started, Stopping
from tcbsync.daemon.assemble import assembled
from tcbsync.daemon.changes import Changes
from tcbsync.daemon.events import Events
from tcbsync.daemon.fleet import Fleet
from tcbsync.daemon.notifying import Notifying
from tcbsync.daemon.reload import Reload
from tcbsync.daemon.sd_notify import notify
from tcbsync.daemon.service import SIGN_IN_SECONDS
from tcbsync.daemon.verbs import Verbs
from tcbsync.daemon.vitals import Vitals, silent_seconds
from tcbsync.engine.brake import Closed
from tcbsync.engine.heart import Heart
from tcbsync.engine.host import Host
from tcbsync.verdict import headlines
from tcbsync.web.server import Site, keep_serving
from tcbsync.web.view import Source, View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tcbsync.config.schema import Config
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.watching import Watching
    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.report import Report

log = logging.getLogger(__name__)

PULSE_SECONDS = 2.0
"""Between two looks at how things are."""
CALM_SECONDS = 10.0
"""And when all has been as it is for so long, until something happens; at most so long again."""
LOOK_SHARE = 20
"""Counting a million rows takes a while: that must not take more than one part in so many of the time."""


async def run(config: Config, read: Callable[[], Config] | None = None) -> None:
    """Run until SIGTERM or SIGINT. `read` gives the configuration as it is then. Raises ConfigError, StateError."""
    with contextlib.suppress(OSError, RuntimeError):  # there may be no standard error
        faulthandler.enable()  # SIGABRT, by which systemd ends what hangs: the log says where each thread was
    events, reloading = Events(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloading.set)  # a start that takes long outlives it
    heart = Heart(silent_seconds(config.service))
    assembling = assembled(config, "run", grace=True, host=Host(heart), tell=events.tell)
    async with assembling as assembly, asyncio.TaskGroup() as tasks:
        stopping = _stop_on_signals()
        fleet = Fleet(assembly, tasks, events.news.set)
        reload = Reload(config, read or (lambda: config), assembly, fleet)
        daemon = Daemon(config, assembly, fleet, reload, events)
        vitals = Vitals(heart, assembly.store, fleet.watched)
        daemon.notifying = Notifying(config, daemon.report_named, vitals.silent)
        reload.on_applied = daemon.take
        await fleet.start(list(assembly.mirrors))
        async with control.serve(config.state_dir, daemon.handlers()):
            running = [
                tasks.create_task(heart.live("status", daemon.keep_telling()), name="status"),
                tasks.create_task(vitals.keep_writing(), name="writing"),
                tasks.create_task(vitals.keep_feeding(), name="pulse"),
                tasks.create_task(daemon.sign_in(), name="sign in"),
                tasks.create_task(assembly.store.keep_copies(), name="copies"),
                tasks.create_task(assembly.store.until_damaged(), name="damage"),
                tasks.create_task(reload.on_signals(reloading), name="reload"),
                tasks.create_task(daemon.notifying.live(), name="notify"),
            ]
            if config.web is not None:
                host, port = host_and_port(config.web.listen)
                site = daemon.site([host, *config.web.hosts], vitals.silent)
                running.append(tasks.create_task(keep_serving(site, host, port), name="page"))
            notify(READY="1", STATUS="watching, first scan")
            events.tell(Started([mirror.name for mirror in assembly.mirrors]))
            await stopping.wait()
            notify(STOPPING="1", STATUS="stopping")
            events.tell(Stopping())
            for task in running:
                task.cancel()
            await fleet.end()
            daemon.changes.end(asyncio.get_running_loop().time())  # with what has landed in the last seconds
    log.info("stopped")


def _stop_on_signals() -> asyncio.Event:
    """Give an event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stopping = asyncio.Event()

    def on_signal(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stopping


class Daemon:
    """What the running process can say and do for the command line and for systemd."""

    def __init__(
        self,
        config: Config,
        assembly: Assembly,
        fleet: Fleet | None = None,
        reload: Reload | None = None,
        events: Events | None = None,
    ) -> None:
        """Without a `fleet`, whoever made the assembly lets its mirrors run, and nothing can be reloaded."""
        self._state_dir = config.state_dir
        self._assembly = assembly
        self._fleet = fleet
        self._reload = reload
        self._events = events or Events()
        self.notifying: Notifying | None = None
        """Who tells people elsewhere, if anybody does."""
        self._reports: dict[tuple[str, str, str], Report] = {}
        self.changes = Changes(self._events.tell)

    @property
    def watchings(self) -> list[Watching]:
        """The eyes of each mirror."""
        return self._fleet.watchings if self._fleet else []

    def report_of(self, mirror: Mirror) -> Report:
        """Give the rows of a mirror, to be read. Raises StateError."""
        key = status.place(mirror)
        if key not in self._reports:
            report = status.open_report(self._state_dir, *key)
            assert report is not None, "the store registers a mirror before it is assembled"
            self._reports[key] = report
        return self._reports[key]

    def report_named(self, name: str) -> Report | None:
        """Give the rows of the mirror of this name; None where it is gone. Raises StateError."""
        return next((self.report_of(mirror) for mirror in self._assembly.mirrors if mirror.name == name), None)

    def take(self, config: Config) -> None:
        """Go by this configuration from now on, in whatever is told."""
        self._events.keep([mirror.name for mirror in config.mirrors])
        if self.notifying is not None:
            self.notifying.configure(config)

    async def sign_in(self) -> None:
        """Ask for a token until one comes: a wrong secret should end the start. Raises ConfigError."""
        pace, told = self._assembly.pace, ""
        while True:
            await pace.clear(None)
            try:
                with pace.passage(None):
                    await self._assembly.service.sign_in()
            except Closed:
                continue
            except CloudError as error:
                if pace.service.state == "ok" and str(error) != told:  # else that has told of it
                    log.warning("%s", error)
                    told = str(error)
            except ConfigError as error:
                # Or `systemctl status` would go on showing how well it was before.
                notify(STATUS=f"ended: {error.in_a_line}")
                raise
            else:
                return
            await asyncio.sleep(SIGN_IN_SECONDS)

    async def keep_telling(self) -> None:
        """Tell systemd how things are, in the words of `status`, and everybody what has changed."""
        clock = asyncio.get_running_loop().time
        shown, look_at, changed_at, is_owed = "", 0.0, clock(), True
        while True:
            if await self._pause(is_calm=not is_owed and clock() - changed_at > CALM_SECONDS):
                changed_at, is_owed = clock(), True
            self._assembly.pace.host.heart.beat(CALM_SECONDS)
            for watching in self.watchings:
                watching.check()
            if (started := clock()) < look_at:
                continue  # a look that took long is followed by a long time without one
            is_owed = False
            line = await self._line()
            look_at = clock() + LOOK_SHARE * (clock() - started)
            if line != shown:
                notify(STATUS=line)
                shown, changed_at = line, clock()

    async def _pause(self, *, is_calm: bool) -> bool:
        """Wait for the next look; an idle process that wakes seldom costs little. Gives whether something happened."""
        if is_calm:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CALM_SECONDS):
                    await self._events.news.wait()
        else:
            await asyncio.sleep(PULSE_SECONDS)
        has_news = self._events.news.is_set()
        self._events.news.clear()
        return has_news

    def site(self, hosts: Collection[str], ailing: Callable[[], list[str]]) -> Site:
        """Give the status page of this process. `ailing` names the parts that do not get on."""

        def sources() -> list[Source]:
            return [Source(each.mirror, self.report_of(each.mirror), each) for each in self.watchings]

        view = View(sources, self._assembly.pace, self._notice, self.notifying.counts if self.notifying else dict)
        return Site(view, hosts, ailing)

    async def _line(self) -> str:
        """Look at every mirror, and give the line in which `systemctl status` shows them with their counts."""
        try:
            mirrors = await self._mirrors()
        except StateDamaged:
            raise
        except StateError as error:
            return str(error)
        tallies = {mirror.name: mirror.parts.tally for mirror in self._assembly.mirrors}
        self.changes.take(mirrors, tallies, asyncio.get_running_loop().time())
        answer = status.as_json(mirrors, status.service_status(self._assembly.pace))
        if self.notifying is not None:
            self.notifying.look(answer)
        first = headlines(answer, time.time())
        return " ".join([*first, "; ".join(map(status.line, mirrors))])

    async def _mirrors(self) -> list[status.MirrorStatus]:
        eyes = {watching.mirror.name: watching.state for watching in self.watchings}

        def look() -> list[status.MirrorStatus]:
            mirrors = list(self._assembly.mirrors)
            return [status.live_status(each, self.report_of(each), eyes.get(each.name)) for each in mirrors]

        return await self._assembly.pace.host.offload(look)

    def handlers(self) -> dict[str, Any]:
        """Give what the control socket answers, by verb."""
        verbs = Verbs(self._assembly, self._events, self.report_of, self._reload)
        return {"status": self._status, **verbs.handlers()}

    async def _status(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        service = status.service_status(self._assembly.pace, self._notice())
        return status.as_json(await self._mirrors(), service)

    def _notice(self) -> str:
        others = (other.notice for other in (self._reload, self.notifying) if other is not None)
        return "; ".join(filter(None, (self._assembly.cloud.notice, *others)))
