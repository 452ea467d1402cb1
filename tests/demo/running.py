"""Runs `tcbsync demo` as a process, reads what it prints, and looks for what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WAIT_SECONDS = 100.0


class Demo:
    """One demonstration, in a process group of its own, as a shell starts it. Its temporary files lie in `place`."""

    def __init__(self, folder: Path, *arguments: str, output: int | None = None, **environment: str) -> None:
        self.place = folder / "temporary"
        self.place.mkdir()
        self._output = folder / "output"
        with self._output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tcbsync", "demo", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file if output is None else output,
                stderr=file,
                env={**os.environ, "TMPDIR": str(self.place), **environment},
                start_new_session=True,
            )

    def text(self) -> str:
        """Give what it has printed so far."""
        return self._output.read_text("utf-8", "replace")

    def until_says(self, words: str) -> str:
        """Wait until it has printed `words`; gives all it has printed."""
        give_up_at = time.monotonic() + WAIT_SECONDS
        while words not in self.text():
            assert time.monotonic() < give_up_at, f"it never said {words!r}:\n{self.text()}"
            assert self.process.poll() is None, f"it ended without {words!r}:\n{self.text()}"
            time.sleep(0.02)
        return self.text()

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group, as Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = WAIT_SECONDS) -> tuple[int, str]:
        """Wait for its end; gives exit code and output."""
        return self.process.wait(seconds), self.text()

    def processes(self) -> dict[int, str]:
        """List the processes whose command line names its temporary folder: those that it has started."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and str(self.place) in (
                    line := (entry / "cmdline").read_text("utf-8", "replace")
                ):
                    found[int(entry.name)] = line.replace("\0", " ")
        return found

    def leftovers(self) -> list[str]:
        """Name what it has left behind: temporary files, processes."""
        return [*(path.name for path in self.place.iterdir()), *self.processes().values()]

    def sweep(self) -> None:
        """Kill it and all that it has started."""
        for number in (self.process.pid, *self.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()
