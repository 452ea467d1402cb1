"""The daemon and the emulator as processes that come and go, and what adds up over their lives.

Rule: a daemon that was killed is followed by the next only when the service has let go of what it was doing for the
first. In a real cloud an upload of a process that is dead may still land; nobody can wait for that for sure.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.churn.oracle import false_claims, read_rows
from tests.e2e.house import ENV, PREFIX, House, cloud, eventually

if TYPE_CHECKING:
    import subprocess

    from tests.churn.oracle import Row
    from tests.e2e.house import Cloud

STOP_SECONDS = 30.0
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()
"""Without what lets root read everything: a file that nobody may read is one."""


class Processes:
    """One daemon and one emulator, each running or not. Their counters outlive them."""

    def __init__(self, place: Path, options: dict[str, object]) -> None:
        self.place = place
        self.events: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.max_at_once_same_key = 0
        self.daemon: subprocess.Popen[bytes] | None = None
        self.cloud: Cloud | None = None
        self._daemons, self._clouds = contextlib.ExitStack(), contextlib.ExitStack()
        self._url = ""
        self.start_cloud()
        self.house = House(place, self._url, options, before=POWERLESS)

    # -- the service -------------------------------------------------------------------------------------------------

    def start_cloud(self) -> None:
        """Serve the emulator, where it was before."""
        listen = self._url.removeprefix("http://") or "127.0.0.1:0"
        self.cloud = self._clouds.enter_context(cloud(self.place / "cloud", listen=listen))
        self._url = self.cloud.url

    def stop_cloud(self) -> None:
        """End it, and add up what it counted."""
        self.note_counters()
        assert self.cloud is not None
        self.cloud.stop()
        self._clouds.close()
        self.cloud = None

    def note_counters(self) -> None:
        """Add up what the emulator has counted so far; it starts from zero when it starts again."""
        assert self.cloud is not None
        counters = self.cloud.ask("counters")
        self.calls.update(counters["calls"])
        self.faults.update(counters["faults"])
        self.max_at_once_same_key = max(self.max_at_once_same_key, counters["max_at_once_same_key"])

    def drain(self) -> None:
        """Wait until the service works on nothing any more that it was asked for."""
        running = self.cloud
        if running is not None:
            eventually(lambda: not running.ask("counters")["at_once"])

    # -- the daemon --------------------------------------------------------------------------------------------------

    def start_daemon(self) -> None:
        """Start it; what a killed one had asked of the service is over by then."""
        self.drain()
        self.daemon = self._daemons.enter_context(self.house.started())

    def kill_daemon(self) -> None:
        """End it without warning. What its manifest says must be true all the same."""
        assert self.daemon is not None
        self._expect_alive()
        self.daemon.kill()
        self._gone()
        self.judge_manifest()

    def stop_daemon(self) -> None:
        """End it as systemd does; it exits with 0, in time."""
        daemon = self.daemon
        assert daemon is not None
        self._expect_alive()
        daemon.send_signal(signal.SIGCONT)
        # A signal that comes before there is anybody to take it ends the process as any other.
        eventually(lambda: daemon.poll() is not None or self.house.state() != "unknown")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(STOP_SECONDS) == 0, f"the daemon's exit code is {daemon.returncode}"
        self._gone()
        self.judge_manifest()

    def _gone(self) -> None:
        self._daemons.close()
        self.daemon = None
        self.drain()

    def _expect_alive(self) -> None:
        assert self.daemon is not None
        assert self.daemon.poll() is None, f"the daemon has ended by itself, with {self.daemon.returncode}"

    def judge_manifest(self) -> None:
        """Raise where a row claims what the service does not hold, or an object has no row."""
        if self.cloud is None or self.daemon is not None:
            return
        wrong = false_claims(self.rows(), self.held())
        assert not wrong, f"the manifest is wrong about the cloud: {wrong}"
        self.events["manifest judged"] += 1

    def held(self) -> dict[str, str]:
        """Give the MD5 of every object."""
        assert self.cloud is not None
        found = self.cloud.ask(f"objects?env={ENV}")
        return {each["key"].removeprefix(PREFIX): each["md5"] for each in found}

    def rows(self) -> list[Row]:
        """Read a copy of the manifest, as it lies there: to open the file itself would tidy up after a kill."""
        state = self.place / "state"
        with tempfile.TemporaryDirectory(dir=self.place) as scratch:
            for file in state.glob("manifest.db*"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(file, scratch)
            try:
                return read_rows(Path(scratch) / "manifest.db")
            except sqlite3.OperationalError:
                return []  # it was killed before there was a schema

    def close(self) -> None:
        """End both."""
        for process in (self.daemon, None if self.cloud is None else self.cloud.process):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
        self._daemons.close()
        self._clouds.close()
