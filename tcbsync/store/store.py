"""Opens the state directory: the lock, the manifest, the writer, the copies. One process has it at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.store import shelf, snapshots
from tcbsync.store.database import FILE_NAME
from tcbsync.store.health import leave_mark
from tcbsync.store.lock import StateLock
from tcbsync.store.manifest import Manifest
from tcbsync.store.opening import open_manifest
from tcbsync.store.portable import merge
from tcbsync.store.reader import open_reader
from tcbsync.store.restore import register
from tcbsync.store.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from tcbsync.store.portable import Merged

log = logging.getLogger(__name__)

CARE_SECONDS = 60.0
"""So often it is asked whether a copy is due."""
TROUBLE_SECONDS = 600.0
"""A copy that could not be made is tried again after this."""


class Store:
    """The state of all mirrors, held exclusively until `close`. Made inside the event loop that uses it."""

    def __init__(self, state_dir: Path, what: str) -> None:
        """Lock and open `state_dir` in the name of `what`; a damaged manifest is restored.

        Raises StateLocked, StateDamaged, StateError.
        """
        self._lock = StateLock(state_dir, what)
        self._path = state_dir / FILE_NAME
        self._folder = state_dir / shelf.FOLDER
        try:
            self._opened = open_manifest(self._path, time.time())
        except BaseException:
            self._lock.close()
            raise
        self._connection, self._ledger = self._opened.connection, self._opened.ledger
        self._loop = asyncio.get_running_loop()
        self._damage: asyncio.Future[StateDamaged] = self._loop.create_future()
        self._is_copy_due = self._opened.is_copy_due
        self._trouble = ""
        self._writer = Writer(self._connection, self._path, self._ledger, self._on_damage)
        self._manifests: list[Manifest] = []

    async def manifest(self, name: str, env: str, prefix: str) -> Manifest:
        """Give the rows of one mirror; a new one is written down first."""

        def registered(connection: sqlite3.Connection) -> int:
            register(connection, name, env, prefix)
            number: int = connection.execute(
                "SELECT id FROM mirror WHERE (name, env, prefix) = (?, ?, ?)", (name, env, prefix)
            ).fetchone()[0]
            return number

        number = await self._writer.submit(registered)
        manifest = Manifest(open_reader(self._path, self._on_damage), number, self._writer)
        self._manifests.append(manifest)
        return manifest

    async def merge(self, file: Path) -> Merged:
        """Take in, all at once or not at all, what an export has and the manifest lacks. Raises StateError."""

        def work(connection: sqlite3.Connection) -> Merged:
            return merge(connection, file, time.time(), lambda: self._ledger.write(connection))

        return await self._writer.submit(work)

    async def touch(self) -> None:
        """Do nothing, in a transaction of its own, and wait until that is done. Raises StateError."""
        await self._writer.submit(lambda _connection: None)

    async def close(self) -> None:
        """Make what was submitted durable, and let go of the directory."""
        try:
            await self._writer.close()
            for manifest in self._manifests:
                manifest.close()
            if not self._damage.done():
                leave_mark(self._path, self._opened.checked_at)
        finally:
            self._lock.close()

    # -- care -------------------------------------------------------------------------------------------------------

    def _on_damage(self, error: StateDamaged) -> None:
        """Remember that the manifest is damaged; called from any thread."""

        def note() -> None:
            if not self._damage.done():
                self._damage.set_result(error)

        self._loop.call_soon_threadsafe(note)

    async def until_damaged(self) -> None:
        """Wait until the manifest is found damaged: whoever works by it has to end then. Raises StateDamaged only."""
        error = await asyncio.shield(self._damage)
        log.warning("%s; nothing more is done by it, and the next start restores it", error)
        raise error

    async def keep_copies(self) -> None:
        """Make a copy whenever one is due, for ever. Raises StateDamaged."""
        while True:
            await self.copy_if_due()
            await asyncio.sleep(TROUBLE_SECONDS if self._trouble else CARE_SECONDS)

    async def copy_if_due(self) -> None:
        """Make a copy of the manifest if one is due. Where that fails it is said, once. Raises StateDamaged."""
        try:
            if not self._is_copy_due and not await asyncio.to_thread(snapshots.is_due, self._folder, time.time()):
                return
            generation = await self._writer.submit(lambda _connection: self._ledger.begin())
            made = await asyncio.to_thread(snapshots.take, self._path, generation, time.time())
        except StateDamaged as error:
            self._on_damage(error)
            raise
        except (StateError, OSError) as error:
            if str(error) != self._trouble:
                log.warning("the manifest has no new copy: %s; it is tried again, and mirroring goes on", error)
            self._trouble = str(error)
        else:
            log.debug("a copy of the manifest was made: %s", made)
            self._is_copy_due, self._trouble = False, ""
