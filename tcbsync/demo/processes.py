"""The processes that the demonstration starts: this program's own verbs, in this Python.

Rule: each runs in a session of its own, so that Ctrl-C on the terminal reaches the demonstration alone, which then ends
them in order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "tcbsync")
ANSWER_SECONDS = 30.0


class Child:
    """A verb that runs until it is ended. What it prints goes to `log`."""

    def __init__(self, name: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._begin = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [*PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(environment or {}),
                start_new_session=True,
            )

    def hang_up(self) -> None:
        """Send SIGHUP, as `systemctl reload` does."""
        self._process.send_signal(signal.SIGHUP)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs."""
        return self._process.poll()

    def printed(self) -> str:
        """Give what it has printed so far."""
        return self.log.read_bytes()[self._begin :].decode("utf-8", "replace")

    def kill(self) -> None:
        """End it as `kill -9` does, amid whatever it is doing."""
        self._process.kill()
        self._process.wait()

    def end(self, seconds: float) -> int:
        """Ask it to end, and kill it if it has not within `seconds`. Gives its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL


def ask(*arguments: str, has_errors: bool = False) -> tuple[int, str]:
    """Run a verb that answers. Gives its exit code and what it printed; a verb that hangs is killed.

    `has_errors`: with what it wrote to standard error.
    """
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            [*PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if has_errors else subprocess.DEVNULL,
            env=_environment({}),
            timeout=ANSWER_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    # What they print is read back here: at once, and in UTF-8 whatever the locale.
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace", **more}
