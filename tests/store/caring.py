"""What the tests of copies, ledgers and restoring share: a state directory that is opened, worked on, and damaged."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcbsync.core.model import Plan, State, Upload
from tcbsync.store import rows, shelf
from tcbsync.store.database import FILE_NAME
from tcbsync.store.ledger import Doubt, doubts
from tcbsync.store.store import Store
from tests.store.table import NOW, file, file_id, forget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.core.model import Record
    from tcbsync.store.manifest import Manifest

MIRROR = ("site", "env", "")


@dataclass
class Work:
    """A store that is open, and the rows of its one mirror."""

    store: Store
    manifest: Manifest

    async def send(self, *paths: str) -> None:
        """Let the first byte of these files leave."""
        for path in paths:
            await self.manifest.write(rows.expect, Plan(uploads=[Upload(file(path), replaces=False)]), NOW)
            await self.manifest.write(rows.sending, file(path), file_id(path))

    async def prove(self, *paths: str) -> None:
        """Upload these files."""
        await self.send(*paths)
        for path in paths:
            await self.manifest.write(rows.prove, file(path), NOW)

    async def delete(self, *paths: str) -> None:
        """Delete these objects, and forget them."""
        for path in paths:
            await self.manifest.write(rows.expect, forget(path, was_sent=True), NOW)
            await self.manifest.write(rows.deleting, [path])
            await self.manifest.write(rows.remove, [path], NOW)

    async def copy(self) -> None:
        """Make a copy, whether one is due or not."""
        self.store._is_copy_due = True
        await self.store.copy_if_due()
        assert not self.store._is_copy_due, "no copy was made"

    def row(self, path: str) -> Record | None:
        """Give one row."""
        return self.manifest.record(path)

    def told(self) -> tuple[str, int]:
        """Give what the mirror says of its restoring, and whether rows were lost."""
        row = self.manifest.mirror()
        return row.restored, row.gap


@dataclass
class Place:
    """A state directory."""

    state: Path

    @property
    def database(self) -> Path:
        """Where the manifest is."""
        return self.state / FILE_NAME

    @property
    def folder(self) -> Path:
        """Where the copies and ledgers are."""
        return self.state / shelf.FOLDER

    @contextlib.asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """Open it, as every process does that writes; and close it at the end."""
        store = Store(self.state, "test")
        try:
            yield Work(store, await store.manifest(*MIRROR))
        finally:
            await store.close()

    async def with_copy(self) -> None:
        """Leave a manifest with a copy that knows `old`; `new` came since, `gone` went, and `changed` changed."""
        async with self.work() as work:
            await work.prove("old", "gone", "changed")
            await work.copy()
            await work.prove("d/new", "changed")
            await work.delete("gone")

    def lines(self) -> list[Doubt]:
        """Read every ledger."""
        return list(doubts(self.folder, 0))

    def paths(self) -> list[str]:
        """Say which paths the ledgers name, in their order."""
        return [doubt.path for doubt in self.lines()]

    def damage(self, at: int = 4096, count: int = 8192) -> None:
        """Overwrite a part of the manifest, as a faulty disk does."""
        content = bytearray(self.database.read_bytes())
        content[at : at + count] = b"\xa5" * len(content[at : at + count])
        self.database.write_bytes(content)

    def aside(self) -> list[Path]:
        """Give the manifests that were moved aside."""
        return sorted(self.state.glob("manifest.db.damaged-*"))


def in_doubt(record: Record | None) -> bool:
    """Whether a row says that there may be an object, that nothing is sure of it, and that no file equals it."""
    assert record is not None
    fields: tuple[Any, ...] = (record.state, record.digest, record.was_sent, record.inode)
    return fields == (State.UPLOAD, None, True, -1)


def wanted(path: str) -> Plan:
    """Return a plan that wants a path gone which is surely in the cloud."""
    return forget(path, was_sent=True)
