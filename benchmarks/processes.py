"""Programs: those that run to their end, with a stopwatch, and those that stay, with a look at what they cost.

Rule: whatever a block starts has ended when the block ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TCBSYNC = (sys.executable, "-m", "tcbsync")
SECRET_VARIABLE = "TCBSYNC_SECRET"
ENVIRONMENT = {**os.environ, SECRET_VARIABLE: "a-word", "PYTHONUNBUFFERED": "1"}
PATIENCE_SECONDS = 300.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a command took: seconds on the clock, of CPU (its children's too), and the most memory at once."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def timed(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; what it prints goes to `log`. Raises RuntimeError where it fails."""
    report = log.with_suffix(".cost")
    supervised = [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervise.py")), str(report), *command]
    with log.open("wb") as output:
        process = _start(supervised, output, environment)
    try:
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # the command too
        process.wait()
        raise
    if code:
        raise RuntimeError(f"exit code {code} of {' '.join(command)}:\n{tail(log)}")
    return Cost(**json.loads(report.read_text("utf-8")))


def printed(*command: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Run a command and give what it prints. Raises RuntimeError where it fails."""
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode not in allowed:
        raise RuntimeError(f"exit code {done.returncode} of {' '.join(command)}: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode()


def tail(log: Path) -> str:
    """Give the last lines of a log."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-12:])


class Service:
    """A program that stays until it is ended."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, started: float) -> None:
        self._process = process
        self._log = log
        self.started = started

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def check(self) -> None:
        """Raise RuntimeError where it has ended by itself."""
        if (code := self._process.poll()) is not None:
            raise RuntimeError(f"{self._process.args!r} ended by itself with {code}:\n{tail(self._log)}")

    def log(self) -> str:
        """Give what it has printed."""
        return self._log.read_text("utf-8", "replace")

    def has_printed(self, words: str) -> bool:
        """Whether it has printed these. Raises RuntimeError where it has ended instead."""
        self.check()
        return words in self.log()

    def cpu_seconds(self) -> float:
        """How much CPU it and those that it waited for have used. In steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS

    def memory_mb(self, name: str = "VmHWM") -> float:
        """Its memory in 10⁶ bytes: the most at once (VmHWM), or now (VmRSS)."""
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6

    def forget_peak(self) -> None:
        """Let VmHWM begin anew from what is held now (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", "ascii")

    def watches(self) -> int:
        """How many inotify watches it holds."""
        count = 0
        for entry in Path(f"/proc/{self.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):
                count += (b"\n" + entry.read_bytes()).count(b"\ninotify ")
        return count


@contextlib.contextmanager
def service(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Run a program for as long as the block lasts."""
    with log.open("wb") as output:
        started = time.time()
        process = _start(command, output, environment)
    try:
        yield Service(process, log, started)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(command: Sequence[str], output: BinaryIO, environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class Daemon:
    """`tcbsync run`, which says how it is as it says it to systemd."""

    def __init__(self, process: Service, channel: socket.socket) -> None:
        self.process = process
        self._channel = channel
        self._said: dict[str, float] = {}

    def until(self, word: str) -> float:
        """Wait until it has said a line with `word` in it; give when that was first heard (unix seconds)."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not (heard := [at for line, at in self._said.items() if word in line]):
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"the daemon does not say {word}:\n{self.process.log()[-2000:]}")
            self.process.check()
            with contextlib.suppress(TimeoutError):
                for line in self._channel.recv(65536).decode().splitlines():
                    self._said.setdefault(line, time.time())
        return min(heard)


@contextlib.contextmanager
def daemon(config: Path, log: Path) -> Iterator[Daemon]:
    """Run `tcbsync run` for as long as the block lasts. It may not be READY yet when the block begins."""
    address = config.with_name("notify")
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(0.5)
        environment = {"NOTIFY_SOCKET": str(address)}
        with service([*TCBSYNC, "run", "-c", str(config)], log, environment) as process:
            yield Daemon(process, channel)


def until(answer: Callable[[], bool], what: str, *, pause: float = 0.02, patience: float = PATIENCE_SECONDS) -> float:
    """Ask until the answer is yes; give when that was (unix seconds). Raises TimeoutError."""
    give_up_at = time.monotonic() + patience
    while not answer():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what}, after {patience:.0f} s")
        time.sleep(pause)
    return time.time()


def program(name: str) -> str | None:
    """Find a program: beside this Python, where packages put theirs, or on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
