"""One pass over the mirrors: look at everything, do what is due, say how it went."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcbsync import status
from tcbsync.core.errors import Misconfigured
from tcbsync.daemon.assemble import WRONG_CREDENTIALS, assembled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tcbsync.config.schema import Config
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.engine.host import Host
    from tcbsync.engine.mirror import Mirror
    from tcbsync.engine.tally import Tally
    from tcbsync.store.answers import Counts

TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the pass went for one mirror. `root_problem` and `hold` say why deletes wait, where they do."""

    name: str
    done: Tally
    counts: Counts
    problems: int
    root_problem: str
    hold: str
    service_state: str
    service_error: str
    is_wrong_credentials: bool
    paused_at: float | None
    """Since when a person has stopped uploads and deletes; None: nobody has."""


async def sync(
    config: Config, names: Collection[str], on_tick: Callable[[Assembly], None], host: Host | None = None
) -> list[Outcome]:
    """Pass once over the mirrors of these names, or all. `on_tick` is called ten times a second with what runs.

    Raises ConfigError, StateError.
    """
    async with assembled(config, "sync", names, grace=False, host=host) as assembly:
        ticking = asyncio.create_task(_tick(assembly, on_tick))
        try:
            async with asyncio.TaskGroup() as tasks:
                damage = tasks.create_task(assembly.store.until_damaged(), name="damage")
                passes = [tasks.create_task(mirror.once(), name=mirror.name) for mirror in assembly.mirrors]
                for one in passes:
                    await asyncio.wait([one])
                await assembly.store.copy_if_due()
                damage.cancel()
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
        return [await asyncio.to_thread(_outcome, config, assembly, mirror) for mirror in assembly.mirrors]


async def _tick(assembly: Assembly, on_tick: Callable[[Assembly], None]) -> None:
    while True:
        on_tick(assembly)
        await asyncio.sleep(TICK_SECONDS)


def _outcome(config: Config, assembly: Assembly, mirror: Mirror) -> Outcome:
    target = mirror.parts.target
    report = status.open_report(config.state_dir, mirror.name, target.env, target.prefix)
    assert report is not None, "the store registers a mirror before it is assembled"
    gate = assembly.pace.closed(target.env)
    error = gate.error if gate else None
    return Outcome(
        name=mirror.name,
        done=mirror.parts.tally,
        counts=report.counts(),
        problems=report.blocking_problems(),
        root_problem=mirror.looks.root_problem,
        hold=report.hold(),
        service_state=gate.state if gate else "ok",
        service_error=gate.reason if gate else "",
        is_wrong_credentials=isinstance(error, Misconfigured) and error.code in WRONG_CREDENTIALS,
        paused_at=mirror.parts.brake.paused_at,
    )
