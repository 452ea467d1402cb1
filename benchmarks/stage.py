"""What the rows share: trees that are made once, the emulator, configurations, the peers, how long and how often.

Rule: everything lies below one temporary folder, and is gone at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.peers import Peers
from benchmarks.processes import SECRET_VARIABLE, TCBSYNC, service, timed, until
from benchmarks.script import Sender
from benchmarks.trees import APPID, ENV, MIRROR, PREFIX, import_proved, make_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.processes import Cost, Service

ASSET_BYTES = 10 * 1024
NOWHERE = "http://127.0.0.1:9"


class Still(NamedTuple):
    """A tree of which the manifest in `state` says that the cloud has all of it, and a copy of it for peers."""

    root: Path
    copy: Path
    state: Path
    files: int


@dataclass(slots=True)
class Cloud:
    """The emulator, asked by its own inspection API."""

    url: str
    process: Service

    def counters(self) -> dict[str, Any]:
        """Give the totals by call."""
        answer: dict[str, Any] = self._get("counters")
        return answer

    def count(self, call: str) -> int:
        """Give how often a call was answered."""
        return int(self.counters()["calls"].get(call, 0))

    def objects(self) -> dict[str, dict[str, Any]]:
        """Give every object by its path below the prefix."""
        return {each["key"].removeprefix(PREFIX): each for each in self._get("objects")}

    def log(self) -> list[dict[str, Any]]:
        """Give the newest requests, oldest first."""
        entries: list[dict[str, Any]] = self._get("log")
        return entries

    def set_latency(self, seconds: float) -> None:
        """Let every answer take so long from now on."""
        body = json.dumps({"seconds": seconds}).encode()
        urllib.request.urlopen(f"{self.url}/_emulator/latency", body).close()

    def wait_for(self, call: str, count: int) -> None:
        """Wait until a call was answered so often."""
        until(lambda: self.count(call) >= count, f"{count} times {call}; counted: {self.counters()}", pause=0.1)

    def _get(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_emulator/{what}") as answer:
            return json.load(answer)


@dataclass(slots=True)
class Stage:
    """One run of the benchmarks. `files` and `pairs` are what the command line asked for, `full` for the long ones."""

    place: Path
    files: int | None = None
    pairs: int | None = None
    full: bool = False
    peers: Peers = field(default_factory=Peers)
    _stills: dict[tuple[int, int], Still] = field(default_factory=dict)
    _trees: dict[int, Path] = field(default_factory=dict)
    _number: int = 0

    def size(self, usual: int) -> int:
        """Say how many files a row takes."""
        return self.files or usual

    def turns(self, usual: int) -> range:
        """Say how many pairs a row runs."""
        return range(self.pairs or usual)

    def folder(self) -> Path:
        """Make a folder that nobody else has."""
        self._number += 1
        folder = self.place / f"{self._number:03}"
        folder.mkdir()
        return folder

    def still(self, files: int, per_directory: int = 100) -> Still:
        """Give a tree of empty files that the cloud is said to have, and its copy; made once."""
        known = self._stills.get((files, per_directory))
        if known is None:
            self.check_room(2 * files, 0)
            place = self.folder()
            known = Still(place / "root", place / "copy", place / "state", files)
            make_tree(known.root, files, per_directory, 0)
            make_tree(known.copy, files, per_directory, 0)
            with self.emulator(place) as cloud:
                bucket = Sender(cloud.url).link("any")["file_id"].removeprefix(f"cloud://{ENV}.").partition("/")[0]
            import_proved(known.root, self.configure(place, known.root, NOWHERE), bucket)
            self._stills[files, per_directory] = known
        return known

    def assets(self, files: int) -> Path:
        """Give a tree of files of 10 KiB, to be sent but not changed; made once."""
        if files not in self._trees:
            self.check_room(3 * files, 3 * files * (ASSET_BYTES + 4096))
            self._trees[files] = self.folder() / "assets"
            make_tree(self._trees[files], files, 100, ASSET_BYTES)
        return self._trees[files]

    def check_room(self, files: int, size: int) -> None:
        """Raise OSError where the temporary folder has not the room."""
        room = os.statvfs(self.place)
        if (room.f_files and room.f_favail < files) or room.f_bavail * room.f_frsize < size:
            raise OSError(f"{self.place} has no room for {files} files of {size} bytes in all; TMPDIR names another")

    def configure(
        self, place: Path, root: Path, url: str, *, service: Sequence[str] = (), mirror: Sequence[str] = ()
    ) -> Path:
        """Write a configuration for one mirror; its state lies beside it. All else is as it is by default."""
        path = place / "config.yaml"
        path.write_text(
            f"state_dir: {place}/state\n"
            f"service: {{{', '.join([f'api_base: {url!r}', *service])}}}\n"
            f"credentials: {{appid: {APPID}, secret_env: {SECRET_VARIABLE}}}\n"
            f"mirrors: [{{{', '.join([f'name: {MIRROR}, root: {root}, env: {ENV}, prefix: {PREFIX}', *mirror])}}}]\n"
        )
        return path

    @contextlib.contextmanager
    def emulator(self, place: Path, latency: float = 0.0, *options: str) -> Iterator[Cloud]:
        """Run the emulator for as long as the block lasts; its objects lie in `place`."""
        command = [*TCBSYNC, "emulator", "--listen", "127.0.0.1:0", "--data", str(place / "cloud")]
        with service([*command, "--latency", str(latency), *options], place / "emulator.log") as process:
            until(lambda: process.has_printed(";"), "the emulator does not listen", patience=30)
            yield Cloud(
                next(word for word in process.log().replace(";", " ").split() if word.startswith("http://")), process
            )

    def sync(self, place: Path, config: Path) -> Cost:
        """Run `tcbsync sync`, the whole process."""
        return timed([*TCBSYNC, "sync", "-c", str(config)], place / "sync.log")


def remove(folder: Path) -> None:
    """Remove a folder of any number of files."""
    subprocess.run(["rm", "-rf", str(folder)], check=True)
