"""The scene in which files change while the daemon runs: each crash falls into another change of the same tree.

There is no going back here, since a file that is written anew is another file: each try begins where the last one
ended, with disk and cloud equal.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.crash import verdict
from tests.crash.death import Arms
from tests.crash.matrix import NOWHERE, PATIENCE_SECONDS, Try, cut_power
from tests.crash.tree import BEFORE, plant
from tests.crash.vfs import is_reachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.matrix import Boundary
    from tests.crash.stage import Stage

STARTED = "started: "


def tree(turn: int) -> dict[str, bytes]:
    """Give the tree of one turn: from each to the next, files are new, changed, renamed, removed and left alone."""
    return {
        "same": b"stays as it is",
        "changed": b"%d" % turn,
        "empty": b"" if turn % 2 else b"not empty",
        f"名字 {turn}": BEFORE["old name.bin"],
        f"new {turn}": b"new in turn %d" % turn,
        f"directory {turn}/file": b"in directory %d" % turn,
    }


class Live:
    """Tries crashes of `run` on one stage, one after the other."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._turn = 0
        plant(stage.root, tree(0))
        assert stage.run("sync") == 0, stage.output.read_text()

    def count(self) -> list[str]:
        """Give the kinds of the boundaries that are crossed when nobody dies, in their order."""
        code = self._change(NOWHERE)
        assert code == 0, f"{code}: {self._stage.output.read_text()}"
        return self._stage.crossed()

    def crash(self, at: Boundary) -> Try:
        """Die at one boundary, judge, start again, judge; what a power cut would have left is judged as well."""
        stage, result = self._stage, Try(at)
        before = stage.objects()
        code = self._change(at)
        if code == -signal.SIGKILL:
            result.has_died = True
            result.complaints += verdict.of_the_moment(stage, before)
            if is_reachable():
                result.complaints += cut_power(result, stage, before)
        elif code:
            result.complaints.append(f"nobody killed it, but it ended with {code}")
        recovery = verdict.of_the_restart(stage)
        result.complaints += recovery.complaints
        result.repeated = recovery.repeated
        return result

    def _change(self, at: Boundary) -> int:
        """Start the daemon, change the tree when it is up, ask it to stop when all is equal. Gives the exit code."""
        stage = self._stage
        stage.emulator._service.record.clear()
        stage.output.write_text("")
        pid = stage.bear("run", Arms(stage.state, stage.place / "log", stage.place / "will", *at))
        self._turn += 1
        self._wait(pid, lambda: STARTED in stage.output.read_text())
        plant(stage.root, tree(self._turn))
        self._wait(pid, stage.is_done)
        if stage.nursery.look(pid) is None:
            os.kill(pid, signal.SIGTERM)
        code = stage.nursery.wait(pid)
        stage.calm_down()
        return code

    def _wait(self, pid: int, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._stage.nursery.look(pid) is None and not condition():
            assert time.monotonic() < deadline, self._stage.output.read_text()
            time.sleep(0.01)
