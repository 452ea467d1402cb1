"""Reads the configuration again and applies what is different, while everything that is the same goes on.

Rule: all or nothing. What can be wrong is found out before anything is touched: the file, the secret, whether the
service takes it, the manifest of a new mirror. After that a mirror that went, or changed, is stopped (it begins nothing
more, and what is in flight lands), and the others never notice. Rows and objects of a mirror that went stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from tcbsync.config.changes import Change, changes
from tcbsync.core.errors import ConfigError, TcbsyncError
from tcbsync.core.events import Reloaded, ReloadRefused
from tcbsync.daemon.assemble import limits, uploads_of
from tcbsync.daemon.notify import notify
from tcbsync.daemon.service import Client, try_out
from tcbsync.daemon.vitals import silent_seconds
from tcbsync.status import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.config.schema import Config
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.fleet import Fleet

log = logging.getLogger(__name__)

ROTATED = Change("credentials", "changed", words="the secret was read anew")


class Reload:
    """The configuration in force, and how another takes its place. `read` reads it from where it was read first."""

    def __init__(self, config: Config, read: Callable[[], Config], assembly: Assembly, fleet: Fleet) -> None:
        self.config = config
        self.notice = ""
        """When and why the last try was refused; empty: what is in force is what the file said."""
        self.turn = asyncio.Lock()
        """Whoever adds, removes or forgets mirrors."""
        self.on_applied: Callable[[Config], None] = lambda _: None
        """Is told of each configuration that has come into force."""
        self._read = read
        self._assembly = assembly
        self._fleet = fleet

    async def on_signals(self, said: asyncio.Event) -> None:
        """Reload whenever it is said, by somebody who hears nothing: log, status and systemd tell how it went."""
        while True:
            await said.wait()
            said.clear()
            with contextlib.suppress(TcbsyncError):  # told already
                await self.reload(dry_run=False)

    async def reload(self, *, dry_run: bool) -> dict[str, Any]:
        """Apply the file as it is now, or only say what that would change. Raises ConfigError, StateError."""
        if dry_run:
            _, client, found = await self._looked()
            await client.cloud.close()
            return {"applied": False, "changes": [_told(change) for change in found]}
        # Whoever asked may hang up: what was begun is finished all the same, or mirrors would be missing.
        outcome = await asyncio.shield(self._fleet.spawn(self._outcome()))
        if isinstance(outcome, TcbsyncError):
            raise outcome
        return {"applied": True, "changes": [_told(change) for change in outcome]}

    async def _outcome(self) -> list[Change] | TcbsyncError:
        async with self.turn:
            notify(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))
            try:
                found = await self._apply()
            except TcbsyncError as error:
                words = "; ".join(line.strip() for line in str(error).splitlines())
                self.notice = f"the configuration was not reloaded ({iso(time.time())}): {words}"
                log.error("the configuration is not reloaded, the one before stays in force: %s", words)  # noqa: TRY400
                self._assembly.tell(ReloadRefused(words), "")
                return error
            finally:
                notify(READY="1")
            self.notice = ""
            log.info("the configuration was reloaded: %s", "; ".join(map(str, found)) or "nothing is different")
            self._assembly.tell(Reloaded([str(change) for change in found]), "")
            return found

    async def _looked(self) -> tuple[Config, Client, list[Change]]:
        """Read the file and the secret, and compare. Touches nothing."""
        config = await asyncio.to_thread(self._read)
        found = changes(self.config, config)
        if any(change.what == "state_dir" for change in found):
            raise ConfigError(
                f"state_dir is now {config.state_dir}; the daemon holds {self.config.state_dir}",
                hint="restart it to move there; until then nothing is changed",
            )
        client = Client(config)
        is_named = any(change.what == "credentials" for change in found)
        if not is_named and not client.knows(self._assembly.service.client):
            found.append(ROTATED)
        return config, client, found

    async def _apply(self) -> list[Change]:
        config, client, found = await self._looked()
        before = {mirror.name: mirror for mirror in self.config.mirrors}
        after = {mirror.name: mirror for mirror in config.mirrors}
        try:
            if not client.knows(self._assembly.service.client):
                await try_out(client)
            for mirror in config.mirrors:
                await self._assembly.manifest(mirror)
        except BaseException:
            await client.cloud.close()
            raise
        await self._change_service(config, client)
        gone = [name for name, mirror in before.items() if after.get(name) != mirror]
        await asyncio.gather(*map(self._fleet.stop, gone))
        self.config = config
        for name, mirror in after.items():
            if before.get(name) != mirror:
                await self._fleet.add(mirror)
        self.on_applied(config)
        return found

    async def _change_service(self, config: Config, client: Client) -> None:
        current, pace = self._assembly.service.client, self._assembly.pace
        is_known = client.knows(current)
        if is_known and client.settings == current.settings:
            await client.cloud.close()
            current.retry = client.retry
        else:
            self._assembly.service.replace(client)
        if uploads_of(config.service) != uploads_of(self.config.service):
            for slots in (pace.link_slots, pace.upload_slots):
                slots.resize(uploads_of(config.service))
        if config.service.deletes != self.config.service.deletes:
            pace.delete_slots.resize(config.service.deletes)
        pace.bandwidth.timetable = limits(config.service)
        pace.host.heart.silent_seconds = silent_seconds(config.service)
        if not is_known or config.service != self.config.service:
            pace.try_anew()


def _told(change: Change) -> dict[str, Any]:
    return {"what": change.what, "change": change.kind, "keys": list(change.keys), "words": str(change)}
