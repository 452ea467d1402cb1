"""A day of a team that ships a mini program, in fast forward: what goes wrong, and what the operator sees of it.

Rule: what happens is real, and so are the ages and waits that are shown; only the hours between the scenes are left
out. Each scene names what has to be read, and after each that ends well every byte of both sides is compared.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tcbsync.core.words import plural
from tcbsync.demo import mishaps, outages
from tcbsync.demo.desk import Desk, Unit
from tcbsync.demo.inbox import Inbox
from tcbsync.demo.stage import StoryFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.demo.stage import Stage
    from tcbsync.demo.voice import Voice

RETRIES = "retries_total "
SCENES: tuple[Callable[[Desk], None], ...] = (
    mishaps.begin,
    mishaps.dropped,
    mishaps.swapped,
    outages.refused,
    outages.quota,
    outages.wrong_reload,
    mishaps.vanished,
    mishaps.twins,
    outages.quota_passes,
    outages.down,
    outages.rotated,
    outages.stolen,
    mishaps.killed,
    mishaps.damaged,
    mishaps.deleted,
    mishaps.full,
    mishaps.slow,
)


def tell_day(stage: Stage, voice: Voice) -> None:
    """Tell all of it. Raises StoryFailed, NoAnswer, Interrupted."""
    voice.say("The clock is that of the day which is told. Ages, and how long one has to wait, are as they are.")
    with contextlib.closing(Unit()) as unit, contextlib.closing(Inbox()) as inbox:
        desk = Desk(stage, voice, unit, inbox)
        for scene in SCENES:
            scene(desk)
        _evening(desk)
        _account(desk)


def _evening(desk: Desk) -> None:
    desk.scene("21:30", "the evening: is all of it there?")
    desk.says("verify", words="as they should be")
    desk.over()


def _account(desk: Desk) -> None:
    """Sum the day up. Raises StoryFailed where an object was lost."""
    if desk.proofs.lost:
        raise StoryFailed("objects were lost in the course of the day", desk.proofs.lost)
    sums, counted = desk.sums.total, desk.stage.counted()
    kinds = {name.removeprefix(RETRIES): count for name, count in sorted(sums.items()) if name.startswith(RETRIES)}
    retries = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    done = ", ".join(plural(sums[f"{what}s_total"], what) for what in ("upload", "delete", "failure"))
    metrics = f"/metrics: {done}, {plural(sum(kinds.values()), 'retry')} ({retries})"
    cloud = (
        f"the cloud: {plural(counted.uploads, 'upload')}, {plural(desk.proofs.deletes, 'delete')}; it counts what a"
        " daemon that was killed could not tell any more, and no delete of what had never arrived"
    )
    lost = (
        f"no object, at no time: by the cloud's own journal each of the {desk.proofs.deletes} deletes was of a file"
        " that had gone from the folder, and of a file that was renamed the bytes were there already"
    )
    desk.voice.sights({"sums": [metrics, cloud], "lost": [lost]})
