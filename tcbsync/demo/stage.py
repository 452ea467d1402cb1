"""The stage: a temporary folder with a configuration, the emulator and the daemon; and the question "equal yet?".

Rule: whatever happens inside `stage`, neither a process nor the folder outlives it.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tcbsync.demo.compare import Difference, Folder, Tree, byte_differences, differences
from tcbsync.demo.inspection import Counted, Inspection
from tcbsync.demo.processes import Child, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tcbsync.demo.interrupt import Interruption

Answer = TypeVar("Answer")

ENV = "demo"
SECRET_VARIABLE, SECRET = "TCBSYNC_DEMO_SECRET", "demo-secret"
UPLOADS = 16
"""Files in flight at once, said in the configuration because a step relies on it."""
PATIENCE_SECONDS = 20.0
"""So long may nothing move before a step is given up."""
PAUSE_SECONDS = 0.02
END_SECONDS = 10.0
CLOSE_SECONDS = 3.0
LOG_LINES = 12

CONFIG = """\
# Written by `tcbsync demo`. config.example.yaml explains every option.
state_dir: {state}
service:
  api_base: {url}
  uploads: {uploads}
credentials:
  appid: wx0123456789abcdef
  secret_env: {secret}
web:
  listen: 127.0.0.1:0          # any port that is free; 8071 unless said otherwise
mirrors:
  - name: demo
    root: {root}
    env: {env}
    delete_grace_seconds: 0.3    # a delete waits so long for the file to come back; 3 unless said otherwise
    quiet_seconds: 0.3           # a file that is being written has to be left alone so long; 2 unless said otherwise
