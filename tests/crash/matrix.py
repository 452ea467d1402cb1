"""Tries one crash after the other: the process dies at one boundary, everything is judged, it is started again.

Two crashes are tried at each boundary. In the first one, the process dies, and the operating system lives: what was
written is there. In the second one the power goes: what was not synced is lost, or there in part, in each way that
`platter` knows. All of these are judged as they were found; one of them, another each time, is started again.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.crash import verdict
from tests.crash.death import Arms
from tests.crash.platter import lay_out, read_will
from tests.crash.vfs import is_reachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.crash.nursery import Nursery
    from tests.crash.stage import Object, Scene, Stage

    Work = Callable[[Stage, Arms | None], int]

PATIENCE_SECONDS = 60.0


class Boundary(NamedTuple):
    """One boundary: its kind, and the how manieth of its kind it is, from 1."""

    kind: str
    nth: int


@dataclass
class Try:
    """One crash, and how it ended."""

    at: Boundary
    has_died: bool = False
    """False: the process did not come to that boundary, and lived to its end."""
    complaints: list[str] = field(default_factory=list)
    repeated: int = 0
    """How many uploads went out a second time."""
    outcomes: list[str] = field(default_factory=list)
    """What the power cut may have left, by the platter's words."""


NOWHERE = Boundary("", 1)


def sync(stage: Stage, arms: Arms | None) -> int:
    """Carry out `tcbsync sync`."""
    return stage.run("sync", arms)


def daemon(stage: Stage, arms: Arms | None) -> int:
    """Let `tcbsync run` work until disk and cloud are equal, then ask it to stop."""
    pid = stage.bear("run", arms)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (code := stage.nursery.look(pid)) is None:
        assert time.monotonic() < deadline, stage.output.read_text()
        if stage.is_done():
            os.kill(pid, signal.SIGTERM)
            code = stage.nursery.wait(pid)
            break
        time.sleep(0.01)
    stage.calm_down()
    return code


@dataclass(frozen=True, slots=True)
class Matrix:
    """All crashes of one piece of work from one beginning."""

    scene: Scene
    work: Work
    checkpoint_pages: int | None = None
    synchronous: str = ""

    def count(self, place: Path, nursery: Nursery) -> list[str]:
        """Give the kinds of the boundaries that are crossed when nobody dies, in their order."""
        with self.scene.stage(place, nursery) as stage:
            code = self.work(stage, self.arms(stage, NOWHERE))
            assert code == 0, f"{code}: {stage.output.read_text()}"
            return stage.crossed()

    def crash(self, at: Boundary, place: Path, nursery: Nursery) -> Try:
        """Die at one boundary, judge, start again, judge. The same with the power gone."""
        result = Try(at)
        cloud, state = place.with_name(f"{place.name} cloud"), place.with_name(f"{place.name} state")
        with self.scene.stage(place, nursery) as stage:
            before = stage.objects()
            code = self.work(stage, self.arms(stage, at))
            if code != -signal.SIGKILL:
                result.complaints += [f"nobody killed it, but it ended with {code}"] if code else []
                return result
            result.has_died = True
            result.complaints += verdict.of_the_moment(stage, before)
            if is_reachable():
                result.complaints += cut_power(result, stage, before, state)
                shutil.copytree(stage.place / "cloud", cloud)
            recovery = verdict.of_the_restart(stage)
            result.complaints += recovery.complaints
            result.repeated = recovery.repeated
        if is_reachable():
            with self.scene._replace(state=state, cloud=cloud).stage(place, nursery) as stage:
                complaints = verdict.of_the_restart(stage).complaints
                result.complaints += [f"after a power cut: {complaint}" for complaint in complaints]
            shutil.rmtree(state, ignore_errors=True)
            shutil.rmtree(cloud)
        return result

    def arms(self, stage: Stage, at: Boundary) -> Arms:
        """Say where a process of this stage dies."""
        return Arms(
            stage.state, stage.place / "log", stage.place / "will", *at, self.checkpoint_pages, self.synchronous
        )


def cut_power(result: Try, stage: Stage, before: Mapping[str, Object], state: Path | None = None) -> list[str]:
    """Judge each directory that a power cut at that boundary may have left. `state` becomes one of them."""
    complaints = []
    outcomes = read_will(stage.place / "will").outcomes()
    result.outcomes = list(outcomes)
    for word, found in outcomes.items():
        lay_out(found, stage.place / word)
        complaints += [f"power, {word}: {each}" for each in verdict.of_the_moment(stage, before, stage.place / word)]
        shutil.rmtree(stage.place / word, ignore_errors=True)
    if state is not None:
        lay_out(outcomes[result.outcomes[result.at.nth % len(outcomes)]], state)
    return complaints
