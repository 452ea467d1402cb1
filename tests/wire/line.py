"""The whole engine at one end of a line that fails, the real emulator at the other; and what must hold between them.

Rule: after every pass, however it went, whatever the manifest claims is in the cloud at that moment, byte for byte; and
after a healthy pass the two are equal. Refusal: no mocks: real files, real SQLite, the real client, real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import sqlite3
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import aiohttp

from tcbsync.cli import verify
from tcbsync.cli.common import Reported
from tcbsync.cloud.retry import Retry, RetryingCloud
from tcbsync.config.schema import CredentialsConfig
from tcbsync.core.model import State
from tcbsync.daemon.assemble import assembled, connect
from tcbsync.emulator.server import Emulator, Settings
from tcbsync.store import rows
from tcbsync.store.database import FILE_NAME
from tests.emulator.caller import Caller, file_id
from tests.engine.world import ENV, PREFIX, World
from tests.wire.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from tcbsync.config.schema import Config, MirrorConfig
    from tcbsync.daemon.assemble import Assembly

APPID, SECRET = "wx1", "a-secret-of-the-wire-tests"
IMPATIENT: dict[str, Any] = {
    "connect_seconds": 1.0,
    "read_seconds": 0.25,
    "write_stall_seconds": 0.25,
    "request_seconds": 1.0,
    "min_bytes_per_second": 50_000_000,
}
PASS_SECONDS = 20.0
MOST_REQUESTS = 40
HOURS = 6 * 3600.0
"""Later than any file that failed waits for its next attempt."""
LARGE = 3 * 1024 * 1024


@dataclass
class WireWorld(World):
    """A world with a secret of its own, and a choice of the call that turns it into a token."""

    token_call: Literal["stable_token", "token"] = "stable_token"

    def config(self, *mirrors: MirrorConfig, **service: Any) -> Config:
        """Describe it with credentials that the emulator checks."""
        config = super().config(*mirrors, **service)
        credentials = CredentialsConfig(appid=APPID, secret=SECRET, token_call=self.token_call)
        return dataclasses.replace(config, credentials=credentials)


@dataclass
class Line:
    """One mirror, the proxy, and the emulator behind it. Files change with every turn, so that each has work to do."""

    world: WireWorld
    proxy: Proxy
    turn: int = 0
    requests: int = 0
    """The most requests that any one pass has made."""
    damaged: list[str] = field(default_factory=list)

    def change(self, call: str) -> None:
        """Give the next pass something to upload, to overwrite and to delete; `call` says what else it needs."""
        world, self.turn = self.world, self.turn + 1
        world.token_call = "token" if call == "token" else "stable_token"
        world.write("changed.txt", f"turn {self.turn} of this file")
        world.write(f"gone-{self.turn}.txt", f"this goes after turn {self.turn}")
        (world.root / f"gone-{self.turn - 1}.txt").unlink(missing_ok=True)
        if call == "upload large":
            world.write("large.txt", hashlib.sha256(str(self.turn).encode()).digest() * (LARGE // 32))
        if call == "upload empty":
            (world.root / f"empty-{self.turn - 1}.txt").unlink(missing_ok=True)
            world.write(f"empty-{self.turn}.txt", b"")

    async def sync(self, **service: Any) -> None:
        """Pass once. Time flies while the service is taken to be out of reach; a pass that hangs is a failure."""
        config = self.world.config(self.world.mirror(), **service)
        host = self.world.host
        async with asyncio.timeout(PASS_SECONDS), assembled(config, "test", grace=False, host=host) as assembly:
            flying = asyncio.create_task(self._fly(assembly))
            try:
                await assembly.mirrors[0].once()
            finally:
                flying.cancel()

    async def _fly(self, assembly: Assembly) -> None:
        while True:
            await asyncio.sleep(0.01)
            if wait := assembly.pace.wait_seconds(ENV):
                await self.world.pass_time(assembly.mirrors[0], min(wait, 30.0))

    async def verify(self, **service: Any) -> verify.Findings:
        """Ask the cloud about every file, as `tcbsync verify` does."""
        config = self.world.config(self.world.mirror(), **service)
        cloud = RetryingCloud(connect(config), Retry(3, 0.001, 0.002))
        report = self.world.report()
        try:
            async with asyncio.timeout(PASS_SECONDS):
                return await verify._compare(cloud, Reported(config.mirrors[0], report))
        finally:
            report._reader.close()
            await cloud.close()

    async def repair(self) -> None:
        """Have everything uploaded again that the cloud does not hold as it should, as `verify --repair` does."""
        findings = await self.verify()
        config = self.world.config(self.world.mirror())
        await verify._distrust(config, {"site": [path for path, _ in findings.wrong]})
        await self.sync()

    async def damage(self) -> None:
        """Let somebody else put other bytes in the place of one object, and delete another."""
        self.world.write("overwritten.txt", "these bytes")
        self.world.write("removed.txt", f"removed before turn {self.turn}")
        await self.sync()
        async with aiohttp.ClientSession() as session:
            caller = Caller(self.world.emulator, session)
            caller.token = (await caller.stable(appid=APPID, secret=SECRET))["access_token"]
            await caller.upload(f"{PREFIX}overwritten.txt", b"other bytes")
            await caller.delete(file_id(f"{PREFIX}removed.txt"))
        self.damaged = ["overwritten.txt", "removed.txt"]

    def rows(self) -> list[dict[str, Any]]:
        """Give every row of the manifest as it is on disk."""
        connection = sqlite3.connect(self.world.state / FILE_NAME)
        connection.row_factory = sqlite3.Row
        try:
            found = connection.execute("SELECT * FROM file")
            return [{**row, "path": f"{row['directory']}/{row['name']}".lstrip("/")} for row in found]
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def complaints(self) -> Iterator[str]:
        """Say what of the promises does not hold at this moment, whatever is still left to do."""
        found = self.rows()
        objects = self.world.emulator.objects()
        for row in found:
            yield from self._complaints_of(row)
        paths = {row["path"] for row in found if row["file_id"] is not None}
        for env, key in objects:
            if env != ENV or not key.startswith(PREFIX) or key.removeprefix(PREFIX) not in paths:
                yield f"orphan: no row names the object {env} {key}"
        yield from self.told([row["reason"] for row in found])

    def told(self, texts: Iterable[str]) -> Iterator[str]:
        """Say which texts of the product (log, reasons of rows, findings) hold a secret that went over the wire."""
        for text in texts:
            if any(secret[-24:] in text for secret in self.proxy.secrets):
                yield f"a secret stands in {text!r}"

    def parked(self) -> list[str]:
        """Name what failed for good, and why."""
        return [f"{row['path']}: {row['reason']}" for row in self.rows() if row["parked"]]

    async def retry(self) -> None:
        """Try again what failed for good, as `tcbsync retry` does."""
        async with self.world.assembly() as assembly:
            await assembly.mirrors[0].parts.manifest.write(rows.retry)

    def _complaints_of(self, row: dict[str, Any]) -> Iterator[str]:
        path, digest, objects = row["path"], row["digest"], self.world.emulator.objects()
        stored = objects.get((ENV, PREFIX + path))
        if row["state"] == State.PROVED and digest is None:
            yield f"{path} is proved without a digest"
        if digest is None:
            return
        content = self.world.emulator.read(ENV, PREFIX + path) if stored else b""
        if stored is None or hashlib.md5(content).digest() != digest:
            yield f"{path} is claimed to be in the cloud, and is not: {len(content)} bytes, {row['size']} in the row"
        if row["file_id"] != file_id(PREFIX + path):
            yield f"{path} is proved under a name that is not its own: {row['file_id']}"

    def differences(self) -> Iterator[str]:
        """Say what is not equal after a healthy pass."""
        if self.world.cloud() != self.world.disk():
            cloud, disk = self.world.cloud(), self.world.disk()
            unlike = sorted(path for path in cloud.keys() | disk.keys() if cloud.get(path) != disk.get(path))
            yield f"cloud and disk differ in {', '.join(unlike)}"
        found = self.rows()
        if {row["path"] for row in found} != set(self.world.cloud()):
            yield "rows and objects differ"
        for row in found:
            if row["state"] != State.PROVED:
                yield f"{row['path']} is still not proved: {row['code']} {row['reason']}"

    def unknown(self) -> list[str]:
        """Name the objects that the API says do not exist: their x-cos-meta-fileid was not theirs."""
        return sorted(key for (_, key), stored in self.world.emulator.objects().items() if not stored.has_fileid)

    def close_books(self) -> None:
        """Let all failed files' waits pass."""
        self.requests = max(self.requests, self.proxy.calls.total())
        self.world.host.ahead += HOURS


