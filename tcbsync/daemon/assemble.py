"""Puts together what a configuration describes: store, cloud, pace, and the mirrors upon them."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcbsync.cloud.client import HttpCloud, open_cloud
from tcbsync.cloud.retry import Retry
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.errors import ConfigError
from tcbsync.core.safety import Guard
from tcbsync.core.settle import Delays, Settle
from tcbsync.core.timetable import timetable
from tcbsync.daemon.credentials import token_source
from tcbsync.engine.busy import Busy
from tcbsync.engine.host import Host
from tcbsync.engine.mirror import Mirror
from tcbsync.engine.pace import Pace
from tcbsync.engine.parts import Habits, Parts, Target
from tcbsync.engine.tally import Tally
from tcbsync.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from tcbsync.config.schema import Config, MirrorConfig, ServiceConfig
    from tcbsync.core.errors import CloudError

log = logging.getLogger(__name__)

WRONG_CREDENTIALS = ("40001", "40013", "40125")
"""API docs: the token call refuses the secret or the appid. No waiting mends that."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """Everything that runs, but for what makes it run."""

    store: Store
    cloud: HttpCloud
    pace: Pace
    mirrors: list[Mirror]


def connect(config: Config) -> HttpCloud:
    """Build the client. Raises ConfigError; sends nothing."""
    return open_cloud(_settings(config), token_source(config.credentials))


def chosen(config: Config, names: Collection[str]) -> list[MirrorConfig]:
    """Give the mirrors of these names, or all where none is given. Raises ConfigError."""
    known = {mirror.name: mirror for mirror in config.mirrors}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no mirror {name}", hint=f"the configuration has {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or list(config.mirrors)


@contextlib.asynccontextmanager
async def assembled(
    config: Config, what: str, names: Collection[str] = (), *, grace: bool, host: Host | None = None
) -> AsyncIterator[Assembly]:
    """Hold the state directory in the name of `what`, with everything open, until the end of the block.

    `grace` False: deletes need not wait, since somebody is waiting for them. Raises ConfigError, StateError.
    """
    mirrors = chosen(config, names)
    Host.prepare()
    cloud = connect(config)
    try:
        store = Store(config.state_dir, what)
        try:
            pace = _pace(config.service, host or Host())
            yield Assembly(
                store,
                cloud,
                pace,
                [await _mirror(mirror, store, cloud, pace, config.service, grace=grace) for mirror in mirrors],
            )
        finally:
            await store.close()
    finally:
        await cloud.close()


async def _mirror(
    config: MirrorConfig, store: Store, cloud: HttpCloud, pace: Pace, service: ServiceConfig, *, grace: bool
) -> Mirror:
    delays = Delays(quiet_seconds=config.quiet_seconds)
    settle, tally = Settle(delays), Tally()
    mirror: Mirror

    def look_again(path: str, noticed_at: float | None = None) -> None:
        mirror.hint([(path, True)], noticed_at)

    parts = Parts(
        host=pace.host,
        target=Target(
            root=config.root,
            env=config.env,
            prefix=config.prefix,
            form=_form(config),
        ),
        manifest=await store.manifest(config.name, config.env, config.prefix),
        cloud=cloud,
        retry=_retry(service, tally),
        pace=pace,
        busy=Busy(look_again),
        look_again=look_again,
        tally=tally,
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
            grace_seconds=config.delete_grace_seconds if grace else 0.0,
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


def _pace(service: ServiceConfig, host: Host) -> Pace:
    limits = None if service.bandwidth is None else timetable(service.bandwidth)
    # An upload that waits for a connection would look as if it hung: one is left for everything else.
    uploads = max(1, min(service.uploads, service.connections - 1))
    return Pace(host, uploads=uploads, deletes=service.deletes, timetable=limits)


def _retry(service: ServiceConfig, tally: Tally) -> Retry:
    def on_retry(error: CloudError, seconds: float) -> None:
        tally.retries[type(error).__name__] += 1
        log.debug("tried again in %.1f s: %s", seconds, error)

    return Retry(
        attempts=service.attempts,
        base_seconds=service.retry_seconds,
        cap_seconds=service.retry_max_seconds,
        on_retry=on_retry,
    )


def _settings(config: Config) -> CloudSettings:
    service = config.service
    return CloudSettings(
        api_base=service.api_base,
        token_parameter=config.credentials.token_parameter,
        connect_seconds=service.connect_seconds,
        read_seconds=service.read_seconds,
        stall_seconds=service.write_stall_seconds,
        total_seconds=service.request_seconds,
        slowest_bytes_per_second=service.min_bytes_per_second,
        max_connections=service.connections,
        proxy=service.proxy,
        ca_file=None if service.ca_file is None else str(service.ca_file),
    )
