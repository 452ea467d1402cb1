"""Gives up a former mirror, in a daemon or without one: see `engine.forget`. One that lives is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import ConfigError
from tcbsync.core.events import Forgotten
from tcbsync.engine.forget import Forget
from tcbsync.engine.tally import Tally
from tcbsync.store.forgetting import Living

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.config.schema import Config
    from tcbsync.daemon.assemble import Assembly


async def forget(assembly: Assembly, config: Config, former: Living, *, deletes: bool) -> AsyncIterator[dict[str, Any]]:
    """Forget the rows of `former`, and with `deletes` its objects before them. Gives the counts as they grow.

    Raises ConfigError where that mirror lives, CloudError, StateError; what is done by then is done.
    """
    living = [Living(mirror.name, mirror.env, mirror.prefix) for mirror in config.mirrors]
    if former in living:
        raise ConfigError(
            f"mirror {former.name} is looked after, with env {former.env} and prefix '{former.prefix}'",
            hint="take it out of the configuration first; beside a daemon, then `tcbsync reload`",
        )
    manifest = await assembly.store.manifest(*former)
    work = Forget(manifest, assembly.service, assembly.service.retry_for(Tally()), assembly.pace, former, living)
    try:
        if deletes:
            async for each in work.with_objects():
                yield _told(each)
        else:
            await work.without_objects()
    finally:
        assembly.pace.open_unused({each.env for each in living})
        if work.dropped:
            assembly.tell(Forgotten(former.env, former.prefix, work.dropped, work.deleted), former.name)
    yield _told(work)


def _told(work: Forget) -> dict[str, Any]:
    return {
        "rows": work.dropped,
        "deleted": work.deleted,
        "shielded": work.shielded,
        "refused": work.refused,
        "refusals": [{"path": path, "reason": reason} for path, reason in work.refusals],
    }
