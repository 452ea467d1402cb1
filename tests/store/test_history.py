"""Whatever happens in whatever order: the rows never claim more than is sure, forget no object, and lead to equality.

Disk and cloud are dictionaries here; the rows, and what is decided about them, are the real ones. Operations are cut
off at any point, and a plan may be written down long after it was made.
"""

from __future__ import annotations

import random

import pytest

from tcbsync.core.model import Fingerprint, Found, Plan, State
from tcbsync.store import rows
from tests.store.table import Table, digest_of, file_id

PATHS = ("a", "d/a")
CONTENTS = ("one", "two")
ENDINGS = ("cut off before", "cut off after", "done", "done", "done")


class History:
    """One mirror's disk, cloud and rows. Each method is something that happens to them."""

    def __init__(self) -> None:
        self.table = Table()
        self.disk: dict[str, tuple[Fingerprint, str]] = {}
        self.away: dict[str, tuple[Fingerprint, str]] = {}
        self.cloud: dict[str, str] = {}
        self.sure: dict[str, str] = {}
        self.now = 1000
        self.plan = Plan()

    def found(self, path: str) -> Found:
        """Read a file as it is on the disk."""
        fingerprint, content = self.disk[path]
        return Found(path, fingerprint, path, digest_of(content))

    def seen(self) -> dict[str, Fingerprint]:
        """Look at the disk."""
        return {path: fingerprint for path, (fingerprint, _) in self.disk.items()}

    # -- what happens to the disk -------------------------------------------------------------------------------------

    def write(self, path: str, content: str) -> None:
        """Write a file, or write it anew."""
        self.now += 1
        self.disk[path] = (Fingerprint(len(content), self.now, self.now, 7), content)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.disk.pop(path, None)

    def move_away(self, path: str) -> None:
        """Move a directory out of the root; what is in it stays as it is."""
        if self.away:
            return
        top = path.split("/", maxsplit=1)[0]
        self.away = {each: file for each, file in self.disk.items() if each.split("/")[0] == top}
        self.disk = {each: file for each, file in self.disk.items() if each not in self.away}

    def move_back(self) -> None:
        """Move it back: its files have the fingerprints that they had."""
        self.disk |= self.away
        self.away = {}

    # -- what the engine does -----------------------------------------------------------------------------------------

    def look(self, *, deletes: bool = True) -> None:
        """Look at the disk, and write down at once what that wants."""
        self.now += 1
        self.table.look(self.seen(), self.now, deletes=deletes)
        self.plan = Plan()

    def make_a_plan(self) -> None:
        """Look at the disk; other things come first."""
        self.plan = self.table.plan(self.seen())

    def write_the_plan_down(self) -> None:
        """Write down what may be an old plan by now."""
        self.now += 1
        self.table.do(rows.expect, self.plan, self.now)
        self.plan = Plan()

    def upload(self, ending: str = "done") -> None:
        """Send the files that want to be sent, or not quite."""
        for job in self.table.manifest.jobs(State.UPLOAD, self.now, 10):
            if job.path not in self.disk:
                continue
            found = self.found(job.path)
            if found.digest != job.digest:
                self.table.send(found)
                self.sure.pop(job.path, None)
                if ending == "cut off before":
                    continue
                self.cloud[job.path] = self.disk[job.path][1]
                if ending == "cut off after":
                    continue
            self.table.do(rows.prove, found, self.now)
            self.sure[job.path] = self.cloud[job.path]

    def delete(self, ending: str = "done") -> None:
        """Delete the objects whose files are surely gone, or not quite."""
        jobs = self.table.manifest.jobs(State.DELETE, self.now, 10)
        ready = dict(self.table.do(rows.deleting, [job.path for job in jobs if job.path not in self.disk]))
        for path in ready:
            self.sure.pop(path, None)
        if ending == "cut off before":
            return
        for path, known_as in ready.items():
            assert known_as == file_id(path)
            self.cloud.pop(path, None)
        if ending == "done":
            self.table.do(rows.remove, list(ready), self.now)

    def fail(self, path: str, due_at: float | None) -> None:
        """Note a failed attempt; it is tried again, or parked."""
        self.table.do(rows.fail, path, "HTTP 502", "bad gateway", due_at)

    def hold(self) -> None:
        """Hold the deletes, as the guard does."""
        self.table.do(rows.hold, "too many", self.now)

    def let_go(self) -> None:
        """Approve the deletes and try everything again, as a person does."""
        self.table.do(rows.approve)
        self.table.do(rows.retry)

    def distrust(self, path: str) -> None:
        """Note that the cloud was seen not to hold a file as it should."""
        if self.table.do(rows.distrust, [path]):
            self.sure.pop(path)
            self.cloud.pop(path)

    # -- what holds at every moment -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Fail where the rows claim too much, or too little."""
        records = self.table.records()

        # A digest is there exactly while the cloud surely holds those bytes.
        known = {path: record.digest for path, record in records.items() if record.digest is not None}
        assert known == {path: digest_of(content) for path, content in self.sure.items()}
        assert self.sure.items() <= self.cloud.items()

        # Each object has a row that may name it.
        assert self.cloud.keys() <= {path for path, record in records.items() if record.was_sent}

        # A proved row with the fingerprint of the file on the disk means that the cloud holds its content.
        for path, (fingerprint, content) in self.disk.items():
            row = records.get(path)
            if row is not None and row.state == State.PROVED and row[:4] == fingerprint:
                assert self.cloud[path] == content

    def become_quiet(self) -> None:
        """Do all that is left to do."""
        self.write_the_plan_down()
        for _ in range(2):
            self.look()
            self.let_go()
            for _ in PATHS:
                self.upload()
            self.delete()

    def happen(self, event: str, path: str, *, ending: str, content: str) -> None:
        """Let one event happen, to this path where it is one that happens to a path."""
        match event:
            case "write":
                self.write(path, content)
            case "remove" | "move_away" | "distrust":
                getattr(self, event)(path)
            case "upload" | "delete":
                getattr(self, event)(ending)
            case "fail":
                self.fail(path, None if ending == "done" else 0.0)
            case "look":
                self.look(deletes=True)
            case "look, and never delete":
                self.look(deletes=False)
            case _:
                getattr(self, event)()


EVENTS = {
    "write": 4,
    "look": 5,
    "upload": 5,
    "delete": 4,
    "remove": 2,
    "move_away": 2,
    "move_back": 2,
    "make_a_plan": 1,
    "write_the_plan_down": 1,
    "hold": 1,
    "let_go": 1,
    "fail": 1,
    "distrust": 1,
    "look, and never delete": 1,
}
"""What happens, and how often."""


@pytest.mark.parametrize("seed", range(20))
def test_the_rows_never_claim_too_much_and_lead_to_equality(seed: int) -> None:
    """After every event the rows are true; and when nothing happens any more, cloud and disk become equal."""
    chance = random.Random(seed)

    for _ in range(20):
        world = History()
        for event in chance.choices(list(EVENTS), weights=list(EVENTS.values()), k=60):
            path, ending, content = chance.choice(PATHS), chance.choice(ENDINGS), chance.choice(CONTENTS)
            world.happen(event, path, ending=ending, content=content)
            world.check()
        world.become_quiet()

        assert world.cloud == {path: content for path, (_, content) in world.disk.items()}
        assert world.table.manifest.is_equal()
        world.table.close()
