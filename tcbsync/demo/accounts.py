"""The accounts of a day: what the daemon counted, as a monitoring system adds it up; and that no object was ever lost.

Rule: what was lost is found in the cloud's own journal, line by line, and in what the folder held. The daemon and its
manifest play no part in it.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

from tcbsync.demo.compare import Difference
from tcbsync.demo.stage import ENV, StoryFailed

if TYPE_CHECKING:
    from tcbsync.demo.compare import Tree
    from tcbsync.demo.stage import Stage

ANSWER_SECONDS = 10.0
COUNTER = re.compile(r'^tcbsync_(\w+_total)\{(?:class="(\w+)",)?mirror="[^"]*"\} (\S+)$', re.MULTILINE)


class Sums:
    """What /metrics counted, over all the processes of the day: each begins at 0, and increases are added up."""

    def __init__(self, stage: Stage) -> None:
        self.total: Counter[str] = Counter()
        """By the metric's name; retries by their class, too."""
        self._stage = stage
        self._page = ""
        self._last: Counter[str] = Counter()

    def scrape(self) -> None:
        """Read the page of the daemon that runs. Raises StoryFailed where there is none."""
        page = self._stage.page
        try:
            with urllib.request.urlopen(f"{page}metrics", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - http, ours
                text = answer.read().decode()
        except (OSError, ValueError) as error:
            raise StoryFailed(f"/metrics cannot be read from {page}: {error}") from error
        self.add(page, text)

    def add(self, page: str, text: str) -> None:
        """Add what a page says now; another page is another process."""
        now = Counter({f"{name} {kind}".rstrip(): int(float(value)) for name, kind, value in COUNTER.findall(text)})
        self.total += now if page != self._page else now - self._last
        self._page, self._last = page, now


class Proofs:
    """What lay in the cloud at each moment of the day, from its own journal, beside what the folder held meanwhile."""

    def __init__(self, stage: Stage) -> None:
        self.deletes = 0
        self.lost: list[Difference] = []
        """Objects that went from the cloud though their file was there, or its bytes under another name alone."""
        self._stage = stage
        self._journal = stage.objects.parent / ".emulator" / "objects.jsonl"
        self._at = 0
        self._cloud: dict[str, str] = {}
        self._gone: dict[str, str] = {}
        """What was deleted since the last proof, by key: its MD5 where no other object had these bytes then, or ""."""

    def read(self) -> None:
        """Go on in the journal."""
        with self._journal.open("rb") as file:
            file.seek(self._at)
            whole, end, _ = file.read().rpartition(b"\n")
        self._at += len(whole + end)
        for line in whole.splitlines():
            document = json.loads(line)
            if document["env"] != ENV:
                continue
            if not document.get("is_deleted"):
                self._cloud[document["key"]] = document["md5"]
            elif digest := self._cloud.pop(document["key"], ""):
                self.deletes += 1
                self._gone[document["key"]] = "" if digest in self._cloud.values() else digest

    def begin_anew(self) -> None:
        """Read the journal to its end: the cloud has ended, and begins another one with what it has."""
        self.read()
        self._at = 0

    def proved(self, tree: Tree) -> None:
        """Disk and cloud are equal, and the disk is `tree`: see whether all that went from the cloud was to go."""
        self.read()
        there = {self._stage.folder.md5(file) for file in tree.files.values()} if self._gone else set()
        for key, digest in self._gone.items():
            if key in tree.files:
                self.lost.append(Difference(key, "deleted while its file was there"))
            elif digest in there:
                self.lost.append(Difference(key, "renamed, and deleted before its bytes were there under the new name"))
        self._gone.clear()
