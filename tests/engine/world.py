"""A whole mirror in one process: real files, a real manifest, the real client, and the emulator over a socket."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from tcbsync import status
from tcbsync.config.schema import Config, CredentialsConfig, GuardConfig, MirrorConfig, ServiceConfig
from tcbsync.daemon.assemble import assembled
from tcbsync.daemon.watching import Watching
from tcbsync.engine.host import Host
from tcbsync.store.database import FILE_NAME
from tcbsync.store.manifest import Manifest
from tcbsync.store.reader import open_reader
from tcbsync.store.report import find_mirror

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tcbsync.core.model import Record
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.emulator.server import Emulator
    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.report import Report

ENV = "test2-4a89da"
PREFIX = "site/"
QUICK: dict[str, Any] = {
    "quiet_seconds": 0.2,
    "delete_grace_seconds": 0.2,
    "guard": GuardConfig(max_deletes=None, max_delete_percent=None),
}
PATIENCE: dict[str, Any] = {"attempts": 3, "retry_seconds": 0.001, "retry_max_seconds": 0.002}
SERVICE = [option.name for option in dataclasses.fields(ServiceConfig)]


class ShiftedHost(Host):
    """A host whose wall clock can be put forward."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


@dataclass
class World:
    """One mirror and its surroundings. The shift of the clock outlives a restart, as the folders do."""

    root: Path
    state: Path
    emulator: Emulator
    host: ShiftedHost = field(default_factory=ShiftedHost)

    def write(self, path: str, content: bytes | str = b"content") -> Path:
        """Write a file below the root, with the directories that it needs."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def cloud(self, env: str = ENV, prefix: str = PREFIX) -> dict[str, bytes]:
        """Give what the cloud holds for the mirror, by path."""
        keys = [key for where, key in self.emulator.objects() if where == env and key.startswith(prefix)]
        return {key.removeprefix(prefix): self.emulator.read(env, key) for key in keys}

    def others(self) -> dict[str, bytes]:
        """Give what the cloud holds but for the file `stays`."""
        return {path: content for path, content in self.cloud().items() if path != "stays"}

    def disk(self) -> dict[str, bytes]:
        """Give every regular file below the root, by path."""
        files = (file for file in self.root.rglob("*") if file.is_file() and not file.is_symlink())
        return {file.relative_to(self.root).as_posix(): file.read_bytes() for file in files}

    def is_equal(self) -> bool:
        """Whether disk and cloud hold the same, byte for byte."""
        return self.cloud() == self.disk()

    def config(self, *mirrors: MirrorConfig, **service: Any) -> Config:
        """Describe mirrors of this world, which go to its emulator."""
        return Config(
            state_dir=self.state,
            mirrors=mirrors,
            credentials=CredentialsConfig(appid="wx-test", secret="no-secret"),
            service=ServiceConfig(api_base=self.emulator.url, **{**PATIENCE, **service}),
        )

    def mirror(self, **options: Any) -> MirrorConfig:
        """Describe the one mirror of most worlds."""
        return MirrorConfig(**{"name": "site", "root": self.root, "env": ENV, "prefix": PREFIX, **QUICK, **options})

    @asynccontextmanager
    async def assembly(self, *mirrors: MirrorConfig, grace: bool = True, **service: Any) -> AsyncIterator[Assembly]:
        """Put mirrors together, and take them apart at the end."""
        config = self.config(*(mirrors or (self.mirror(),)), **service)
        async with assembled(config, "test", grace=grace, host=self.host) as assembly:
            yield assembly

    async def sync(self, **options: Any) -> Mirror:
        """Pass once, as `tcbsync sync` does."""
        service = self._take_service(options)
        async with self.assembly(self.mirror(**options), grace=False, **service) as assembly:
            await asyncio.wait_for(assembly.mirrors[0].once(), 60)
            return assembly.mirrors[0]

    async def mirrored(self, count: int, **options: Any) -> None:
        """Mirror so many files, each of its own size, so that none is taken for another under a new name."""
        for number in range(count):
            self.write(f"{number}", "x" * (number + 1))
        await self.sync(**options)

    async def pass_time(self, mirror: Mirror, seconds: float) -> None:
        """Put the clock forward, and let everybody look at it."""
        self.host.ahead += seconds
        mirror.parts.pace._wake()
        mirror.nudge()
        await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self, *, watches: bool = True, **options: Any) -> AsyncIterator[Mirror]:
        """Let the mirror run, with inotify or without, until the end of the block."""
        service = self._take_service(options)
        async with (
            self.assembly(self.mirror(**options), **service) as assembly,
            alive(assembly, watches=watches) as (mirror,),
        ):
            yield mirror

    def _take_service(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take the options that are the service's, not the mirror's."""
        return {name: options.pop(name) for name in SERVICE if name in options}

    def report(self) -> Report:
        """Open the manifest as a person sees it."""
        report = status.open_report(self.state, "site", ENV, PREFIX)
        assert report is not None
        return report

    def row(self, path: str) -> Record | None:
        """Give what the manifest says of a path."""
        reader = open_reader(self.state / FILE_NAME)
        number = find_mirror(reader, "site", ENV, PREFIX)
        assert number is not None
        manifest = Manifest(reader, number)
        try:
            return manifest.record(path)
        finally:
            manifest.close()

    def calls(self) -> dict[str, int]:
        """Count the requests so far, by call."""
        return dict(self.emulator.counters.calls)

    def forget_calls(self) -> None:
        """Count from zero."""
        self.emulator.counters.calls.clear()


@asynccontextmanager
async def alive(assembly: Assembly, *, watches: bool = True) -> AsyncIterator[list[Mirror]]:
    """Let every mirror of an assembly run until the end of the block."""
    async with AsyncExitStack() as stack:
        watchings = [Watching(mirror) for mirror in assembly.mirrors if watches]
        for watching in watchings:
            await stack.enter_async_context(watching.open())
        tasks = [asyncio.create_task(mirror.run()) for mirror in assembly.mirrors]
        tasks.append(asyncio.create_task(_check(watchings)))
        try:
            yield assembly.mirrors
            assert not any(task.done() for task in tasks), "a mirror has died"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _check(watchings: list[Watching]) -> None:
    """Do what the daemon's pulse does for the watchers, only more often."""
    while True:
        for watching in watchings:
            watching.check()
        await asyncio.sleep(0.02)


async def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the condition, which may be asynchronous, holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not (await holds if isawaitable(holds := condition()) else holds):
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)
