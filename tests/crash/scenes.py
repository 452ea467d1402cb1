"""The scenes that a crash falls into, each with the work that is cut off, and how it is prepared."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING

from tcbsync.store.database import FILE_NAME, MIGRATIONS
from tests.crash.matrix import Boundary, Matrix, daemon, sync
from tests.crash.stage import Scene
from tests.crash.tree import AFTER, BEFORE, FIRST, plant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.crash.nursery import Nursery

LOG_PAGES = 8
"""So small a write-ahead log is moved into the database several times in a scene."""
UPLOADS = 16
MIGRATION = "after a migration"

OLD = tuple(f"schema {version}" for version in range(1, len(MIGRATIONS)))
"""The scenes that begin with a manifest of an older version."""


def every(name: str, kinds: Sequence[str]) -> list[Boundary]:
    """Give every boundary of a scene. A migration is tried to its end: what follows is another scene's."""
    last = len(kinds)
    if name in OLD:
        last -= kinds[::-1].index(MIGRATION)
    return [Boundary(kind, nth) for kind, count in Counter(kinds[:last]).items() for nth in range(1, count + 1)]


def some(kinds: Sequence[str]) -> list[Boundary]:
    """Give some boundaries of each kind: the first, the one in the middle, the last."""
    counts = Counter(kinds).items()
    return [Boundary(kind, nth) for kind, count in counts for nth in sorted({1, (count + 1) // 2, count})]


def play(name: str, place: Path, nursery: Nursery) -> tuple[Matrix, list[str]]:
    """Prepare the scene `name` in `place`, which must not exist, and give the kinds of the boundaries in it.

    `first`: a new state directory. `changed`: every kind of change since the last sync. `crowded`: the same with many
    uploads at once. `daemon`: the same, by `run`. `schema N`: the same, from a manifest of that version.
    """
    place.mkdir(parents=True)
    scene = Scene(place / "root", place / "state", place / "cloud")
    scene.root.mkdir()
    if name == "first":
        plant(scene.root, FIRST)
    else:
        plant(scene.root, BEFORE)
        _mirror(scene, nursery)
        plant(scene.root, AFTER)
    if name in OLD:
        _date_back(scene.state / FILE_NAME, int(name.split()[1]))
    matrix = Matrix(
        scene._replace(slots=UPLOADS if name == "crowded" else 1),
        daemon if name == "daemon" else sync,
        LOG_PAGES if name == "changed" else None,
    )
    return matrix, matrix.count(place / "counting", nursery)


def _mirror(scene: Scene, nursery: Nursery) -> None:
    with scene._replace(slots=UPLOADS).stage(scene.root.with_name("making"), nursery) as stage:
        assert stage.run("sync") == 0, stage.output.read_text()
        shutil.copytree(stage.state, scene.state)
        shutil.copytree(stage.place / "cloud", scene.cloud)


def _date_back(manifest: Path, version: int) -> None:
    """Put a manifest of an older version in its place, with the same rows."""
    newer = manifest.rename(manifest.with_name("newer"))
    with contextlib.closing(sqlite3.connect(manifest)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.executescript("".join(MIGRATIONS[:version]) + f"PRAGMA user_version = {version};")
        connection.execute("ATTACH ? AS newer", (str(newer),))
        for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT OR REPLACE INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        connection.commit()
    newer.unlink()
