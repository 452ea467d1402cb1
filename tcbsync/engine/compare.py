"""Compares a scope: what the disk holds there, what the manifest says, and the plan that makes them agree.

The full scan, the rescan, an overflow and a single saved file all come through here, with a larger or smaller scope.
Blocks, in slices; writes nothing.

Rule: deletes come last, and only if the root is still the directory that it was at the beginning, with the same volumes
mounted at and below it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tcbsync.core.ignore import DEFAULTS, IGNORE_FILE, Rules
from tcbsync.core.keys import normal
from tcbsync.core.model import Plan, Problem, Snapshot, is_beneath, join, split
from tcbsync.core.plan import reconcile
from tcbsync.local.scan import ROOT, Disk, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from tcbsync.core.model import Record
    from tcbsync.local.scan import Listings
    from tcbsync.store.manifest import Manifest

SLICE_DECISIONS = 1000
SLICE_FILES = 10_000
DIRECTORY_FILES = 10
"""A slice ends after so many decisions, or so many files that were looked at; a directory takes as long as some files.

That is less than a tenth of a second: between two slices, what was saved meanwhile has its turn."""


class Comparison:
    """One comparison of disk and manifest. Iterate over `slices`; `covered` is complete afterwards."""

    def __init__(
        self, disk: Disk, manifest: Manifest, *, deletes: bool = True, volumes: Mapping[str, str] | None = None
    ) -> None:
        """`volumes` are those that have to be mounted still; None: those that are at the beginning."""
        self._disk = disk
        self._manifest = manifest
        self._deletes = deletes
        trusted = manifest.mirror().rules
        self.trusts_rows = trusted == disk.rules.digest
        """All rows are known to obey these ignore rules."""
        self.ends_trust = bool(trusted) and not self.trusts_rows
        """Rows will be written by other rules than those that all rows are known to obey so far."""
        self.files = 0
        """How many were seen that should be mirrored."""
        self.is_whole = True
        """No row was passed over because its path could not be judged."""
        self._visited: set[str] = set()
        self._troubled: set[str] = set()
        self._plan = Plan()
        self._last = Plan()
        self.covered: list[str] = []
        """The paths at and beneath which everything was looked at."""
        self.volumes = volumes
        """What is mounted at and below the root, by path."""
        self.is_remounted = False
        """Another volume was mounted, or one was not any more: what was absent may be elsewhere, so no delete came."""

    def slices(self, scopes: Sequence[str]) -> Iterator[Plan]:
        """Look at everything at and beneath `scopes`, as the disk spells them; give the plan piece by piece."""
        try:
            identity = self._disk.identity()
            if self.volumes is None:
                self.volumes = self._disk.volumes()
        except OSError as error:
            yield Plan(problems=[root_problem(self._disk.root, error)])
            return
        groups = self._groups(scopes)
        if groups is None:
            yield from self._walk([ROOT])
            self._bury(self._manifest.directories(""))
            self.covered = [""]
        else:
            for place, names in groups.items():
                yield from self._look_at(place, names)
        yield self._plan
        if problem := self._root_change(identity):
            self.covered = []
            yield Plan(problems=[problem])
            return
        if self.is_remounted:
            self._last.deletes, self._last.keeps = [], []
        yield self._last  # in one piece: the guard judges all that a look has found gone, or nothing of it

    def _root_change(self, identity: tuple[int, int]) -> Problem | None:
        try:
            is_same = self._disk.identity() == identity
            if self._last.deletes or self._last.keeps:
                self.is_remounted = self._disk.volumes() != self.volumes
        except OSError as error:
            return root_problem(self._disk.root, error)
        reason = f"root {self._disk.root} was replaced while it was looked at. Nothing is deleted"
        return None if is_same else Problem("", reason)

    def _groups(self, scopes: Sequence[str]) -> dict[Place, set[str]] | None:
        """Sort scopes by the directory they are in; None where one of them is the root."""
        groups: defaultdict[Place, set[str]] = defaultdict(set)
        listings: Listings = {}
        for scope in scopes:
            if not scope:
                return None
            directory, name = split(self._disk.lift(scope, listings))
            groups[Place(normal(directory), directory)].add(name)
        return groups

    def _look_at(self, place: Place, names: Collection[str]) -> Iterator[Plan]:
        """Look at some names. What is ignored is absent, whatever its row says: rules may be newer than the row."""
        paths = [join(place.path, normal(name)) for name in names]
        rows = self._manifest.records_named(place.path, [split(path)[1] for path in paths])
        is_ignored = self._disk.rules.ignores_below(f"{place.path}/")
        snapshot, directories = self._disk.snapshot(place, names=() if is_ignored else names)
        self._note(reconcile(snapshot, rows, deletes=self._deletes))
        yield from self._walk(directories)
        for path in paths:
            self._bury(self._manifest.directories(path))
        self.covered += paths

    def _seen(self, place: Place) -> tuple[Snapshot, list[Place], dict[str, Record]]:
        """Look at a whole directory; give the rows of all that was not found unchanged too.

        What is as its row says need not be asked about again, where all rows are known to obey the rules.
        """
        if not self.trusts_rows:
            rows = self._manifest.records(place.path)
            return *self._disk.snapshot(place), rows
        snapshot, directories = self._disk.snapshot(place, known=self._manifest.lines(place.path))
        return snapshot, directories, self._manifest.records_named(place.path, snapshot.unmatched)

    def _walk(self, waiting: list[Place]) -> Iterator[Plan]:
        files = 0
        while waiting:
            place = waiting.pop()
            self._visited.add(place.path)
            snapshot, directories, rows = self._seen(place)
            self._note_passed_over(snapshot, rows)
            self._note(reconcile(snapshot, rows, deletes=self._deletes))
            waiting += directories
            files += DIRECTORY_FILES + snapshot.unchanged + len(snapshot.files)
            if len(self._plan.uploads) + len(self._plan.touches) >= SLICE_DECISIONS or files >= SLICE_FILES:
                yield self._plan
                self._plan = Plan()
                files = 0

    def _bury(self, directories: list[str]) -> None:
        """Decide about rows of directories that were not met: they are gone, or beneath what could not be seen."""
        for directory in directories:
            if directory not in self._visited:
                if directory in self._troubled or is_beneath(directory, self._troubled):
                    self.is_whole = False
                    continue
                empty = Snapshot(directory, directory)
                self._note(reconcile(empty, self._manifest.records(directory), deletes=self._deletes))

    def _note_passed_over(self, snapshot: Snapshot, rows: Mapping[str, Record]) -> None:
        troubled = {problem.path for problem in snapshot.problems}
        if troubled and rows:
            paths = {snapshot.directory, *(join(snapshot.directory, name) for name in rows)}
            self.is_whole = self.is_whole and troubled.isdisjoint(paths)

    def _note(self, plan: Plan) -> None:
        self._plan.uploads += plan.uploads
        self._plan.touches += plan.touches
        self._plan.unchanged += plan.unchanged
        self.files += plan.unchanged + len(plan.uploads) + len(plan.touches)
        self._last.deletes += plan.deletes
        self._last.keeps += plan.keeps
        self._last.problems += plan.problems
        self._last.skipped += plan.skipped
        self._troubled.update(problem.path for problem in plan.problems)


def root_problem(root: Path, error: OSError) -> Problem:
    """Say why the root, or the ignore rules in it, could not be looked at. It covers everything."""
    if isinstance(error, FileNotFoundError):
        return Problem("", f"root {root} is missing; is the volume mounted? Nothing is deleted")
    if isinstance(error, TimeoutError):
        return Problem("", f"root {root} or a disk in it does not answer; is its server up? Nothing is sent or deleted")
    return Problem(
        "", f"root {root} cannot be looked at: {error.filename or root}: {error.strerror}. Nothing is deleted"
    )


def read_rules(root: Path, configured: Sequence[str]) -> Rules:
    """Put the ignore rules together; the root's own file is read anew. Raises OSError where it cannot be."""
    return Rules(DEFAULTS, configured, own_rules(root))


def own_rules(root: Path) -> list[str]:
    """Give the lines of the root's own ignore file; none where there is no such file. Raises OSError."""
    try:
        return (root / IGNORE_FILE).read_text("utf-8-sig", "surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
