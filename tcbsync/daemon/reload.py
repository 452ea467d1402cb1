"""Reads the configuration again and applies what is different, while everything that is the same goes on.

Rule: all or nothing. What can be wrong is found out before anything is touched: the file, the secret, whether the
service takes it, the manifest of a new mirror, each mirror put together. What is done after that cannot fail: a mirror
that went, or changed, is stopped (it begins nothing more, and what is in flight lands), and the others never notice. A
defect in it ends the daemon, and the next start goes by the file. Rows and objects of a mirror that went stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tcbsync.config.changes import Change, changes
from tcbsync.core.errors import ConfigError, TcbsyncError
from tcbsync.core.events import Reloaded, ReloadRefused
from tcbsync.daemon.assemble import limits, uploads_of
from tcbsync.daemon.sd_notify import notify
from tcbsync.daemon.service import Client, try_out
from tcbsync.daemon.vitals import silent_seconds
from tcbsync.status import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tcbsync.config.schema import Config
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.fleet import Fleet
    from tcbsync.engine.mirror import Mirror

ROTATED = Change("credentials", "changed", words="the secret was read anew")


@dataclass(frozen=True, slots=True)
class _Ready:
    """Another configuration, and what is made ready for it."""

    config: Config
    client: Client
    found: list[Change]
    fresh: Sequence[Mirror] = ()
    """Mirrors that are new or different, put together."""


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
            looked = await self._looked()
            await looked.client.cloud.close()
            return {"applied": False, "changes": [_told(change) for change in looked.found]}
        # Whoever asked may hang up: what was begun is finished all the same, or mirrors would be missing.
        outcome = await asyncio.shield(self._fleet.spawn(self._outcome()))
        if isinstance(outcome, TcbsyncError):
            raise outcome
        return {"applied": True, "changes": [_told(change) for change in outcome]}

    async def _outcome(self) -> list[Change] | TcbsyncError:
        async with self.turn:
            notify(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))
            try:
                ready = await self._prepared()
            except TcbsyncError as error:
                self.notice = f"the configuration was not reloaded ({iso(time.time())}): {error.in_a_line}"
                self._assembly.tell(ReloadRefused(error.in_a_line), "")
                notify(READY="1")
                return error
            await self._carry_out(ready)
            notify(READY="1")
            self.notice, found = "", ready.found
            self._assembly.tell(Reloaded([str(change) for change in found]), "")
            return found

    async def _looked(self) -> _Ready:
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
        return _Ready(config, client, found)

    async def _prepared(self) -> _Ready:
        """Do all that can fail. What is in force is not touched. Raises ConfigError, StateError."""
        ready = await self._looked()
        before = {mirror.name: mirror for mirror in self.config.mirrors}
        try:
            if not ready.client.knows(self._assembly.service.client):
                await try_out(ready.client)
            fresh = [mirror for mirror in ready.config.mirrors if before.get(mirror.name) != mirror]
            return replace(ready, fresh=[await self._assembly.mirror(mirror) for mirror in fresh])
        except BaseException:
            await ready.client.cloud.close()
            raise

    async def _carry_out(self, ready: _Ready) -> None:
        after = {mirror.name: mirror for mirror in ready.config.mirrors}
        await self._change_service(ready.config, ready.client)
        await asyncio.gather(*(self._fleet.stop(old.name) for old in self.config.mirrors if after.get(old.name) != old))
        self.config = ready.config
        for mirror in ready.fresh:
            await self._fleet.add(mirror)
        self._assembly.pace.open_unused({mirror.env for mirror in ready.config.mirrors})
        self.on_applied(ready.config)

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
