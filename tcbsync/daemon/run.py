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
from typing import TYPE_CHECKING, Any

from tcbsync import control, status
from tcbsync.config.load import host_and_port
from tcbsync.core.errors import CloudError, StateDamaged, StateError
from tcbsync.core.events import Approved, Retried, ServiceChanged, Started, StateChanged, Stopping
from tcbsync.daemon.assemble import assembled
from tcbsync.daemon.events import Events
from tcbsync.daemon.fleet import Fleet
from tcbsync.daemon.notify import notify
from tcbsync.daemon.notifying import Notifying
from tcbsync.daemon.reload import Reload
from tcbsync.daemon.service import SIGN_IN_SECONDS
from tcbsync.daemon.verbs import Verbs
from tcbsync.daemon.vitals import PULSE_SECONDS, Vitals, silent_seconds
from tcbsync.engine.heart import Heart
from tcbsync.engine.host import Host
from tcbsync.engine.pace import Closed
from tcbsync.store import rows
from tcbsync.store.pauses import paused
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
        fleet = Fleet(assembly, tasks)
        reload = Reload(config, read or (lambda: config), assembly, fleet)
        daemon = Daemon(config, assembly, fleet, reload, events)
        vitals = Vitals(heart, assembly.store, fleet.watched)
        daemon.notifying = Notifying(config, daemon.report_named, vitals.silent)
        reload.on_applied = daemon.notifying.configure
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
            log.info(
                "started: %s", ", ".join(f"{mirror.name} ({mirror.parts.target.root})" for mirror in assembly.mirrors)
            )
            events.tell(Started([mirror.name for mirror in assembly.mirrors]))
            await stopping.wait()
            notify(STOPPING="1", STATUS="stopping")
            log.info("stopping: what is in flight gets a few seconds")
            events.tell(Stopping())
            for task in running:
                task.cancel()
            await fleet.end()
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
        self._said: dict[str, str] = {}

    @property
    def watchings(self) -> list[Watching]:
        """The eyes of each mirror."""
        return self._fleet.watchings if self._fleet else []

    def report_of(self, mirror: Mirror) -> Report:
        """Give the rows of a mirror, to be read. Raises StateError."""
        target = mirror.parts.target
        key = (mirror.name, target.env, target.prefix)
        if key not in self._reports:
            report = status.open_report(self._state_dir, *key)
            assert report is not None, "the store registers a mirror before it is assembled"
            self._reports[key] = report
        return self._reports[key]

    def report_named(self, name: str) -> Report | None:
        """Give the rows of the mirror of this name; None where it is gone. Raises StateError."""
        return next((self.report_of(mirror) for mirror in self._assembly.mirrors if mirror.name == name), None)

    async def sign_in(self) -> None:
        """Ask for a token until one comes: a wrong secret should end the start. Raises ConfigError."""
        pace = self._assembly.pace
        while True:
            await pace.clear(None)
            try:
                with pace.passage(None):
                    await self._assembly.service.sign_in()
            except Closed:
                continue
            except CloudError as error:
                log.warning("%s", error)
            else:
                return
            await asyncio.sleep(SIGN_IN_SECONDS)

    async def keep_telling(self) -> None:
        """Tell systemd how things are, in the words of `status`."""
        clock = asyncio.get_running_loop().time
        said, shown, look_at = "", "", 0.0
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            self._assembly.pace.host.heart.beat()  # a look that took long is followed by a long time without one
            for watching in self.watchings:
                watching.check()
            if (started := clock()) < look_at:
                continue
            states, line = await self._states()
            look_at = clock() + LOOK_SHARE * (clock() - started)
            if line != shown:
                notify(STATUS=line)
                shown = line
            if states != said:
                log.info("%s", states)
                said = states

    def site(self, hosts: Collection[str], ailing: Callable[[], list[str]]) -> Site:
        """Give the status page of this process. `ailing` names the parts that do not get on."""

        def sources() -> list[Source]:
            halted = paused(self._state_dir)
            return [
                Source(each.mirror, self.report_of(each.mirror), each, halted.get(each.mirror.name))
                for each in self.watchings
            ]

        view = View(sources, self._assembly.pace, self._notice, self.notifying.counts if self.notifying else dict)
        return Site(view, hosts, ailing)

    async def _states(self) -> tuple[str, str]:
        """Give each mirror's state, and the line in which `systemctl status` shows it with its counts."""
        try:
            mirrors = await self._mirrors()
        except StateDamaged:
            raise
        except StateError as error:
            return str(error), str(error)
        self._tell_changes(mirrors)
        if self.notifying is not None:
            self.notifying.look(mirrors, status.service_status(self._assembly.pace))
        states = "; ".join(f"{mirror.name}: {mirror.state}" for mirror in mirrors)
        return states, "; ".join(map(status.line, mirrors))

    def _tell_changes(self, mirrors: list[status.MirrorStatus]) -> None:
        """Tell of each state that is another than when this was last done."""
        before, self._said = self._said, {mirror.name: mirror.state for mirror in mirrors}
        for mirror in mirrors:
            if before.get(mirror.name) != mirror.state:
                was = before.get(mirror.name, "stopped")
                self._events.tell(StateChanged(mirror.state, was, mirror.reason), mirror.name)
        service = status.service_status(self._assembly.pace)
        self._said[""] = service["state"]
        if (was := before.get("", "ok")) != service["state"]:
            reason = service["last_error"] if service["state"] != "ok" else ""
            self._events.tell(ServiceChanged(service["state"], was, reason or ""))

    async def _mirrors(self) -> list[status.MirrorStatus]:
        eyes = {watching.mirror.name: watching.state for watching in self.watchings}

        def look() -> list[status.MirrorStatus]:
            halted = paused(self._state_dir)
            return [
                status.live_status(
                    mirror,
                    self.report_of(mirror),
                    *((state.mode.value, state.reason) if (state := eyes.get(mirror.name)) else ("none", "")),
                    paused_at=halted.get(mirror.name),
                )
                for mirror in list(self._assembly.mirrors)
            ]

        return await self._assembly.pace.host.offload(look)

    def handlers(self) -> dict[str, Any]:
        """Give what the control socket answers, by verb."""
        verbs = Verbs(self._assembly, self._events, self.report_of, self._reload)
        self._named = verbs.named
        return {
            "status": self._status,
            "retry": self._retry,
            "approve": self._approve,
            "distrust": self._distrust,
            **verbs.handlers(),
        }

    async def _status(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        service = status.service_status(self._assembly.pace, self._notice())
        return status.as_json(await self._mirrors(), service)

    def _notice(self) -> str:
        others = (other.notice for other in (self._reload, self.notifying) if other is not None)
        return "; ".join(filter(None, (self._assembly.cloud.notice, *others)))

    async def _retry(self, values: Mapping[str, Any]) -> dict[str, int]:
        counts = await self._write(rows.retry, values)
        for name, count in counts.items():
            if count:
                self._events.tell(Retried(count), name)
        return counts

    async def _approve(self, values: Mapping[str, Any]) -> dict[str, int]:
        counts = await self._write(rows.approve, values, listing=str(values.get("listing", "")))
        for name, count in counts.items():
            if count:
                self._events.tell(Approved(count), name)
        return counts

    async def _write(self, command: Callable[..., int], values: Mapping[str, Any], **arguments: str) -> dict[str, int]:
        """Carry out a command that lets rows go on, and look at everything again. Gives the rows by mirror."""
        counts = {}
        for mirror in self._named(values):
            counts[mirror.name] = await mirror.parts.manifest.write(command, **arguments)
            mirror.hint([("", True)])
            mirror.nudge()
        return counts

    async def _distrust(self, values: Mapping[str, Any]) -> dict[str, int]:
        (mirror,) = self._named(values)
        count = await mirror.parts.manifest.write(rows.distrust, values["paths"])
        mirror.nudge()
        return {mirror.name: count}
