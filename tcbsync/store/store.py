"""Opens the state directory: the lock, the manifest, the writer. One process has it at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.store.database import FILE_NAME, open_database
from tcbsync.store.lock import StateLock
from tcbsync.store.manifest import Manifest
from tcbsync.store.reader import open_reader
from tcbsync.store.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


class Store:
    """The state of all mirrors, held exclusively until `close`. Made inside the event loop that uses it."""

    def __init__(self, state_dir: Path, what: str) -> None:
        """Lock and open `state_dir` in the name of `what`. Raises StateLocked, StateError."""
        self._lock = StateLock(state_dir, what)
        self._path = state_dir / FILE_NAME
        try:
            self._connection = open_database(self._path)
        except BaseException:
            self._lock.close()
            raise
        self._writer = Writer(self._connection, self._path)
        self._manifests: list[Manifest] = []

    async def manifest(self, name: str, env: str, prefix: str) -> Manifest:
        """Give the rows of one mirror; a new one is written down first."""

        def register(connection: sqlite3.Connection) -> int:
            connection.execute("INSERT OR IGNORE INTO mirror (name, env, prefix) VALUES (?, ?, ?)", (name, env, prefix))
            number: int = connection.execute(
                "SELECT id FROM mirror WHERE (name, env, prefix) = (?, ?, ?)", (name, env, prefix)
            ).fetchone()[0]
            return number

        number = await self._writer.submit(register)
        manifest = Manifest(open_reader(self._path), number, self._writer)
        self._manifests.append(manifest)
        return manifest

    async def close(self) -> None:
        """Make what was submitted durable, and let go of the directory."""
        try:
            await self._writer.close()
            for manifest in self._manifests:
                manifest.close()
        finally:
            self._lock.close()
