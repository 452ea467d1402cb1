"""A manifest of an older version is brought up to date, and kept as it was beside that."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tcbsync.core.errors import StateError
from tcbsync.store import shelf
from tcbsync.store.database import MIGRATIONS
from tests.store.caring import Place

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


def test_there_is_a_fixture_for_every_schema() -> None:
    """As the version that had it left a manifest. A new schema comes with its own."""
    found = {int(path.stem) for path in FIXTURES.glob("*.sql")}

    assert found == set(range(1, len(MIGRATIONS) + 1))


def dumped(path: Path, table: str) -> list[dict[str, object]]:
    """Read a whole table, by column."""
    connection = sqlite3.connect(path)
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    found = [dict(zip(columns, row, strict=True)) for row in cursor]
    connection.close()
    return found


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
async def test_every_schema_migrates_with_all_rows(place: Place, version: int) -> None:
    """Each column of each row is as it was; and what it was is kept as a copy."""
    place.state.mkdir()
    connection = sqlite3.connect(place.database)
    connection.executescript((FIXTURES / f"{version}.sql").read_text())
    connection.close()
    before = {table: dumped(place.database, table) for table in ("mirror", "file", "problem")}

    async with place.work():
        pass

    after = {table: dumped(place.database, table) for table in before}
    after["mirror"] = [row for row in after["mirror"] if row["id"] != 3]  # the mirror of this test
    for table, found in before.items():
        assert [{column: row[column] for column in found[0]} for row in after[table]] == found
    copies = shelf.copies(place.folder)
    assert len(copies) == (0 if version == len(MIGRATIONS) else 1)
    assert all(dumped(copy.path, "file") == before["file"] for copy in copies)


async def test_a_migration_without_room_for_a_copy_waits(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest stays as it was; with room, the start succeeds."""
    place.state.mkdir()
    connection = sqlite3.connect(place.database)
    connection.executescript((FIXTURES / "1.sql").read_text())
    connection.close()

    def no_room(*_paths: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tcbsync.store.snapshots._copy", no_room)
        with pytest.raises(StateError, match="no copy of the manifest can be made"):
            async with place.work():
                pass
    version = sqlite3.connect(place.database).execute("PRAGMA user_version").fetchone()
    async with place.work():
        pass

    assert version == (1,)
    assert len(shelf.copies(place.folder)) == 1