"""


class StoryFailed(Exception):
    """A step did not end as it should. `entries` are paths with what is wrong about each."""

    def __init__(self, message: str, entries: list[Difference] | None = None) -> None:
        super().__init__(message)
        self.entries = entries or []


@dataclass(frozen=True, slots=True)
class Proof:
    """Disk and cloud were read and are equal. `seconds`: until they were; `sent` and `gone`: objects since the last."""

    tree: Tree
    seconds: float
    sent: int
    gone: int

    @property
    def files(self) -> int:
        """How many files and objects were compared."""
        return len(self.tree.files)

    @property
    def size(self) -> int:
        """How many bytes of each."""
        return self.tree.size


class Comparison(NamedTuple):
    """What a look at both sides found. `at`: when it was known whether names, sizes and MD5s agree (monotonic)."""

    tree: Tree
    found: list[Difference]
    at: float


class Stage:
    """Emulator and daemon around one folder. `place` holds everything else."""

    def __init__(self, place: Path, root: Path, interruption: Interruption) -> None:
        self.place = place
        self.root = root
        self.config = place / "config.yaml"
        self.objects = place / "cloud" / ENV
        self.daemon_log = place / "daemon.log"
        self.interruption = interruption
        self.folder = Folder(root)
        self.patience_seconds = PATIENCE_SECONDS
        self._listen = "127.0.0.1:0"
        self._emulator: Child | None = None
        self._daemon: Child | None = None
        self._inspection: Inspection | None = None
        self._counted = Counted(0, 0, 0)
        self._keys: set[str] = set()
        self._uploads = 0

    # -- what runs -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the emulator and write the configuration. Raises StoryFailed, Interrupted."""
        self.start_emulator()
        self.configure(CONFIG, secret=SECRET_VARIABLE)

    def configure(self, text: str, **more: str) -> None:
        """Write a configuration: places, addresses and `more` in place of its fields."""
        places = {"state": quoted(str(self.place / "state")), "root": quoted(str(self.root))}
        known = {**places, "url": self.inspection.url, "env": ENV, "uploads": UPLOADS}
        self.config.write_text(text.format(**known, **more), "utf-8")

    def start_emulator(self, secret: str = SECRET) -> None:
        """Start the emulator, on the port that it had if it had one. Raises StoryFailed, Interrupted."""
        log = self.place / "emulator.log"
        arguments = ("--listen", self._listen, "--data", str(self.place / "cloud"), "--secret", secret)
        self._emulator = emulator = Child("emulator", "emulator", *arguments, log=log)
        listens = re.compile(r"http://([0-9.:]+);")
        self._listen = self.until(lambda: listens.search(emulator.printed()), "the emulator does not listen")[1]
        self._inspection = Inspection(f"http://{self._listen}", ENV)

    def stop_emulator(self) -> None:
        """End the emulator: nobody answers any more. Its objects stay, its tokens do not."""
        assert self._emulator is not None, "it was started"
        self._counted = self.counted()
        self.inspection.close()
        emulator, self._emulator = self._emulator, None
        emulator.end(END_SECONDS)

    def close(self) -> None:
        """End everything."""
        for child in (self._daemon, self._emulator):
            if child is not None:
                child.end(CLOSE_SECONDS)
        if self._inspection is not None:
            self._inspection.close()

    @property
    def inspection(self) -> Inspection:
        """The emulator's own view."""
        assert self._inspection is not None, "open comes first"
        return self._inspection

    def start_daemon(self, **environment: str) -> None:
        """Start `tcbsync run`, with `environment` beside its secret."""
        environment = {SECRET_VARIABLE: SECRET, **environment}
        self._daemon = Child("daemon", "run", "-c", str(self.config), log=self.daemon_log, environment=environment)

    @property
    def daemon(self) -> Child:
        """The daemon's process."""
        assert self._daemon is not None, "it was started"
        return self._daemon

    @property
    def page(self) -> str:
        """Where the daemon shows its status page, as it says itself."""
        served = re.findall(r"status page: (\S+)", self.daemon.printed())
        return served[-1] if served else f"not served; {self.daemon.log} says why"

    def kill_daemon(self) -> None:
        """End the daemon by `kill -9`."""
        self.daemon.kill()
        self._daemon = None

    def stop_daemon(self) -> None:
        """End the daemon by SIGTERM. Raises StoryFailed where its exit code is not 0."""
        daemon, self._daemon = self.daemon, None
        if code := daemon.end(END_SECONDS):
            raise StoryFailed(f"the daemon was asked to end, and did so with exit code {code} instead of 0")

    def status(self) -> tuple[int, dict[str, Any]]:
        """Ask `tcbsync status`. Gives its exit code, and what it says of the mirror ({} where it says nothing)."""
        code, printed = ask("status", "--json", "-c", str(self.config))
        return code, json.loads(printed)["mirrors"][0] if printed else {}

    def last_lines(self) -> list[str]:
        """Give what the processes printed last."""
        logs = (self.place / "emulator.log", self.daemon_log)
        return [line for log in logs if log.exists() for line in log.read_text("utf-8", "replace").splitlines()][
            -LOG_LINES:
        ]

    # -- what is so ----------------------------------------------------------------------------------------------------

    def until(self, answer: Callable[[], Answer | None], trouble: str) -> Answer:
        """Ask until the answer is true. Raises StoryFailed with `trouble`, Interrupted."""
        give_up_at = time.monotonic() + self.patience_seconds
        while not (answered := answer()):
            if time.monotonic() > give_up_at:
                raise StoryFailed(f"{trouble}, after {self.patience_seconds:.0f} s")
            self.pause()
        return answered

    def pause(self, seconds: float = PAUSE_SECONDS) -> None:
        """Wait a moment. Raises Interrupted, and StoryFailed where a process has ended by itself."""
        self.interruption.pause(seconds)
        for child in (self._emulator, self._daemon):
            if child is not None and child.exit_code is not None:
                raise StoryFailed(f"the {child.name} ended by itself, with exit code {child.exit_code}")

    def until_equal(self) -> Proof:
        """Compare until disk and cloud are equal. Raises StoryFailed where nothing moves any more, Interrupted."""
        started = moved_at = time.monotonic()
        last: list[Difference] = []
        while True:
            asked_at = time.monotonic()
            comparison = self.compare()
            if not comparison.found:
                return self._proof(comparison.tree, comparison.at - started)
            now = time.monotonic()
            if comparison.found != last:
                last, moved_at = comparison.found, now
            elif now - moved_at > self.patience_seconds:
                raise StoryFailed(f"not equal, and nothing has moved for {self.patience_seconds:.0f} s", last)
            self.pause(max(PAUSE_SECONDS, 3 * (now - asked_at)))  # looking must not take the machine from the work

    def is_alike(self) -> bool:
        """Compare names, sizes and MD5s once. Raises NoAnswer."""
        return not differences(self.folder.look(), self.inspection.objects(), self.folder.md5)

    def compare(self) -> Comparison:
        """Compare once: names, sizes and MD5s, and where these agree every byte. Raises NoAnswer, Interrupted."""
        tree = self.folder.look()
        found = differences(tree, self.inspection.objects(), self.folder.md5)
        at = time.monotonic()
        return Comparison(tree, found or byte_differences(tree, self.inspection, self.interruption.check), at)

    def counted(self) -> Counted:
        """Count what the service was asked for since the stage was opened."""
        return Counted(*map(sum, zip(self._counted, self.inspection.counted(), strict=True)))

    def _proof(self, tree: Tree, seconds: float) -> Proof:
        uploads = self.counted().uploads
        proof = Proof(tree, seconds, uploads - self._uploads, len(self._keys - tree.files.keys()))
        self._keys, self._uploads = set(tree.files), uploads
        return proof


@contextlib.contextmanager
def stage(root: Path | None, interruption: Interruption) -> Iterator[Stage]:
    """Make the temporary folder, with an empty one to mirror in it unless `root` is given; remove all at the end."""
    with tempfile.TemporaryDirectory(prefix="tcbsync-demo-") as name:
        place = Path(name).resolve()
        if root is None:
            root = place / "site"
            root.mkdir()
        built = Stage(place, root, interruption)
        try:
            yield built
        finally:
            built.close()


def quoted(text: str) -> str:
    """Write a text, of any bytes, as a double-quoted YAML scalar."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'
