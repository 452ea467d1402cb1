"""Tries crashes with several workers at once. Each has a nursery of its own; a stage belongs to one try."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.crash.live import Live
from tests.crash.nursery import nursery
from tests.crash.scenes import OLD, every, play, some
from tests.crash.stage import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.crash.matrix import Boundary, Matrix, Try
    from tests.crash.nursery import Nursery

IN_ORDER = ("first", "changed", *OLD)
"""One upload at a time: what is crossed is the same in each try."""
SCENES = (*IN_ORDER, "crowded", "daemon", "live")

_closing = ExitStack()
_nurseries: list[Nursery] = []


class Crew:
    """Some workers, who play scenes in a folder."""

    def __init__(self, pool: ProcessPoolExecutor, jobs: int, folder: Path) -> None:
        self._pool = pool
        self._jobs = jobs
        self._folder = folder

    def play(self, name: str, *, tries_all: bool) -> list[Try]:
        """Try the boundaries of a scene: every one, or, where the order is never the same, some of each kind."""
        place = self._folder / name
        if name == "live":
            kinds, _ = self._pool.submit(_live, place / "counting", []).result()
            boundaries = every(name, kinds) if tries_all else some(kinds)
            shares = [boundaries[start :: self._jobs] for start in range(self._jobs)]
            flights = [self._pool.submit(_live, place / str(job), share) for job, share in enumerate(shares) if share]
            return [each for flight in flights for each in flight.result()[1]]
        matrix, kinds = self._pool.submit(_play, name, place / "scene").result()
        boundaries = every(name, kinds) if tries_all or name in IN_ORDER else some(kinds)
        tries = [self._pool.submit(_crash, matrix, at, place) for at in boundaries]
        return [each.result() for each in tries]


@contextmanager
def crew(jobs: int, folder: Path) -> Iterator[Crew]:
    """Have one until the end of the block."""
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Crew(pool, jobs, folder)


def _own() -> Nursery:
    """Give the nursery of this worker; it ends with the worker."""
    if not _nurseries:
        _nurseries.append(_closing.enter_context(nursery()))
    return _nurseries[0]


def _play(name: str, place: Path) -> tuple[Matrix, list[str]]:
    return play(name, place, _own())


def _crash(matrix: Matrix, at: Boundary, place: Path) -> Try:
    return matrix.crash(at, place / f"{at.kind} {at.nth}", _own())


def _live(place: Path, boundaries: Sequence[Boundary]) -> tuple[list[str], list[Try]]:
    """Count, or crash at these boundaries, on a stage of its own."""
    place.mkdir(parents=True)
    scene = Scene(place / "root", place / "state", place / "cloud")
    scene.root.mkdir()
    with scene.stage(place / "stage", _own()) as stage:
        live = Live(stage)
        return ([], [live.crash(at) for at in boundaries]) if boundaries else (live.count(), [])
