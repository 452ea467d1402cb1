"""Progress bars for `sync` on a terminal. The only module that imports rich."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tcbsync.cli.output import printable, size

if TYPE_CHECKING:
    from types import TracebackType

    from tcbsync.daemon.assemble import Assembly


NAME_CELLS = 24
"""A longer name would leave no room for the bar."""


class Bars:
    """A bar for each mirror: files that are done, of those that were found to want something."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, assembly: Assembly) -> None:
        """Draw how far each mirror is."""
        for mirror in assembly.mirrors:
            if mirror.name not in self._tasks:
                self._tasks[mirror.name] = self._progress.add_task(_short(mirror.name), total=None, note="")
            tally, sight = mirror.parts.tally, mirror.looks.sight
            done = tally.uploads + tally.deletes
            note = size(tally.upload_bytes)
            if mirror.looks.is_scanning:
                note = f"{note}, looking at {sight.files:,} files"
            gate = assembly.pace.closed(mirror.parts.target.env)
            if gate is not None:
                note = printable(f"{gate.state}: {gate.reason}")
            total = max(done, sight.uploads + sight.deletes)
            self._progress.update(self._tasks[mirror.name], completed=done, total=total, note=note)


def _short(name: str) -> str:
    return name if len(name) <= NAME_CELLS else f"{name[: NAME_CELLS - 1]}\u2026"
