"""Grouped commits: many wait for one, one error is one piece's own, and what was acknowledged is on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError
from tcbsync.store.database import open_database
from tcbsync.store.writer import GROUP, Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

INSERT = "INSERT INTO mirror (name, env, prefix) VALUES (?, '', '')"


class Ledger:
    """A writer, and the statements that its connection carried out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = open_database(path)
        self.statements: list[str] = []
        self.connection.set_trace_callback(self.statements.append)
        self.writer = Writer(self.connection, path)

    def insert(self, name: object) -> asyncio.Future[None]:
        """Write one row."""
        return self.writer.submit(adding(name))

    @property
    def commits(self) -> int:
        """How many transactions were made durable."""
        return self.statements.count("COMMIT")

    def names(self) -> list[str]:
        """Return what another connection sees, in the order in which it was written."""
        with sqlite3.connect(self.path) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM mirror ORDER BY id")]
        connection.close()
        return names


def adding(name: object) -> Callable[[sqlite3.Connection], None]:
    """Return work that writes one row."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute(INSERT, (name,))

    return work


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """Return a writer of a new manifest."""
    ledger = Ledger(tmp_path / "manifest.db")
    yield ledger
    await ledger.writer.close()


class Gate:
    """Work that stops the writer until it is opened, so that other work gathers behind it."""

    def __init__(self, writer: Writer) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()
        self.future = writer.submit(self._wait)
        assert self._reached.wait(30)

    def _wait(self, _connection: sqlite3.Connection) -> None:
        self._reached.set()
        assert self._opened.wait(30)

    async def open(self) -> None:
        """Let the writer go on."""
        self._opened.set()
        await self.future


async def test_a_future_that_is_done_is_durable(ledger: Ledger) -> None:
    """Another connection sees it."""
    await ledger.insert("a")

    assert ledger.names() == ["a"]


async def test_work_gives_its_result(ledger: Ledger) -> None:
    """Each piece its own."""
    first, second = await asyncio.gather(
        ledger.writer.submit(lambda _connection: 1), ledger.writer.submit(lambda _connection: "two")
    )

    assert (first, second) == (1, "two")


async def test_those_who_wait_together_share_a_commit(ledger: Ledger) -> None:
    """Sixty-four uploads in flight do not wait for one sync each."""
    gate = Gate(ledger.writer)
    futures = [ledger.insert(number) for number in range(64)]
    before = ledger.commits

    await gate.open()
    await asyncio.gather(*futures)

    assert ledger.commits - before == 2  # the gate's own, and one for all of them
    assert len(ledger.names()) == 64


async def test_a_group_has_a_limit(ledger: Ledger) -> None:
    """More than fit into one transaction make two."""
    gate = Gate(ledger.writer)
    futures = [ledger.insert(number) for number in range(GROUP + 1)]

    await gate.open()
    await asyncio.gather(*futures)

    assert ledger.commits == 3
    assert len(ledger.names()) == GROUP + 1


async def test_writers_that_never_pause_share_commits(ledger: Ledger) -> None:
    """Without a gate: while one commit runs, the work of all others gathers."""

    async def upload(number: int) -> None:
        for step in range(20):
            await ledger.insert(f"{number}-{step}")

    await asyncio.gather(*(upload(number) for number in range(64)))

    assert len(ledger.names()) == 64 * 20
    assert ledger.commits < 64 * 20 / 4


async def test_those_who_come_one_by_one_share_commits_too(ledger: Ledger) -> None:
    """Where several write, a commit waits a moment for the next ones; a lone writer waits for nobody."""
    await asyncio.gather(*(ledger.insert(f"together {number}") for number in range(2)))
    before = ledger.commits

    futures = []
    for number in range(100):
        futures.append(ledger.insert(number))
        await asyncio.sleep(0.0005)
    await asyncio.gather(*futures)

    assert ledger.commits - before < 50


async def test_work_is_done_in_the_order_in_which_it_was_submitted(ledger: Ledger) -> None:
    """Within a group, and from one to the next."""
    gate = Gate(ledger.writer)
    futures = [ledger.insert(number) for number in range(100)]

    await gate.open()
    await asyncio.gather(*futures)

    assert ledger.names() == [str(number) for number in range(100)]


async def test_an_error_is_the_submitters_own(ledger: Ledger) -> None:
    """The others in its group are written, in their order; what the failed piece wrote itself is not."""

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute(INSERT, ("half done",))
        raise LookupError("a defect")

    gate = Gate(ledger.writer)
    futures = [ledger.insert("a"), ledger.writer.submit(spoil), ledger.insert("b")]

    await gate.open()
    results = await asyncio.gather(*futures, return_exceptions=True)

    assert [type(result) for result in results] == [type(None), LookupError, type(None)]
    assert ledger.names() == ["a", "b"]


async def test_sqlites_error_names_the_file(ledger: Ledger) -> None:
    """It comes as a StateError, and the writer goes on."""
    await ledger.insert("a")

    with pytest.raises(StateError, match=f"{ledger.path} cannot be used: UNIQUE constraint failed"):
        await ledger.insert("a")
    await ledger.insert("b")

    assert ledger.names() == ["a", "b"]


async def test_work_goes_on_although_nobody_waits_any_more(ledger: Ledger) -> None:
    """A future that was cancelled takes nothing back: what was submitted is written."""
    gate = Gate(ledger.writer)
    cancelled = ledger.insert("a")
    after = ledger.insert("b")

    cancelled.cancel()
    await gate.open()
    await after

    assert ledger.names() == ["a", "b"]


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    """Nothing that was taken is dropped."""
    ledger = Ledger(tmp_path / "manifest.db")
    futures = [ledger.insert(number) for number in range(50)]

    await ledger.writer.close()

    assert all(future.done() for future in futures)
    assert len(ledger.names()) == 50


async def test_what_comes_after_closing_is_refused(tmp_path: Path) -> None:
    """It does not wait for ever."""
    ledger = Ledger(tmp_path / "manifest.db")
    await ledger.writer.close()

    with pytest.raises(StateError, match="is closed"):
        await ledger.insert("late")


WRITE_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from tcbsync.store.database import open_database
from tcbsync.store.writer import Writer

async def main() -> None:
    path = Path(sys.argv[1])
    writer = Writer(open_database(path), path)

    async def write(who: int) -> None:
        for step in range(1_000_000):
            await writer.submit(
                lambda connection: connection.execute(
                    "INSERT INTO mirror (name, env, prefix) VALUES (?, '', '')", (f"{who}-{step}",)
                ) and None
            )
            print(f"{who}-{step}", flush=True)

    await asyncio.gather(*(write(who) for who in range(16)))

asyncio.run(main())
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Killed in the middle of its work, a process leaves every row that it said it had written."""
    path = tmp_path / "manifest.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(500)]
        process.kill()
        acknowledged += process.stdout.read().splitlines(keepends=True)

    connection = open_database(path)
    written = {row[0] for row in connection.execute("SELECT name FROM mirror")}
    integrity = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()

    complete = {line[:-1] for line in acknowledged if line.endswith("\n")}
    assert len(complete) >= 500
    assert complete <= written
    assert integrity == ("ok",)
