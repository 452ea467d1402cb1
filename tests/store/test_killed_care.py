"""Killed at every step of a copy and of a restoring: the next start finds all that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import State
from tcbsync.store import shelf
from tests.store.caring import Place, in_doubt

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.store.caring import Place

steps = int(sys.argv[3])

def counted(name, original):
    def call(*values, **named):
        global steps
        steps -= 1
        if not steps:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*values, **named)
    return call

for name in ("fsync", "replace", "rename", "unlink", "open", "write", "ftruncate", "mkdir"):
    setattr(os, name, counted(name, getattr(os, name)))

async def main():
    async with Place(Path(sys.argv[1])).work() as work:
        if sys.argv[2] == "copy":
            await work.prove("later")
            await work.copy()

asyncio.run(main())
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


def kills(place: Place, what: str) -> Iterator[int]:
    """Do it in a process that is killed at its first step, at its second, … until it comes to its end."""
    for steps in range(1, 100):
        command = [sys.executable, "-c", KILLED, str(place.state), what, str(steps)]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=60)
        assert done.returncode in (0, -9), done.stderr.decode()
        yield steps
        if done.returncode == 0:
            return
    raise AssertionError("it never came to its end")


async def look(place: Place) -> None:
    """Start as always, and see that nothing is forgotten."""
    async with place.work() as work:
        old, known = work.row("old"), {path: work.row(path) for path in ("d/new", "changed")}
        words, gap = work.told()
    assert old is not None
    assert old.state == State.PROVED
    assert all(map(in_doubt, known.values()))
    assert "restored from the copy" in words
    assert gap == 0


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["damage", "remove"])
async def test_killed_at_every_step_of_restoring(place: Place, harm: str) -> None:
    """A start finds the damaged file, or none, and begins anew; or the restored one. The damaged one is kept."""
    await place.with_copy()
    if harm == "damage":
        place.damage()
    before = place.database.read_bytes()
    if harm == "remove":
        place.database.unlink()

    steps = max(kills(place, "restore"))

    await look(place)
    assert steps > 8
    kept = [path.read_bytes() for path in place.aside()]
    assert kept == ([before] if harm == "damage" else [])


@pytest.mark.slow
async def test_killed_at_every_step_of_a_copy(place: Place) -> None:
    """Damaged right after each kill, it is restored from the copies and ledgers that there are then."""
    await place.with_copy()

    for _ in kills(place, "copy"):
        aside = len(place.aside())
        place.damage()
        async with place.work() as work:
            assert (old := work.row("old")) is not None
            assert old.was_sent
            assert work.row("d/new") is not None
            assert work.told()[1] == 0
        assert len(place.aside()) == aside + 1
        assert 1 <= len(shelf.copies(place.folder)) <= shelf.KEEP
