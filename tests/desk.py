"""A mirror at rest: put together over a real folder, manifest and cloud, it does only what a test tells it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tcbsync import status
from tcbsync.config.schema import Config, CredentialsConfig, GuardConfig, MirrorConfig, ServiceConfig
from tcbsync.daemon.assemble import assembled
from tcbsync.emulator.server import Emulator, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.daemon.assemble import Assembly

ENV = "test-env"


class Desk:
    """A mirror that does only what a test tells it, and its status."""

    def __init__(self, root: Path, state_dir: Path, assembly: Assembly, cloud: Emulator) -> None:
        self.root = root
        self.cloud = cloud
        self.pace = assembly.pace
        (self.mirror,) = assembly.mirrors
        report = status.open_report(state_dir, *status.place(self.mirror))
        assert report is not None
        self.report = report

    @property
    def status(self) -> status.MirrorStatus:
        return status.live_status(self.mirror, self.report, None)

    @property
    def state(self) -> str:
        return self.status.state


@asynccontextmanager
async def desk_in(
    folder: Path, guard: GuardConfig | None = None, attempts: int = 1, prefix: str = "site/"
) -> AsyncIterator[Desk]:
    """Put a mirror of an empty root together."""
    root = folder / "root"
    root.mkdir()
    async with Emulator(Settings(data=folder / "cloud")) as cloud:
        config = Config(
            state_dir=folder / "state",
            mirrors=(MirrorConfig("site", root, ENV, prefix, guard=guard),),
            credentials=CredentialsConfig(appid="wx-test", secret="hush"),
            service=ServiceConfig(api_base=cloud.url, attempts=attempts),
        )
        async with assembled(config, "test", grace=False) as assembly:
            yield Desk(root, folder / "state", assembly, cloud)
