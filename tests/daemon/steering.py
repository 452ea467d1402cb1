"""What the tests of a steered daemon share: a whole daemon in this process, its file, and the way to ask it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tcbsync import control
from tcbsync.core.errors import StateError
from tcbsync.daemon import run as running
from tests.engine.world import World, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.config.schema import Config, MirrorConfig


@dataclass
class Steered:
    """A daemon that runs, and what its configuration file would say when it is read the next time."""

    world: World
    config: Config
    wrong: Exception | None = None
    """Reading the file raises this."""
    task: asyncio.Task[None] = field(init=False)

    def read(self) -> Config:
        """Read the file."""
        if self.wrong is not None:
            raise self.wrong
        return self.config

    def mirrors(self, *mirrors: MirrorConfig) -> None:
        """Write other mirrors into the file."""
        self.config = replace(self.config, mirrors=mirrors)

    def service(self, **options: Any) -> None:
        """Write other service options into the file."""
        self.config = replace(self.config, service=replace(self.config.service, **options))

    async def ask(self, verb: str, **values: Any) -> Any:
        """Ask it."""
        return await control.ask(self.world.state, verb, **values)

    async def all_of(self, verb: str, **values: Any) -> list[Any]:
        """Ask it for a stream, to its end."""
        return [value async for value in control.follow(self.world.state, verb, **values)]

    async def reload(self, *, dry_run: bool = False) -> list[str]:
        """Have it reload. Gives the sentences."""
        (answer,) = await self.all_of("reload", dry_run=dry_run)
        return [change["words"] for change in answer["changes"]]

    async def flush(self, *scopes: tuple[str, str], seconds: float = 30.0) -> list[dict[str, Any]]:
        """Have it flush and wait. Gives the results."""
        told = await self.all_of("flush", scopes=[list(scope) for scope in scopes], waits=True, seconds=seconds)
        result: list[dict[str, Any]] = told[-1]["result"]
        return result

    async def states(self) -> dict[str, str]:
        """Ask for the state of each mirror."""
        return {mirror["name"]: mirror["state"] for mirror in (await self.ask("status"))["mirrors"]}

    async def events(self) -> list[dict[str, Any]]:
        """Ask what has happened."""
        return await self.all_of("events", last=1000)

    async def in_sync(self) -> bool:
        """Whether every mirror says so."""
        return set((await self.states()).values()) == {"in_sync"}


@asynccontextmanager
async def steered(
    world: World, *mirrors: MirrorConfig, config: Config | None = None, **service: Any
) -> AsyncIterator[Steered]:
    """Let a daemon run until the end of the block, and see that it ends as it should."""
    config = config or world.config(*(mirrors or (world.mirror(),)), **service)
    daemon = Steered(world, config)
    loop = asyncio.get_running_loop()
    daemon.task = asyncio.create_task(running.run(config, daemon.read))
    try:
        await eventually(lambda: _answers(daemon))
        yield daemon
        assert not daemon.task.done(), "the daemon has ended by itself"
    finally:
        daemon.task.cancel()
        await asyncio.gather(daemon.task, return_exceptions=True)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _answers(daemon: Steered) -> bool:
    if daemon.task.done():
        daemon.task.result()
    try:
        await daemon.ask("status")
    except StateError:
        return False
    return True
