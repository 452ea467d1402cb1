"""A pass over a root in which a dead disk is mounted: it is held, unless nobody looks there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.local import glance
from tests.dead import dead

if TYPE_CHECKING:
    from tests.engine.world import World


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an answer only for a moment."""
    monkeypatch.setattr(glance, "ANSWER_SECONDS", 0.3)


async def test_a_dead_disk_in_the_root_holds_the_mirror(world: World) -> None:
    """Nothing hangs; it is said; and when it is back, all is mirrored."""
    world.write("a")
    world.write("disk/b")
    with dead(world.root / "disk"):
        mirror = await world.sync()
        reason, calls = mirror.looks.root_problem, world.calls()

    await world.sync()

    assert reason == f"root {world.root} or a disk in it does not answer; is its server up? Nothing is sent or deleted"
    assert calls == {}
    assert world.is_equal()


async def test_a_dead_disk_that_is_ignored_harms_nobody(world: World) -> None:
    """Nobody looks there."""
    world.write("a")
    world.write("disk/b")
    with dead(world.root / "disk"):
        mirror = await world.sync(ignore=("disk/",))

    assert mirror.looks.root_problem == ""
    assert world.cloud() == {"a": b"content"}
