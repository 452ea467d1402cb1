"""The real processes: an emulator, a daemon, single commands; real files, and a comparison byte for byte."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tcbsync import control
from tcbsync.core.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENV = "test2-4a89da"
PREFIX = "site/"
COMMAND = [sys.executable, "-m", "tcbsync"]
ENVIRONMENT = {**os.environ, "TCBSYNC_SECRET": "no-secret", "PYTHONUNBUFFERED": "1"}


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.03)


def fill(root: Path, files: int) -> None:
    """Make so many files of different sizes."""
    for number in range(files):
        file = root / f"d{number % 9}" / f"{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d " % number * (number % 50 + 1))


class Cloud:
    """An emulator in a process of its own, and what it knows."""

    def __init__(self, url: str, data: Path, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.data = data
        self.process = process

    def ask(self, name: str) -> Any:
        """Ask the emulator's inspection API."""
        with urllib.request.urlopen(f"{self.url}/_emulator/{name}", timeout=30) as answer:
            return json.load(answer)

    def tell(self, name: str, document: object = None) -> None:
        """Command it."""
        request = urllib.request.Request(f"{self.url}/_emulator/{name}", json.dumps(document).encode())
        with urllib.request.urlopen(request, timeout=30):
            pass

    def calls(self) -> dict[str, int]:
        """Count the requests so far, by call."""
        calls: dict[str, int] = self.ask("counters")["calls"]
        return calls

    def objects(self, prefix: str = PREFIX, env: str = ENV) -> dict[str, bytes]:
        """Give the bytes of every object below a prefix."""
        listed = self.ask(f"objects?env={env}")
        found = {each["key"]: self.data / each["place"] for each in listed if each["key"].startswith(prefix)}
        try:
            return {key.removeprefix(prefix): place.read_bytes() for key, place in found.items()}
        except FileNotFoundError:
            if self.ask(f"objects?env={env}") == listed:
                raise
            return self.objects(prefix, env)  # a delete was under way, whoever had asked for it

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self.process.terminate()
        self.process.wait(30)


@contextmanager
def cloud(data: Path, *options: str, listen: str = "127.0.0.1:0") -> Iterator[Cloud]:
    """Serve an emulator; it says on its first line where."""
    process = subprocess.Popen(
        [*COMMAND, "emulator", "--listen", listen, "--data", str(data), *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        (url,) = re.findall(r"http://[\w.:]+\d", line)
        yield Cloud(url, data, process)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


@dataclass
class House:
    """A configuration with one mirror, its root, its state, and the commands on them."""

    place: Path
    url: str
    options: dict[str, Any]
    before: tuple[str, ...] = ()
    """What the daemon is started with: a command that takes rights or limits away, say, and goes on as the daemon."""

    def __post_init__(self) -> None:
        self.root = self.place / "root"
        self.root.mkdir(parents=True, exist_ok=True)
        self.config = self.place / "config.yaml"
        self.log = self.place / "run.log"
        self.configure(**dict(self.options))

    def configure(self, **options: Any) -> None:
        """Write the configuration; options are those of the mirror, but for `service`, `notify` and `web`.

        No page is served unless `web` says where.
        """
        service, web = options.pop("service", {}), options.pop("web", None)
        notify = options.pop("notify", None)
        mirror = {
            "name": "site",
            "root": str(self.root),
            "env": ENV,
            "prefix": PREFIX,
            "guard": {"max_deletes": None, "max_delete_percent": None},
            "delete_grace_seconds": 0.3,
            "quiet_seconds": 0.3,
            "blind_rescan_seconds": 2,
            **options,
        }
        document = {
            "state_dir": str(self.place / "state"),
            "service": {"api_base": self.url, "retry_seconds": 0.05, "retry_max_seconds": 0.2, **service},
            "credentials": {"appid": "wx0123456789abcdef", "secret_env": "TCBSYNC_SECRET"},
            "mirrors": [mirror],
            "web": web,
            "notify": notify,
        }
        self.config.write_text(yaml.safe_dump(document))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end."""
        verb, *rest = words
        return subprocess.run(
            [*COMMAND, verb, "-c", str(self.config), *rest],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=100,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """Ask for the status as a script does."""
        answer = self.command("status", "--json")
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def state(self) -> str:
        """Ask the daemon itself for the state of the one mirror; while it starts or stops there is none."""
        try:
            answer = asyncio.run(control.ask(self.place / "state", "status"))
        except (StateError, OSError):
            return "unknown"
        state: str = answer["mirrors"][0]["state"]
        return state

    def disk(self) -> dict[str, bytes]:
        """Give every file that should be mirrored."""
        files = (file for file in self.root.rglob("*") if file.is_file() and not file.is_symlink())
        paths = {file.relative_to(self.root).as_posix(): file for file in files}
        return {path: file.read_bytes() for path, file in paths.items() if not f"/{path}".count("/.git/")}

    def is_equal(self, cloud: Cloud) -> bool:
        """Whether disk and cloud hold the same, byte for byte."""
        try:
            return self.disk() == cloud.objects()
        except FileNotFoundError:  # it went while it was read
            return False

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Let the daemon run until the end of the block, and see that it ends as it should."""
        with self.started() as process:
            yield process
            assert process.poll() is None, self.log.read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, self.log.read_text()

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start the daemon; however the block ends, it is gone afterwards."""
        with self.log.open("ab") as log:
            command = [*self.before, *COMMAND, "run", "-c", str(self.config)]
            process = subprocess.Popen(command, stderr=log, env=ENVIRONMENT)
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)
