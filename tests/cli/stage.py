"""What the tests of the command line share: a folder, a cloud over HTTP, a configuration, and ways to run verbs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tcbsync.cli.main import main
from tcbsync.emulator.server import Emulator, Fault, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

HOUSE = Path(__file__).parent.parent.parent
SECRET_VARIABLE = "TCBSYNC_TEST_SECRET"
SECRET = "hush-hush-hush"
ENV = "test-env"
PREFIX = "site/"
TROUBLED = Fault(call="cos", kind="http", status=500, key=f"{PREFIX}*slow*")
REFUSED = Fault(call="uploadfile", kind="errcode", errcode=40097, errmsg="not this one", key=f"{PREFIX}*bad*")
POWERLESS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
"""Run what follows as a user whom file modes bind."""


class Result(NamedTuple):
    """What a verb did: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, which is JSON and nothing else."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@contextlib.contextmanager
def emulating(settings: Settings) -> Iterator[Emulator]:
    """Serve a cloud from a thread with a loop of its own, for verbs that bring theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="emulator", daemon=True)
    thread.start()
    emulator = Emulator(settings)
    asyncio.run_coroutine_threadsafe(emulator.__aenter__(), loop).result(60)
    try:
        yield emulator
    finally:
        asyncio.run_coroutine_threadsafe(_close(emulator), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def _close(emulator: Emulator) -> None:
    await emulator.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}  # requests that a fault keeps waiting
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class Stage:
    """A place to try verbs in. `cloud` is served until the test ends, or until `close_cloud`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.state_dir = folder / "state"
        self.config = folder / "config.yaml"
        self._capsys = capsys
        self._closing = contextlib.ExitStack()
        self.cloud = self._closing.enter_context(emulating(Settings(data=folder / "cloud", secret=SECRET)))
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Write the configuration. Changes are of the mirror `site`, but for those of whole sections."""
        service = {
            "api_base": self.cloud.url,
            "attempts": 2,
            "retry_seconds": 0.001,
            "retry_max_seconds": 0.01,
            **changes.pop("service", {}),
        }
        credentials = changes.pop("credentials", {"appid": "wx-test", "secret_env": SECRET_VARIABLE})
        more = changes.pop("mirrors", [])
        web, notify = changes.pop("web", None), changes.pop("notify", None)
        site = {"name": "site", "root": str(self.root), "env": ENV, "prefix": PREFIX, **changes}
        whole = {
            "state_dir": str(self.state_dir),
            "service": service,
            "credentials": credentials,
            "mirrors": [site, *more],
            "web": web,
            "notify": notify,
        }
        self.config.write_text(yaml.safe_dump(whole), "utf-8")

    def close_cloud(self) -> None:
        """Serve no longer: connections are refused."""
        self._closing.close()

    def write(self, **files: str) -> None:
        """Write files of the root; `__` in a name stands for a slash, a name without a dot gets `.txt`."""
        for name, text in files.items():
            path = self.root / (name.replace("__", "/") + ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")

    def refuse(self) -> None:
        """Let the cloud refuse, for good, every file with `bad` in its name."""
        self.cloud.install(REFUSED)

    def trouble(self) -> None:
        """Let the cloud fail, for now, with every file that has `slow` in its name. One upload at a time.

        A file before it in the alphabet shows that the trouble is the file's, and not the service's.
        """
        self.configure(service={"uploads": 1})
        self.write(a="a")
        self.cloud.install(TROUBLED)

    @property
    def calls(self) -> int:
        """How many requests of any kind the cloud has had."""
        return sum(self.cloud.counters.calls.values())

    def objects(self) -> dict[str, bytes]:
        """Everything that the cloud holds, without the prefix."""
        return {key.removeprefix(PREFIX): self.cloud.read(env, key) for env, key in self.cloud.objects() if env == ENV}

    def run(self, verb: str, *arguments: object) -> Result:
        """Run a verb in this process."""
        self._capsys.readouterr()
        code = main([verb, "-c", str(self.config), *map(str, arguments)])
        return Result(code, *self._capsys.readouterr())

    def command(self, verb: str, *arguments: object, before: list[str] | None = None) -> list[str]:
        """Give the command line of a verb for a process of its own."""
        python = [sys.executable, "-m", "tcbsync"]
        return [*(before or []), *python, verb, "-c", str(self.config), *map(str, arguments)]

    def spawn(self, verb: str, *arguments: object, before: list[str] | None = None) -> Result:
        """Run a verb in a process of its own, to its end."""
        command = self.command(verb, *arguments, before=before)
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", env=environment(), timeout=100, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def daemon(self, *arguments: str) -> Iterator[Daemon]:
        """Have `run` running in a process of its own; SIGTERM ends it, if the test did not."""
        log = self.config.with_name("daemon.log")
        with (
            log.open("wb") as output,
            subprocess.Popen(
                self.command("run", *arguments), stdout=output, stderr=output, env=environment()
            ) as process,
        ):
            daemon = Daemon(process, log)
            try:
                eventually(lambda: "started: " in daemon.log or process.poll() is not None)
                yield daemon
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                process.wait(60)


class Daemon(NamedTuple):
    """A running `run`."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8")


def environment(**more: str) -> dict[str, str]:
    """Give the environment of a process: this house's code, the secret, and nothing that would make it special."""
    special = ("TCBSYNC_", "PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONUTF8", "JOURNAL_STREAM")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(special)}
    return {**kept, "PYTHONPATH": str(HOUSE), SECRET_VARIABLE: SECRET, **more}


def alter(stage: Stage) -> None:
    """Mirror some files, then change the folder in every way that makes a line of the plan."""
    stage.write(same="same", changed="1", touched="t", gone="gone", sub__deep="deep")
    stage.run("sync")
    stage.write(changed="22", b_new="new", sub__a_new="newer")
    (stage.root / "touched.txt").touch()
    (stage.root / "gone.txt").unlink()
    (stage.root / "link").symlink_to("nowhere")
    for name in ("caf\u00e9", "cafe\u0301"):
        (stage.root / name).write_text(name, "utf-8")
