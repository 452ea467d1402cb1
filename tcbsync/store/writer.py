"""One thread that writes to the manifest, and commits for all who wait at that moment.

Sixty-four uploads in flight do not wait for one fsync each: what is submitted while a commit runs goes into the next
one together. Work is carried out in the order in which it was submitted. What a commit makes unsure is in the ledger
before it, and a future is done when the commit is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.store.database import unusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.store.ledger import Ledger

Result = TypeVar("Result")

GROUP = 1024
"""At most so many pieces of work in one transaction."""
GATHER_SECONDS = 0.01
"""Where several wrote at once, the next commit begins so much later: each costs a sync, and wakes two threads."""


@dataclass(slots=True)
class _Piece:
    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Writer:
    """The one connection that writes. Belongs to the event loop it was made in."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        ledger: Ledger | None = None,
        on_damage: Callable[[StateDamaged], None] = lambda _error: None,
    ) -> None:
        """Write to `connection`. `on_damage` is called, in the writer's thread, where the file is found damaged."""
        self._connection = connection
        self._path = path
        self._ledger = ledger
        self._on_damage = on_damage
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="manifest-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        """Carry out `work` in a transaction; the future is done when that is durable. Raises StateError."""
        if self._is_closed:
            raise StateError(f"the manifest {self._path} is closed")
        piece = _Piece(work, self._loop.create_future())
        self._pieces.put(piece)
        return piece.future

    async def close(self) -> None:
        """Finish what was submitted, and close the connection: all that was written is in the one file then."""
        self._is_closed = True
        self._pieces.put(None)
        await asyncio.to_thread(self._thread.join)
        with contextlib.suppress(sqlite3.Error):  # also where somebody still reads
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        if self._ledger is not None:
            self._ledger.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group: list[_Piece] = []
            piece = self._pieces.get()
            while piece is not None:
                group.append(piece)
                if len(group) == GROUP or self._pieces.empty():
                    break
                piece = self._pieces.get()
            is_open = piece is not None
            if group:
                self._commit(group)
                self._loop.call_soon_threadsafe(_answer, group)
            if is_open and len(group) > 1:
                time.sleep(GATHER_SECONDS)

    def _commit(self, group: list[_Piece]) -> None:
        try:
            self._transact(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who submitted the work
            if len(group) == 1:
                group[0].error = unusable(self._path, error) if isinstance(error, sqlite3.Error) else error
                if isinstance(group[0].error, StateDamaged):
                    self._on_damage(group[0].error)
                return
            for piece in group:  # one of them spoiled the transaction for all: each on its own
                self._commit([piece])

    def _transact(self, group: list[_Piece]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for piece in group:
                piece.result = piece.work(self._connection)
            if self._ledger is not None:
                self._ledger.write(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._ledger is not None:
                self._ledger.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _answer(group: list[_Piece]) -> None:
    for piece in group:
        if piece.future.done():
            continue
        if piece.error is None:
            piece.future.set_result(piece.result)
        else:
            piece.future.set_exception(piece.error)
