"""What every benchmark needs: files, the emulator in a process of its own, a configuration, a stopwatch."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TCBSYNC = [sys.executable, "-m", "tcbsync"]
ENVIRONMENT = os.environ | {"TCBSYNC_SECRET": "a-word"}


class Times(NamedTuple):
    """Seconds on the clock, and of CPU in the process."""

    wall: float
    cpu: float


def make_files(root: Path, count: int, size: int) -> None:
    """Make `count` files of `size` bytes, a hundred in a directory, no two of them equal."""
    noise = os.urandom(size)
    for number in range(count):
        directory = root / f"{number // 100:04}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:06}.bin").write_bytes(number.to_bytes(8, "big") + noise[8:])


@contextlib.contextmanager
def emulator(data: Path) -> Iterator[str]:
    """Run the emulator for as long as the block lasts; give its URL."""
    command = [*TCBSYNC, "emulator", "--listen", "127.0.0.1:0", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield next(word for word in process.stdout.readline().replace(";", " ").split() if word.startswith("http://"))
    finally:
        process.terminate()
        process.wait()


def configure(place: Path, root: Path, url: str) -> Path:
    """Write a configuration for one mirror; its state lies beside it."""
    path = place / "config.yaml"
    path.write_text(
        f"state_dir: {place}/state\n"
        f"service: {{api_base: '{url}'}}\n"
        "credentials: {appid: wx0123456789abcdef, secret_env: TCBSYNC_SECRET}\n"
        f"mirrors: [{{name: bench, root: {root}, env: bench-1, prefix: bench/}}]\n"
    )
    return path


def timed(command: Sequence[str]) -> Times:
    """Run a command to its end."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Times(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
