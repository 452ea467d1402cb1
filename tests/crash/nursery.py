"""Gives birth to processes: one parent that has imported everything, and forks.

An exec and the imports take half a second, a fork some milliseconds; what is born is a process like any other, with its
own files, threads and death.

The rule: the parent has one thread and does nothing but fork and wait. The refusal: it is told by its one caller, line
by line, and knows nothing of what its children are for.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.crash.death import Arms
from tests.crash.dying import live

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 60.0


class Nursery:
    """The caller's side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._ended: dict[int, int] = {}

    def bear(self, words: list[str], arms: Arms | None, output: Path) -> int:
        """Start a command, and give its process. What it says is added to `output`."""
        pid: int = self._ask(words=words, arms=asdict(arms) if arms else None, output=output)
        self._ended.pop(pid, None)  # numbers come round
        return pid

    def look(self, pid: int) -> int | None:
        """Give the exit code of a process, negative where a signal ended it; None while it lives."""
        if pid not in self._ended and (code := self._ask(pid=pid)) is not None:
            self._ended[pid] = code
        return self._ended.get(pid)

    def wait(self, pid: int) -> int:
        """Wait for its end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (code := self.look(pid)) is None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                raise AssertionError(f"process {pid} did not end in time")
            time.sleep(0.002)
        return code

    def _ask(self, **question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question, default=str) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Have one until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.nursery"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TCBSYNC_SECRET": "no-secret"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Nursery(process)
    finally:
        process.stdin.close()  # it ends when there is nobody left to ask
        process.wait(30)
        process.stdout.close()


def main() -> None:
    """Serve until nobody asks any more."""
    from tcbsync.cli import main as _  # noqa: F401, PLC0415 - so that the children have it
    from tcbsync.cloud.transport import trusting  # noqa: PLC0415

    trusting()  # takes tens of milliseconds, once
    gc.freeze()  # nor need the children look at what was made before them
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(_look(question["pid"]) if "pid" in question else _bear(**question)), flush=True)


def _look(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _bear(words: list[str], arms: dict[str, Any] | None, output: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        silence = os.open(os.devnull, os.O_RDONLY)
        os.dup2(silence, 0)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = live(words, _armed(arms) if arms else None)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 99
    except BaseException:  # noqa: BLE001 - the parent's loop is not for a child to go on with
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _armed(values: dict[str, Any]) -> Arms:
    paths = {name: Path(values[name]) if values[name] else None for name in ("state", "log", "will")}
    return Arms(**{**values, **paths})


if __name__ == "__main__":
    main()
