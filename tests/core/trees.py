"""Trees that come about by perturbing one another, so that they overlap, and rows that follow them.

The rows here are the simplest that keep the manifest's promises; what the real ones do is tested with the store.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING

from hypothesis import strategies

from tcbsync.core.model import Fingerprint, Plan, Record, State, is_beneath, join, split
from tcbsync.core.plan import reconcile
from tests.core.values import snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tcbsync.core.model import Problem

NAMES = ("a", "b", "ab", "a.b")
DIRECTORIES = ("", *NAMES, *(join(outer, inner) for outer in ("a", "ab") for inner in ("a", "b")))
PATHS = tuple(join(directory, f"{name}.png") for directory in DIRECTORIES for name in ("x", "y"))


@dataclass(frozen=True)
class File:
    """One state of a file. `moment` stands for all of its fingerprint: each change of the tree happens at another."""

    content: int
    moment: int

    @property
    def fingerprint(self) -> Fingerprint:
        """What the disk says of it."""
        return Fingerprint(self.content % 3, self.moment, self.moment, 1)

    @property
    def digest(self) -> bytes:
        """What reading it would say."""
        return md5(str(self.content).encode()).digest()


Tree = dict[str, File]


@dataclass(frozen=True)
class Step:
    """Something that happens to a tree."""

    kind: str
    path: str
    content: int
    target: str


def steps() -> strategies.SearchStrategy[list[Step]]:
    """Draw a few things that happen one after the other."""
    path = strategies.sampled_from(PATHS)
    kind = strategies.sampled_from(["write", "write", "touch", "remove", "rename", "empty"])
    step = strategies.builds(Step, kind, path, strategies.integers(0, 4), path)
    return strategies.lists(step, max_size=12)


def perturbed(tree: Tree, steps: list[Step], moment: int) -> Tree:
    """Return what the steps make of a tree, the first of them at `moment`."""
    after = dict(tree)
    for now, step in enumerate(steps, start=moment):
        match step.kind, after.get(step.path):
            case "write", _:
                after[step.path] = File(step.content, now)
            case "touch", File() as file:
                after[step.path] = File(file.content, now)
            case "remove", File():
                del after[step.path]
            case "rename", File() as file:
                del after[step.path]
                after[step.target] = File(file.content, now)
            case "empty", _:
                directory, _ = split(step.path)
                after = {path: file for path, file in after.items() if split(path)[0] != directory}
    return after


def planned(
    tree: Tree, rows: Mapping[str, Record], problems: Collection[Problem] = (), *, deletes: bool = True
) -> Plan:
    """Compare everything, directory by directory, as a scan of the whole tree does.

    What a problem covers was not seen. Each problem is told by the directory that it is in, or is, as the disk does.
    """
    troubled = {problem.path for problem in problems}
    files: defaultdict[str, dict[str, Fingerprint]] = defaultdict(dict)
    by_directory: defaultdict[str, dict[str, Record]] = defaultdict(dict)
    for path, file in tree.items():
        if path not in troubled and not is_beneath(path, troubled):
            directory, name = split(path)
            files[directory][name] = file.fingerprint
    for path, row in rows.items():
        directory, name = split(path)
        by_directory[directory][name] = row
    plan = Plan()
    for directory in sorted(files.keys() | by_directory.keys()):
        near = [problem for problem in problems if problem.covers(directory) or split(problem.path)[0] == directory]
        part = reconcile(
            snapshot(files[directory], directory=directory, problems=near), by_directory[directory], deletes=deletes
        )
        for kind in ("uploads", "touches", "deletes", "keeps"):
            getattr(plan, kind).extend(getattr(part, kind))
        plan.unchanged += part.unchanged
    return plan


@dataclass
class Mirrored:
    """The rows of a mirror, and how they follow plans and work."""

    rows: dict[str, Record] = field(default_factory=dict)

    def expect(self, plan: Plan) -> None:
        """Write down what the plan wants."""
        for upload in plan.uploads:
            before = self.rows.get(upload.found.path)
            digest, was_sent = (before.digest, before.was_sent) if before else (None, False)
            self.rows[upload.found.path] = Record(*upload.found.fingerprint, State.UPLOAD, digest, was_sent)
        for touch in plan.touches:
            row = self.rows[touch.found.path]
            self.rows[touch.found.path] = Record(*touch.found.fingerprint, State.PROVED, row.digest, was_sent=True)
        for delete in plan.deletes:
            if delete.was_sent:
                self._gone(delete.path, State.DELETE)
            else:
                del self.rows[delete.path]
        for keep in plan.keeps:
            self._gone(keep.path, State.KEPT)

    def _gone(self, path: str, state: State) -> None:
        row = self.rows[path]
        inode = -1 if row.state == State.UPLOAD else row.inode
        self.rows[path] = row._replace(state=state, inode=inode)

    def work(self, tree: Tree, *, fraction: int = 1) -> None:
        """Do what the rows want, of each `fraction` rows the first: an upload sends what is on the disk now."""
        for number, (path, row) in enumerate(list(self.rows.items())):
            if number % fraction:
                continue
            if row.state == State.UPLOAD and path in tree:
                file = tree[path]
                self.rows[path] = Record(*file.fingerprint, State.PROVED, file.digest, was_sent=True)
            elif row.state == State.DELETE and path not in tree:
                del self.rows[path]
