"""Where a crash is tried: a root, a state directory, a cloud over real HTTP, and processes from a nursery.

A stage can be set back: state directory and cloud are copied aside, and every try begins with a copy. The root is not:
a copy of it would have other inodes and times than the manifest knows, and nothing writes to it but the tests.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import yaml

from tcbsync.core.model import State
from tcbsync.emulator.server import Settings
from tcbsync.store.database import FILE_NAME
from tests.cli.stage import emulating, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tests.crash.death import Arms
    from tests.crash.nursery import Nursery

ENV = "test2-4a89da"
PREFIX = "site/"


class Row(NamedTuple):
    """A row of the manifest, as far as a crash may not harm it."""

    state: int
    digest: str | None
    file_id: str | None


class Object(NamedTuple):
    """An object in the cloud."""

    md5: str
    content: bytes


@dataclass
class Stage:
    """One try's surroundings. `place` holds everything but the root."""

    place: Path
    root: Path
    nursery: Nursery
    emulator: Emulator
    slots: int = 1
    """How many uploads may be in flight."""

    @property
    def state(self) -> Path:
        return self.place / "state"

    @property
    def output(self) -> Path:
        return self.place / "output"

    @property
    def config(self) -> Path:
        """Write the configuration anew: each emulator has its own address."""
        mirror = {
            "name": "site",
            "root": str(self.root),
            "env": ENV,
            "prefix": PREFIX,
            "guard": {"max_deletes": None, "max_delete_percent": None},
            "quiet_seconds": 0.05,
            "delete_grace_seconds": 0.1,
        }
        service = {
            "api_base": self.emulator.url,
            "uploads": self.slots,
            "deletes": 1 if self.slots == 1 else 4,
            "retry_seconds": 0.01,
            "retry_max_seconds": 0.05,
        }
        path = self.place / "config.yaml"
        credentials = {"appid": "wx0123456789abcdef", "secret_env": "TCBSYNC_SECRET"}
        whole = {
            "state_dir": str(self.state),
            "service": service,
            "credentials": credentials,
            "mirrors": [mirror],
            "web": None,
        }
        path.write_text(yaml.safe_dump(whole), "utf-8")
        return path

    def bear(self, verb: str, arms: Arms | None = None) -> int:
        """Start a verb, and give its process."""
        return self.nursery.bear([verb, "-c", str(self.config)], arms, self.output)

    def run(self, verb: str, arms: Arms | None = None) -> int:
        """Carry out a verb to its end, and wait until the cloud has nothing more to do. Gives the exit code."""
        code = self.nursery.wait(self.bear(verb, arms))
        self.calm_down()
        return code

    def calm_down(self) -> None:
        """Wait until the cloud has answered, or given up on, whatever it was asked."""
        counters = self.emulator.counters
        eventually(lambda: not counters.at_once["all"] and not counters.connections)

    def disk(self) -> dict[str, bytes]:
        """Give every file of the root."""
        files = (file for file in self.root.rglob("*") if file.is_file())
        return {file.relative_to(self.root).as_posix(): file.read_bytes() for file in files}

    def objects(self) -> dict[str, Object]:
        """Give everything that the cloud holds, by path."""
        found = {}
        for (env, key), stored in self.emulator.objects().items():
            found[key.removeprefix(PREFIX)] = Object(stored.md5, self.emulator.read(env, key))
        return found

    def rows(self, state: Path | None = None) -> dict[str, Row]:
        """Give what the manifest says, by path. What is read is a copy: to open it is to mend it.

        Raises sqlite3.DatabaseError where it is damaged.
        """
        state = state or self.state
        if not (state / FILE_NAME).exists():
            return {}
        copy = self.place / "manifest to read"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in state.glob(f"{FILE_NAME}*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copy)
        with contextlib.closing(sqlite3.connect(copy / FILE_NAME)) as connection:
            if (said := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                raise sqlite3.DatabaseError(f"integrity_check: {said}")
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'file'").fetchone():
                return {}
            query = "SELECT directory, name, state, lower(hex(digest)), file_id FROM file"
            return {
                f"{directory}/{name}".lstrip("/"): Row(state, digest or None, file_id)
                for directory, name, state, digest, file_id in connection.execute(query)
            }

    def is_done(self) -> bool:
        """Whether disk, cloud and manifest say the same."""
        disk = self.disk()
        try:
            cloud, rows = self.objects(), self.rows()
        except (KeyError, FileNotFoundError, sqlite3.DatabaseError):
            return False  # it was at work while we looked
        is_equal = {path: found.content for path, found in cloud.items()} == disk
        return is_equal and rows.keys() == disk.keys() and all(row.state == State.PROVED for row in rows.values())

    def crossed(self) -> list[str]:
        """Give the kinds of the boundaries that the last armed process has crossed, in their order."""
        return (self.place / "log").read_text("utf-8").splitlines()

    def calls(self) -> dict[str, int]:
        """Count the requests since the try began, by call."""
        return dict(self.emulator.counters.calls)

    def uploads(self) -> dict[str, int]:
        """Count the uploads that the cloud has taken since the try began, by path."""
        counts: dict[str, int] = {}
        for entry in self.emulator.log:
            if entry.call == "cos" and 200 <= entry.status < 300:
                path = entry.key.removeprefix(PREFIX)
                counts[path] = counts.get(path, 0) + 1
        return counts


class Scene(NamedTuple):
    """A beginning that can be had again and again."""

    root: Path
    state: Path
    cloud: Path
    slots: int = 1

    @contextlib.contextmanager
    def stage(self, place: Path, nursery: Nursery) -> Iterator[Stage]:
        """Set the stage for one try, in `place`, which is gone afterwards."""
        place.mkdir()
        if self.state.exists():
            shutil.copytree(self.state, place / "state")
        if self.cloud.exists():
            shutil.copytree(self.cloud, place / "cloud")
        try:
            with emulating(Settings(data=place / "cloud")) as emulator:
                yield Stage(place, self.root, nursery, emulator, self.slots)
        finally:
            shutil.rmtree(place)
