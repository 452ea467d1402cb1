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
from functools import partial
from typing import TYPE_CHECKING, Any

from tcbsync import control, status
from tcbsync.config.load import host_and_port
from tcbsync.core.errors import CloudError, ConfigError, Misconfigured, StateDamaged, StateError
from tcbsync.daemon.assemble import WRONG_CREDENTIALS, assembled
from tcbsync.daemon.notify import notify
from tcbsync.daemon.vitals import PULSE_SECONDS, Vitals, silent_seconds
from tcbsync.daemon.watching import Watching
from tcbsync.engine.heart import Heart
from tcbsync.engine.host import Host
from tcbsync.engine.pace import Closed
from tcbsync.store import rows
from tcbsync.web.server import Site, keep_serving
from tcbsync.web.view import Source, View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tcbsync.config.schema import Config
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.report import Report

log = logging.getLogger(__name__)

LOOK_SHARE = 20
"""Counting a million rows takes a while: that must not take more than one part in so many of the time."""
SIGN_IN_SECONDS = 2.0
"""At least so long between two tries to get the first token."""


async def run(config: Config) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError, StateError."""
    with contextlib.suppress(OSError, RuntimeError):  # there may be no standard error
        faulthandler.enable()  # SIGABRT, by which systemd ends what hangs: the log says where each thread was
    heart = Heart(silent_seconds(config.service))
    async with assembled(config, "run", grace=True, host=Host(heart)) as assembly, contextlib.AsyncExitStack() as stack:
        stopping = _stop_on_signals()
        daemon = Daemon(config, assembly)
        vitals = Vitals(heart, assembly.store, daemon.watchings)
        for watching in daemon.watchings:
            await stack.enter_async_context(watching.open())
        await stack.enter_async_context(control.serve(config.state_dir, daemon.handlers()))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(mirror.run(), name=mirror.name) for mirror in assembly.mirrors]
            running.append(tasks.create_task(heart.live("status", daemon.keep_telling()), name="status"))
            running.append(tasks.create_task(vitals.keep_writing(), name="writing"))
            running.append(tasks.create_task(vitals.keep_feeding(), name="pulse"))
            running.append(tasks.create_task(daemon.sign_in(), name="sign in"))
            running.append(tasks.create_task(assembly.store.keep_copies(), name="copies"))
            running.append(tasks.create_task(assembly.store.until_damaged(), name="damage"))
            if config.web is not None:
                host, port = host_and_port(config.web.listen)
                site = daemon.site([host, *config.web.hosts], vitals.silent)
                running.append(tasks.create_task(keep_serving(site, host, port), name="page"))
            notify(READY="1", STATUS="watching, first scan")
            log.info(
                "started: %s", ", ".join(f"{mirror.name} ({mirror.parts.target.root})" for mirror in assembly.mirrors)
            )
            await stopping.wait()
            notify(STOPPING="1", STATUS="stopping")
            log.info("stopping: what is in flight gets a few seconds")
            for task in running:
                task.cancel()
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

    def __init__(self, config: Config, assembly: Assembly) -> None:
        self._config = config
        self._assembly = assembly
        self.watchings = [Watching(mirror) for mirror in assembly.mirrors]
        self._reports = {mirror.name: self._report(mirror) for mirror in assembly.mirrors}

    def _report(self, mirror: Mirror) -> Report:
        target = mirror.parts.target
        report = status.open_report(self._config.state_dir, mirror.name, target.env, target.prefix)
        assert report is not None, "the store registers a mirror before it is assembled"
        return report

    async def sign_in(self) -> None:
        """Ask for a token until one comes: a wrong secret should end the start. Raises ConfigError."""
        pace = self._assembly.pace
        while True:
            await pace.clear(None)
            try:
                with pace.passage(None):
                    await self._sign_in()
            except Closed:
                continue
            except CloudError as error:
                if isinstance(error, Misconfigured) and error.code in WRONG_CREDENTIALS:
                    raise ConfigError(str(error)) from None
                log.warning("%s", error)
            else:
                return
            await asyncio.sleep(SIGN_IN_SECONDS)

    async def _sign_in(self) -> None:
        """Ask for a token. That the secret is wrong is believed the second time: a damaged request looks the same."""
        try:
            return await self._assembly.cloud.sign_in()
        except Misconfigured as error:
            if error.code not in WRONG_CREDENTIALS:
                raise
        await asyncio.sleep(SIGN_IN_SECONDS)
        return await self._assembly.cloud.sign_in()

    async def keep_telling(self) -> None:
        """Tell systemd how things are, in the words of `status`."""
        clock = asyncio.get_running_loop().time
        said, shown, look_at = "", "", 0.0
        while True:
            await asyncio.sleep(PULSE_SECONDS)
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
        sources = [Source(each.mirror, self._reports[each.mirror.name], each) for each in self.watchings]
        view = View(sources, self._assembly.pace, lambda: self._assembly.cloud.notice)
        return Site(view, hosts, ailing)

    async def _states(self) -> tuple[str, str]:
        """Give each mirror's state, and the line in which `systemctl status` shows it with its counts."""
        try:
            mirrors = await self._mirrors()
        except StateDamaged:
            raise
        except StateError as error:
            return str(error), str(error)
        states = "; ".join(f"{mirror.name}: {mirror.state}" for mirror in mirrors)
        return states, "; ".join(map(status.line, mirrors))

    async def _mirrors(self) -> list[status.MirrorStatus]:
        def look() -> list[status.MirrorStatus]:
            return [
                status.live_status(
                    watching.mirror,
                    self._reports[watching.mirror.name],
                    watching.state.mode.value,
                    watching.state.reason,
                )
                for watching in self.watchings
            ]

        return await self._assembly.pace.host.offload(look)

    def handlers(self) -> dict[str, Any]:
        """Give what the control socket answers, by verb."""
        return {
            "status": self._status,
            "retry": partial(self._write, rows.retry),
            "approve": self._approve,
            "distrust": self._distrust,
        }

    async def _status(self, _values: Mapping[str, Any]) -> dict[str, Any]:
        service = status.service_status(self._assembly.pace, self._assembly.cloud.notice)
        return status.as_json(await self._mirrors(), service)

    def _named(self, values: Mapping[str, Any]) -> list[Mirror]:
        name = values.get("mirror", "")
        mirrors = [mirror for mirror in self._assembly.mirrors if name in ("", mirror.name)]
        if not mirrors:
            raise ConfigError(f"there is no mirror {name}")
        return mirrors

    async def _approve(self, values: Mapping[str, Any]) -> dict[str, int]:
        return await self._write(rows.approve, values, listing=str(values.get("listing", "")))

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
