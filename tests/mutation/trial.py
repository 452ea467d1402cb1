"""Tries mutants: each in a process of its own, on a copy of the tree, with the tests that stand beside its module.

Forked from a process that has loaded what is not ours, so that a trial costs little more than its tests. The tests run
until the first of them fails; one that never ends has noticed the mutant, too.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOADED = ("aiohttp.web", "httpx", "hypothesis.stateful", "pathspec", "rich", "tenacity", "watchdog", "yaml")
LEAST_SECONDS = 20.0
QUIETLY = ("-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning")
"""What was loaded before was loaded without pytest, and does not matter."""
SLOWER = 5
"""A trial may take so many times as long as the tests take without a mutant."""


class Trials:
    """A copy of the tree in which one module at a time is another."""

    def __init__(self, tree: Path, place: Path, *, is_near: bool = False) -> None:
        self._place = place
        self._is_near = is_near
        for part in ("tcbsync", "tests"):
            shutil.copytree(tree / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(tree / "pyproject.toml", place)
        for name in LOADED:
            importlib.import_module(name)
        # A mutant may have the size and the second of its forerunner: compiled code would be taken for its own.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True

    def is_noticed(self, module: Path, source: str, seconds: float) -> bool:
        """Whether a test goes red with this source in the module's place."""
        file = self._place / module
        before = file.read_text()
        file.write_text(source)
        try:
            return any(tests and self._run(tests, seconds) != 0 for tests in self._tests_for(module))
        finally:
            file.write_text(before)

    def measure(self, module: Path) -> float:
        """Give the seconds that a trial may take. Raises RuntimeError where the tests are red without a mutant."""
        start = time.monotonic()
        near, others = self._tests_for(module)
        if self._run([*near, *others], 600) != 0:
            raise RuntimeError(f"red without a mutant: {self.output()}")
        return max(LEAST_SECONDS, SLOWER * (time.monotonic() - start))

    def output(self) -> str:
        """Give the end of what the last tests said."""
        return (self._place / "output").read_text(errors="replace")[-3000:]

    def _tests_for(self, module: Path) -> tuple[list[str], list[str]]:
        """List the tests of the module's room: those that bear its name, and the others if they are wanted."""
        files = sorted((self._place / "tests" / module.parent.name).glob("test_*.py"))
        is_near = {file: module.stem in file.stem.replace("test_", "", 1) for file in files}
        names = {file: str(file.relative_to(self._place)) for file in files}
        near = [names[file] for file in files if is_near[file]]
        return near, [] if self._is_near else [names[file] for file in files if not is_near[file]]

    def _run(self, tests: Sequence[str], seconds: float) -> int:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            self._become_a_trial(tests)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                _end(child)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        _end(child)
        os.waitpid(child, 0)
        return -1

    def _become_a_trial(self, tests: Sequence[str]) -> None:
        code = 70
        try:
            os.setsid()
            os.chdir(self._place)
            sys.path.insert(0, str(self._place))
            for name in [name for name in sys.modules if re.match(r"(tests|tcbsync)\b", name)]:
                del sys.modules[name]
            output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *QUIETLY, *tests])
        except BaseException:  # noqa: BLE001 - nothing may get out of the fork
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(int(code))


def _end(group: int) -> None:
    """End what a trial has left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
