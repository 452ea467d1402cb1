"""Puts together what a configuration describes: store, cloud, pace, and the mirrors upon them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcbsync.core.errors import ConfigError
from tcbsync.core.safety import Guard
from tcbsync.core.settle import Delays, Settle
from tcbsync.core.timetable import timetable
from tcbsync.daemon.events import Events
from tcbsync.daemon.service import WRONG_CREDENTIALS, Client, Service
from tcbsync.engine.busy import Busy
from tcbsync.engine.host import Host
from tcbsync.engine.mirror import Mirror
from tcbsync.engine.pace import Pace
from tcbsync.engine.parts import Habits, Parts, Target
from tcbsync.engine.tally import Tally
from tcbsync.store.pauses import paused
from tcbsync.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from pathlib import Path

    from tcbsync.cloud.client import HttpCloud
    from tcbsync.config.schema import Config, MirrorConfig, ServiceConfig
    from tcbsync.core.events import Event
    from tcbsync.core.timetable import Timetable
    from tcbsync.store.manifest import Manifest

__all__ = ["WRONG_CREDENTIALS", "Assembly", "assembled", "chosen", "connect", "limits", "uploads_of"]


@dataclass(slots=True)
class Assembly:
    """Everything that runs, but for what makes it run. `tell` gets each event, with the name of its mirror."""

    state_dir: Path
    store: Store
    service: Service
    pace: Pace
    grace: bool
    tell: Callable[[Event, str], None]
    mirrors: list[Mirror] = field(default_factory=list)
    _manifests: dict[tuple[str, str, str], Manifest] = field(default_factory=dict)

    @property
    def cloud(self) -> HttpCloud:
        """The client that calls go to now."""
        return self.service.client.cloud

    async def manifest(self, config: MirrorConfig) -> Manifest:
        """Give the rows of a mirror; a new one is written down first. Raises StateError."""
        key = (config.name, config.env, config.prefix)
        if key not in self._manifests:
            self._manifests[key] = await self.store.manifest(*key)
        return self._manifests[key]

    async def mirror(self, config: MirrorConfig) -> Mirror:
        """Put a mirror together; it is one of those here when it is added. Raises StateError."""
        return _mirror(config, await self.manifest(config), self)

    def add(self, mirror: Mirror) -> None:
        """Count it among those here. It stands still where a person wished so, of this mirror or one before it."""
        mirror.parts.brake.pause(paused(self.state_dir).get(mirror.name))
        self.mirrors.append(mirror)


def connect(config: Config) -> HttpCloud:
    """Build the client. Raises ConfigError; sends nothing."""
    return Client(config).cloud


def chosen(config: Config, names: Collection[str]) -> list[MirrorConfig]:
    """Give the mirrors of these names, or all where none is given. Raises ConfigError."""
    known = {mirror.name: mirror for mirror in config.mirrors}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no mirror {name}", hint=f"the configuration has {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or list(config.mirrors)


@contextlib.asynccontextmanager
async def assembled(
    config: Config,
    what: str,
    names: Collection[str] = (),
    *,
    grace: bool,
    host: Host | None = None,
    tell: Callable[[Event, str], None] | None = None,
) -> AsyncIterator[Assembly]:
    """Hold the state directory in the name of `what`, with everything open, until the end of the block.

    `grace` False: deletes need not wait, since somebody is waiting for them. Without `tell`, events are told to the log
    alone. Raises ConfigError, StateError.
    """
    mirrors = chosen(config, names)
    Host.prepare()
    service = Service(config)
    try:
        store = Store(config.state_dir, what)
        try:
            tell = tell or Events(kept=0).tell
            pace = _pace(config.service, host or Host(), tell)
            assembly = Assembly(config.state_dir, store, service, pace, grace, tell)
            for mirror in mirrors:
                assembly.add(await assembly.mirror(mirror))
            yield assembly
        finally:
            await store.close()
    finally:
        await service.close()


def _mirror(config: MirrorConfig, manifest: Manifest, assembly: Assembly) -> Mirror:
    delays = Delays(quiet_seconds=config.quiet_seconds)
    settle, tally = Settle(delays), Tally()
    mirror: Mirror

    def look_again(path: str, noticed_at: float | None = None) -> None:
        mirror.hint([(path, True)], noticed_at)

    parts = Parts(
        host=assembly.pace.host,
        target=Target(
            root=config.root,
            env=config.env,
            prefix=config.prefix,
            form=_form(config),
        ),
        manifest=manifest,
        cloud=assembly.service,
        retry=assembly.service.retry_for(tally),
        pace=assembly.pace,
        busy=Busy(look_again),
        look_again=look_again,
        tally=tally,
        tell=lambda event: assembly.tell(event, config.name),
    )
    guard = (
        Guard(None, None) if config.guard is None else Guard(config.guard.max_deletes, config.guard.max_delete_percent)
    )
    mirror = Mirror(
        config.name,
        parts,
        settle,
        Habits(
            ignore=config.ignore,
            deletes=config.delete == "mirror",
            guard=guard,
            grace_seconds=config.delete_grace_seconds if assembly.grace else 0.0,
            rescan_seconds=config.rescan_seconds,
            blind_rescan_seconds=config.blind_rescan_seconds,
            delays=delays,
        ),
    )
    return mirror


def _form(config: MirrorConfig) -> dict[str, str]:
    """Give the form's further fields; an empty one is left out of it."""
    form = {} if config.content_type == "auto" else {"Content-Type": ""}
    return form if config.cache_control is None else form | {"Cache-Control": config.cache_control}


def _pace(service: ServiceConfig, host: Host, tell: Callable[[Event, str], None]) -> Pace:
    return Pace(
        host,
        uploads=uploads_of(service),
        deletes=service.deletes,
        timetable=limits(service),
        tell=lambda event: tell(event, ""),
    )


def uploads_of(service: ServiceConfig) -> int:
    """Give how many uploads there may be at once.

    One that waits for a connection would look as if it hung: one is left for everything else.
    """
    return max(1, min(service.uploads, service.connections - 1))


def limits(service: ServiceConfig) -> Timetable | None:
    """Give what all uploads together may send, and when; None: any number of bytes, at any time."""
    return None if service.bandwidth is None else timetable(service.bandwidth)