@asynccontextmanager
async def laid(folder: Path, clock: Callable[[], float] = time.time) -> AsyncIterator[Line]:
    """Lay a line: an emulator that takes only our credentials, the proxy, and a mirrored root."""
    root = folder / "root"
    root.mkdir(parents=True)
    async with Proxy() as proxy:
        settings = Settings(
            data=folder / "cloud", appid=APPID, secret=SECRET, env=ENV, public_url=proxy.url, clock=clock
        )
        async with Emulator(settings) as emulator:
            host, port = emulator._runner.addresses[0][:2]
            proxy.upstream = (host, port)
            line = Line(WireWorld(root=root, state=folder / "state", emulator=emulator), proxy)
            line.world.write("stays", "a file of another size")
            line.change("")
            await line.sync()
            yield line
            await proxy.hang_up()


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Collect every log record of the product, at every level, with its traceback; the emulator's are not its own."""
    texts: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith(("aiohttp.server", "asyncio")):
                texts.append(self.format(record))

    root, server = logging.getLogger(), logging.getLogger("aiohttp.server")
    collector, level, was_silent = Collector(), root.level, server.disabled
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    server.disabled = True
    try:
        yield texts
    finally:
        server.disabled = was_silent
        root.setLevel(level)
        root.removeHandler(collector)
