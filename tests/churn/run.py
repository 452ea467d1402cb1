"""One run: work and trouble for as long as asked, then quiet, then judgement.

Rule: judged is what a person would ask. Is the cloud equal to the disk, byte for byte? Does status say so? Does the
manifest know every object? Does `sync` find nothing to send, and `verify` nothing wrong?
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.churn import oracle
from tests.churn.files import go_on
from tests.churn.ground import Ground
from tests.churn.processes import Processes
from tests.churn.trouble import Trouble
from tests.churn.work import next_work
from tests.e2e.house import PREFIX, eventually

if TYPE_CHECKING:
    from tests.e2e.house import Cloud

RULES = ("*.psd", "drafts/")
QUIET_SECONDS = 150.0
"""The longest wait by design is that of a row which failed once (a minute, and a fifth of it); a token that was
refused twice costs half a minute. `retry` is what an operator does about rows that failed more often."""
TOLD = 40


@dataclass(frozen=True, slots=True)
class Totals:
    """What was done, struck and survived."""

    seed: int
    seconds: float = 0.0
    settled_seconds: float = 0.0
    files: int = 0
    """That were mirrored in the end."""
    work: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    failure: str = ""


def run(seed: int, seconds: float) -> Totals:
    """Churn once. A failure is in what it gives; the folder is kept then."""
    place = Path(tempfile.mkdtemp(prefix=f"tcbsync-churn-{seed}-"))
    churn = Churn(place, seed)
    failure = ""
    try:
        churn.work(seconds)
        churn.judge()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this seed's failure
        failure = churn.explain(error)
    finally:
        churn.processes.close()
    totals = churn.totals(failure)
    if not failure:
        shutil.rmtree(place)
    return totals


class Churn:
    """The work and the trouble of one seed."""

    def __init__(self, place: Path, seed: int) -> None:
        self.place = place
        self.seed = seed
        hears_all = bool(seed % 2)
        options = {"ignore": list(RULES), "blind_rescan_seconds": 1, "rescan_seconds": 3600 if hears_all else 1}
        self.processes = Processes(place, options)
        self._ground = Ground(place / "root", place / "outside", random.Random(f"{seed}/work"), hears_all)
        self._trouble = Trouble(random.Random(f"{seed}/trouble"), self.processes, self._ground)
        self._pauses = random.Random(f"{seed}/pauses")
        self._log: list[str] = []
        self._counts: Counter[str] = Counter()
        self._wrong: dict[str, str] = {}
        self._began = time.monotonic()
        self._seconds = self._settled = 0.0
        self._files = 0

    def work(self, seconds: float) -> None:
        """Work, and make trouble, for so long."""
        self._trouble.faults(0)
        self.processes.start_daemon()
        while time.monotonic() < self._began + seconds:
            if trouble := self._trouble.step():
                self._note(trouble)
            work = next_work(self._ground)
            self._note(f"{work.__name__} …")
            did = work(self._ground)
            go_on(self._ground)
            self._counts[work.__name__ if did else "nothing to do"] += 1
            self._log[-1] = self._log[-1].replace("…", (did or "nothing").replace(str(self.place), ""))
            time.sleep(self._pauses.choice((0, 0, 0, 0, 0, 0.01, 0.03, 0.1, 0.4)))
        self._seconds = time.monotonic() - self._began

    def _note(self, what: str) -> None:
        self._log.append(f"{time.strftime('%X')} {len(self._log):4} {what}")

    # -- judgement ---------------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Let it become quiet, and compare everything with everything."""
        cloud = self._quiet()
        wanted = oracle.expected(self._ground.root, RULES, PREFIX)
        self._files = len(wanted)
        began = time.monotonic()
        while not self._is_settled(cloud, wanted):
            assert time.monotonic() < began + QUIET_SECONDS, f"not equal and in sync in time: {self._status()}"
            time.sleep(0.2)
        self._settled = time.monotonic() - began
        self._judge_status(len(wanted))
        self.processes.note_counters()
        self.processes.stop_daemon()
        rows = {row.path: row for row in self.processes.rows()}
        assert rows.keys() == wanted.keys(), f"rows and files differ: {sorted(rows.keys() ^ wanted.keys())}"
        assert {row.state for row in rows.values()} <= {0}, "there are rows that are not proved"
        most = self.processes.max_at_once_same_key
        assert most <= 1, f"{most} operations at once on one key"
        self._judge_commands(cloud)

    def _quiet(self) -> Cloud:
        self._note("quiet")
        self._trouble.end()
        self._ground.settle()
        cloud, daemon = self.processes.cloud, self.processes.daemon
        assert cloud is not None
        assert daemon is not None
        cloud.tell("faults", [])
        cloud.tell("latency", {"seconds": 0})
        eventually(lambda: daemon.poll() is not None or self.processes.house.state() != "unknown")
        assert daemon.poll() is None, f"the daemon has ended by itself, with {daemon.returncode}"
        return cloud

    def _is_settled(self, cloud: Cloud, wanted: dict[str, bytes]) -> bool:
        """Whether the daemon says that all is well, and it is. What failed is tried again as an operator would."""
        state = self.processes.house.state()
        try:
            self._wrong = oracle.differences(wanted, cloud.objects())
        except FileNotFoundError:  # an object went while it was read
            return False
        if state == "in_sync" and not self._wrong:
            return True
        if state == "syncing" and self._status()["failed"]:
            self.processes.house.command("retry")
            self.processes.events["operator's retry"] += 1
        return False

    def _status(self) -> dict[str, object]:
        mirror: dict[str, object] = self.processes.house.status()["mirrors"][0]
        return mirror

    def _judge_status(self, files: int) -> None:
        began = time.monotonic()
        while (status := self._status())["state"] != "in_sync":  # it is not sure while it looks at what is blind
            assert time.monotonic() < began + 30, f"status says {status}"
        clean = {"pending_uploads": 0, "pending_deletes": 0, "failed": 0, "held_deletes": 0, "problems": 0}
        told = {name: status[name] for name in ("state", "files", *clean)}
        assert told == {"state": "in_sync", "files": files, **clean}, f"status says {status}"
        # What could not be read for a while is watched again within a minute; until then it is rescanned.
        assert status["watch_mode"] in ("inotify", *([] if self._ground.hears_all else ["degraded"])), status
        self.processes.events["drift"] += int(str(status["drift"]))

    def _judge_commands(self, cloud: Cloud) -> None:
        before = cloud.calls()
        sync = self.processes.house.command("sync")
        assert sync.returncode == 0, f"sync ends with {sync.returncode}: {sync.stdout}{sync.stderr}"
        assert cloud.calls() == before, f"sync has called the service: {before} before, {cloud.calls()} after"
        verify = self.processes.house.command("verify")
        assert verify.returncode == 0, f"verify ends with {verify.returncode}: {verify.stdout}{verify.stderr}"
        self.compare(cloud)

    def compare(self, cloud: Cloud) -> None:
        """Raise where disk and cloud differ."""
        wanted = oracle.expected(self._ground.root, RULES, PREFIX)
        self._wrong = oracle.differences(wanted, cloud.objects())
        assert not self._wrong, f"disk and cloud differ in {len(self._wrong)} files"

    # -- telling -----------------------------------------------------------------------------------------------------

    def totals(self, failure: str) -> Totals:
        """Give what was done."""
        return Totals(
            seed=self.seed,
            seconds=self._seconds,
            settled_seconds=self._settled,
            files=self._files,
            work=self._counts,
            trouble=self.processes.events,
            faults=self.processes.faults,
            calls=self.processes.calls,
            failure=failure,
        )

    def explain(self, error: Exception) -> str:
        """Say what is wrong, and what the manifest, the service and the daemon's log say about it."""
        (self.place / "work.log").write_text("\n".join(self._log), errors="surrogateescape")
        lines = [f"seed {self.seed}: {type(error).__name__}: {error}", f"the folder is kept: {self.place}", "at last:"]
        lines += [f"  {line!a}" for line in self._log[-TOLD:]]
        try:
            rows = {row.path: row for row in self.processes.rows()}
        except Exception as trouble:  # noqa: BLE001 - the failure itself matters more
            rows = {}
            lines.append(f"the manifest cannot be read: {trouble}")
        log = self.processes.house.log.read_text(errors="replace").splitlines()
        for path, reason in sorted(self._wrong.items())[:TOLD]:
            lines.append(f"{path!a}: {reason}; its row: {rows.get(path)}")
            lines += [f"    log: {line}" for line in log if path in line][-5:]
            lines += [f"    service: {entry}" for entry in self._requests(path)[-5:]]
        return "\n".join([*lines, "the daemon's last lines:", *(f"  {line}" for line in log[-TOLD:])])

    def _requests(self, path: str) -> list[object]:
        if self.processes.cloud is None:
            return []
        try:
            return [each for each in self.processes.cloud.ask("log") if each["key"] == PREFIX + path]
        except OSError:
            return []
