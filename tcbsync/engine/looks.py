"""Looks at what may have changed, and writes down what that wants. The only one who does.

Rule: a path that an operation is under way for is that operation's alone; it is looked at again when that is done.

What becomes due while the whole tree is looked at does not wait for the end of that. The longer look decides nothing
about it then, and it is looked at once more afterwards.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tcbsync.core.events import Held, Released
from tcbsync.core.ignore import IGNORE_FILE
from tcbsync.core.keys import normal
from tcbsync.core.model import Plan, Problem, Skipped, is_beneath
from tcbsync.engine.compare import Comparison, read_rules, root_problem
from tcbsync.local.mounts import touch_volumes
from tcbsync.local.scan import Disk
from tcbsync.store import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from tcbsync.core.model import Upload
    from tcbsync.core.settle import Settle
    from tcbsync.engine.holds import Holds
    from tcbsync.engine.parts import Parts


@dataclass(slots=True)
class Sight:
    """What a look found: how many files are as they should be, and how many decisions there were about others."""

    unchanged: int = 0
    uploads: int = 0
    touches: int = 0
    deletes: int = 0
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    """Paths of which nothing was decided: they settle, or an operation is under way. Noted where somebody waits."""

    @property
    def files(self) -> int:
        """How many files were seen."""
        return self.unchanged + self.uploads + self.touches

    @property
    def changes(self) -> int:
        """How many paths were not as the manifest said."""
        return self.uploads + self.touches + self.deletes

    def add(self, plan: Plan) -> None:
        """Count one slice."""
        self.unchanged += plan.unchanged
        self.uploads += len(plan.uploads)
        self.touches += len(plan.touches)
        self.deletes += len(plan.deletes) + len(plan.keeps)
        self.problems += plan.problems
        self.skipped += plan.skipped


class Awaited(Protocol):
    """Somebody who waits for looks."""

    def looked(self, scopes: Sequence[str], again: Collection[str]) -> None:
        """Note a look that began after this one asked: at `scopes`, but for the paths to be looked at `again`."""
        ...


class Looks:
    """Looks at the disk of one mirror. `on_want` is called when rows were written that want something."""

    def __init__(
        self,
        parts: Parts,
        settle: Settle,
        holds: Holds,
        on_want: Callable[[], None],
        *,
        ignore: Sequence[str],
        deletes: bool,
    ) -> None:
        self._parts = parts
        self._holds = holds
        self._settle = settle
        self._on_want = on_want
        self._ignore = ignore
        self._deletes = deletes
        self.disk: Disk | None = None
        """The root under the rules of the last look at the whole tree."""
        self.root_problem = ""
        self.has_scanned = False
        self.is_scanning = False
        self.is_looking = False
        """At the whole tree or a part of it: what it finds is not written down yet."""
        self.sight = Sight()
        """What the newest look at the whole tree found, so far if it is still under way."""
        self.awaited: set[Awaited] = set()
        """Who waits for looks that begin from now on."""
        self._meanwhile: list[str] = []
        """What was looked at while the whole tree is."""

    async def look(self, scopes: Sequence[str], *, defers: bool = False) -> Sight:
        """Look at `scopes`, as the disk spells them, and write down what they want. Raises StateError.

        `defers`: a file that was touched a moment ago, and that nobody said was closed, is given time to settle.
        """
        sight = Sight()
        is_full = "" in scopes
        awaited = list(self.awaited)
        self.is_looking = True
        clock = asyncio.get_running_loop().time
        started = clock()
        if is_full:
            self.sight, self.is_scanning = sight, True
        try:
            await self._look(scopes, sight, is_full=is_full, defers=defers)
        finally:
            self.is_looking = self.is_scanning = False
            if is_full:
                self._parts.tally.scanned(clock() - started)
            for scope in self._meanwhile:  # its problems are those of the longer look now
                self._parts.look_again(scope)
            self._meanwhile.clear()
            reason = next((problem.reason for problem in sight.problems if not problem.path), "")
            if reason and reason != self.root_problem:
                self._parts.tell(Held(reason, is_approvable=False))
                self.root_problem = reason
        if not reason:  # a look that was cut off knows nothing of it
            await self._note_back()
            for each in awaited:
                each.looked(scopes, sight.again)
        return sight

    async def open(self, *, anew: bool = False) -> Disk:
        """Give the root under its ignore rules, which are read `anew` or as they were.

        Raises OSError where either cannot be had, TimeoutError where the disk does not answer. Then there is no disk at
        all: nothing may be done by old rules.
        """
        if self.disk is None or anew:
            try:
                self.disk = await self._glance()
            except OSError:
                self.disk = None
                raise
        return self.disk

    async def has_new_rules(self) -> bool:
        """Whether the ignore rules on disk are others than those of the last look at the whole tree."""
        try:
            now = await self._glance()
        except OSError:
            return False  # a look will say so
        return self.disk is not None and self.disk.rules.digest != now.rules.digest

    async def _glance(self) -> Disk:
        """Open the root, and touch all that is mounted in it. Raises TimeoutError, an OSError, where that is dead."""
        return await self._parts.host.glance(str(self._parts.target.root), self._opened)

    def _opened(self) -> Disk:
        target = self._parts.target
        rules = read_rules(target.root, self._ignore)
        disk = Disk(target.root, target.prefix, rules)
        disk.identity()

        def is_ignored(local: str) -> bool:
            path = normal(local)
            return rules.ignores_below(path) or rules.ignores(path, is_directory=True)

        touch_volumes(str(target.root), is_ignored)
        return disk

    async def _look(self, scopes: Sequence[str], sight: Sight, *, is_full: bool, defers: bool) -> list[str]:
        """Look, and give the paths at and beneath which everything was seen."""
        host, manifest = self._parts.host, self._parts.manifest
        try:
            disk = await self.open(anew=is_full)
        except OSError as error:
            sight.problems.append(root_problem(self._parts.target.root, error))
            await manifest.write(rows.note_problems, [], Plan(problems=sight.problems), host.now())
            return []
        volumes = None if is_full else self._holds.volumes
        comparison = await host.offload(Comparison, disk, manifest, deletes=self._deletes, volumes=volumes)
        if comparison.ends_trust:  # before the first of them: this look may be cut off, and the old rules come back
            await manifest.write(rows.distrust_rules)
        is_obeyed = await self._take(comparison, scopes, sight, defers=defers)
        if is_full and disk.rules.mistakes:
            sight.skipped.append(Skipped(IGNORE_FILE, f"not understood: {'; '.join(disk.rules.mistakes)}"))
        now = host.now()
        found = Plan(problems=sight.problems, skipped=sight.skipped)
        if found.problems or found.skipped or is_full or await host.offload(manifest.has_problems):
            await manifest.write(rows.note_problems, comparison.covered, found, now)
        has_files = comparison.files > 0
        self._holds.has_files = has_files if is_full and comparison.covered else self._holds.has_files or has_files
        if comparison.is_remounted:
            sight.again.add("")
            self._parts.look_again("")
        elif is_full and comparison.covered and comparison.volumes is not None:
            await self._holds.review(comparison.volumes)
            # Rows that were not judged may be there by other rules: the next whole look asks about every name again.
            is_obeyed = comparison.trusts_rows or (is_obeyed and comparison.is_whole)
            await manifest.write(rows.scanned, disk.rules.digest if is_obeyed else "", now)
            self.has_scanned = True
        return comparison.covered

    async def _take(self, comparison: Comparison, scopes: Sequence[str], sight: Sight, *, defers: bool) -> bool:
        """Write down what each slice wants. Gives whether all of it stands."""
        is_obeyed, slices = True, comparison.slices(scopes)
        with self._parts.busy.witness() as ended:
            while (plan := await self._parts.host.offload(next, slices, None)) is not None:
                if defers:
                    self._defer(plan, set(scopes), sight)
                is_obeyed = not self._void(plan, ended, sight) and is_obeyed
                sight.add(plan)
                if plan and comparison.volumes is not None:
                    await self._holds.remember(comparison.volumes)
                await self._expect(plan)
                if defers and "" in scopes:
                    ended.update(await self._look_meanwhile())
        return is_obeyed

    async def _look_meanwhile(self) -> list[str]:
        """Look at what is due while the whole tree is looked at. Gives the paths at and beneath which that was."""
        if "" in self._settle:
            return []  # all of it comes once more
        scopes = self._settle.due(asyncio.get_running_loop().time())
        if not scopes:
            return []
        self._meanwhile += scopes
        return [*map(normal, scopes), *await self._look(scopes, Sight(), is_full=False, defers=True)]

    def _defer(self, plan: Plan, closed: set[str], sight: Sight) -> None:
        """Take files out of `plan` that may still be written."""
        young_ns = (self._parts.host.now() - self._settle.delays.quiet_seconds) * 1e9
        now = asyncio.get_running_loop().time()
        ready: list[Upload] = []
        for upload in plan.uploads:
            if upload.found.local in closed or upload.found.fingerprint.mtime_ns < young_ns:
                ready.append(upload)
            else:
                self._settle.defer(upload.found.local, now)
                if self.awaited:
                    sight.again.add(upload.found.local)
        plan.uploads = ready

    def _void(self, plan: Plan, ended: Collection[str], sight: Sight) -> bool:
        """Take decisions out of `plan` that rows may have been too old for; these paths are looked at again.

        Something has come to its end meanwhile at or above a path in `ended`. Gives whether there were any decisions.
        """
        voided = False
        busy, look_again = self._parts.busy, self._parts.look_again
        now = asyncio.get_running_loop().time()

        def stands(path: str) -> bool:
            nonlocal voided
            if path in ended or is_beneath(path, ended):
                look_again(path)
            elif not busy.claims(path, now):
                return True
            voided = True
            if self.awaited:
                sight.again.add(path)
            return False

        if ended or len(busy):
            plan.uploads = [upload for upload in plan.uploads if stands(upload.found.path)]
            plan.touches = [touch for touch in plan.touches if stands(touch.found.path)]
            plan.deletes = [delete for delete in plan.deletes if stands(delete.path)]
            plan.keeps = [keep for keep in plan.keeps if stands(keep.path)]
        return voided

    async def _expect(self, plan: Plan) -> None:
        if plan:
            await self._parts.manifest.write(rows.expect, plan, self._parts.host.now())
            self._on_want()

    async def _note_back(self) -> None:
        """Note that the root was seen; other deletes may wait all the same."""
        if self.root_problem:
            is_held = await self._parts.host.offload(self._parts.manifest.has_held)
            self.root_problem = ""
            others = "; other deletes still wait: `tcbsync held` lists them" if is_held else ""
            self._parts.tell(Released(f"root {self._parts.target.root} is back{others}"))
