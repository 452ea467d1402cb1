"""A state directory as a whole: locked, opened, shared by the mirrors, closed, and opened again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError, StateLocked
from tcbsync.core.model import Plan, State, Upload
from tcbsync.store import rows
from tcbsync.store.lock import holder
from tcbsync.store.manifest import Manifest
from tcbsync.store.reader import open_reader
from tcbsync.store.report import find_mirror
from tcbsync.store.store import Store
from tests.store.table import NOW, digest_of, file

if TYPE_CHECKING:
    from collections.abc import Iterable


def wanted(paths: Iterable[str]) -> Plan:
    """Return a plan that wants uploads."""
    return Plan(uploads=[Upload(file(path), replaces=False) for path in paths])


async def test_what_is_written_is_read(store: Store) -> None:
    """Queries answer from the last commit, which is that of the command before."""
    manifest = await store.manifest("site", "env", "")

    await manifest.write(rows.expect, wanted(["a", "d/b"]), NOW)

    assert manifest.records("").keys() == {"a"}
    assert manifest.directories("") == ["", "d"]


async def test_what_is_written_is_there_the_next_time(tmp_path: Path) -> None:
    """The state directory remembers."""
    store = Store(tmp_path, "test")
    manifest = await store.manifest("site", "env", "p/")
    await manifest.write(rows.expect, wanted(["a"]), NOW)
    await manifest.write(rows.sending, file("a"), "cloud://a")
    await manifest.write(rows.prove, file("a"), NOW)
    await store.close()

    store = Store(tmp_path, "test")
    manifest = await store.manifest("site", "env", "p/")

    record = manifest.record("a")
    assert record is not None
    assert (record.state, record.digest, record.was_sent) == (State.PROVED, digest_of("one"), True)
    await store.close()


async def test_a_mirror_is_its_name_env_and_prefix(store: Store) -> None:
    """One that goes elsewhere is another, with rows of its own: what is in the old place is not forgotten."""
    places = [("site", "env", ""), ("site", "env", "p/"), ("site", "other", ""), ("other", "env", "")]
    manifests = [await store.manifest(*place) for place in places]

    await manifests[0].write(rows.expect, wanted(["a"]), NOW)
    again = await store.manifest(*places[0])

    assert [manifest.files() for manifest in (*manifests, again)] == [1, 0, 0, 0, 1]


async def test_a_second_store_is_kept_out(store: Store, tmp_path: Path) -> None:
    """And the first one is not disturbed by its coming."""
    with pytest.raises(StateLocked, match="in use by tcbsync test"):
        Store(tmp_path / "state", "sync")

    manifest = await store.manifest("site", "env", "")
    await manifest.write(rows.expect, wanted(["a"]), NOW)
    assert holder(tmp_path / "state") is not None


async def test_a_manifest_that_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    """Whoever repairs it can start at once."""
    (tmp_path / "manifest.db").write_bytes(b"no database" * 100)

    with pytest.raises(StateError, match="file is not a database"):
        Store(tmp_path, "run")

    assert holder(tmp_path) is None


async def test_closing_lets_go(tmp_path: Path) -> None:
    """Of the lock, after everything was written."""
    store = Store(tmp_path, "run")
    manifest = await store.manifest("site", "env", "")
    pending = manifest.write(rows.expect, wanted(["a"]), NOW)

    await store.close()

    assert pending.done()
    assert holder(tmp_path) is None


async def test_others_may_read_while_it_is_open(store: Store, tmp_path: Path) -> None:
    """The status of a running daemon, from beside it."""
    manifest = await store.manifest("site", "env", "")
    await manifest.write(rows.expect, wanted(["a"]), NOW)

    reader = open_reader(tmp_path / "state" / "manifest.db")
    number = find_mirror(reader, "site", "env", "")

    assert number is not None
    assert Manifest(reader, number).files() == 1
    assert find_mirror(reader, "site", "env", "elsewhere/") is None
    reader.close()


async def test_reading_alone_writes_nothing(store: Store, tmp_path: Path) -> None:
    """A manifest that was opened for queries has no way to write."""
    await store.manifest("site", "env", "")
    manifest = Manifest(open_reader(tmp_path / "state" / "manifest.db"), 1)

    with pytest.raises(AssertionError, match="reading only"):
        manifest.write(rows.expect, wanted(["a"]), NOW)
    manifest.close()


async def test_a_thousand_files_at_once(store: Store) -> None:
    """Each one's steps, one after the other; all of them at the same time."""
    manifest = await store.manifest("site", "env", "")
    paths = [f"d{number % 7}/{number}" for number in range(1000)]
    await manifest.write(rows.expect, wanted(paths), NOW)

    async def upload(path: str) -> None:
        await manifest.write(rows.sending, file(path), f"cloud://{path}")
        assert (record := await asyncio.to_thread(manifest.record, path)) is not None
        assert (record.digest, record.was_sent) == (None, True)
        await manifest.write(rows.prove, file(path), NOW)

    await asyncio.gather(*(upload(path) for path in paths))

    assert manifest.is_equal()
    assert manifest.files() == 1000


UPLOAD_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from tcbsync.core.model import Plan, Upload
from tcbsync.store import rows
from tcbsync.store.store import Store
from tests.store.table import file

async def main() -> None:
    store = Store(Path(sys.argv[1]), "run")
    manifest = await store.manifest("site", "env", "")
    print("ready", flush=True)

    async def upload(number: int) -> None:
        for step in range(1_000_000):
            found = file(f"{number}/{step}")
            await manifest.write(rows.expect, Plan(uploads=[Upload(found, replaces=False)]), 0)
            await manifest.write(rows.sending, found, "id")
            print("sent", found.path, flush=True)
            await manifest.write(rows.prove, found, 0)
            print("proved", found.path, flush=True)

    await asyncio.gather(*(upload(number) for number in range(16)))

asyncio.run(main())
"""


async def test_a_kill_forgets_no_object(tmp_path: Path) -> None:
    """Killed amid uploads: each byte that left has its row, each proof is there, and the lock is free."""
    with subprocess.Popen(
        [sys.executable, "-c", UPLOAD_UNTIL_KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(300)]
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)

    store = Store(tmp_path, "run")
    manifest = await store.manifest("site", "env", "")

    steps = [line.split() for line in said[1:] if line.endswith("\n")]
    sent = {path for step, path in steps if step == "sent"}
    proved = {path for step, path in steps if step == "proved"}
    records = {path: manifest.record(path) for path in sent | proved}
    assert len(sent) > 16
    assert all(record is not None and record.was_sent for record in records.values())
    assert all((record := records[path]) is not None and record.state == State.PROVED for path in proved)
    await store.close()
