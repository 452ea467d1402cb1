"""Fixtures: packages that are built once, a guest for each module, and the stage in it put in order for each test."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.booted.rig import HOUSE, alone, booted, missing, package, package_of
from tests.booted.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from tests.booted.rig import Guest

PREVIOUS = "774d08bcf441dfab3c4bdae72016011fe5ad7fb5"
"""The last state with schema 1 of the manifest."""


NOISE = re.compile(r"WATCHDOG=1|mount_setattr\(\)|Bind-mounting|Applying namespace mount|Successfully (re|)mounted")
"""What systemd writes at the level that shows what it is told, and nobody needs to see."""
LAST = 200
"""Lines of it that are shown when a test fails."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell, with a failure, what the booted machine wrote down meanwhile."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    guest = arguments.get("guest") or arguments.get("clean")
    if report.failed and guest is not None:
        written = guest.journal("tcbsync.service", "tcbsync@shop.service", "cloud.service", since=call.start)
        lines = [line for line in written.splitlines() if not NOISE.search(line)]
        report.sections.append(("the journal of the guest", "\n".join(lines[-LAST:])))
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, where nothing can be booted."""
    reason = missing()
    for item in items:
        if "tests/booted/" in item.nodeid and {"guest", "clean"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(600))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def new_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package of this tree, once for all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "package"
    with alone(shared):
        built = list(shared.glob("*.deb"))
        return built[0] if built else package(shared)


@pytest.fixture(scope="session")
def old_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package of the version before."""
    known = subprocess.run(["git", "cat-file", "-e", PREVIOUS], cwd=HOUSE, capture_output=True, check=False)
    if known.returncode:
        pytest.skip("this clone has no history: git fetch --unshallow")
    return package_of(tmp_path_factory.mktemp("old"), PREVIOUS, "0.1.0~schema1")


@pytest.fixture
def clean(tmp_path: Path) -> Iterator[Guest]:
    """Boot a Debian that never saw the program."""
    with booted(tmp_path / "console") as running:
        yield running


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Boot a Debian for all tests of a module."""
    with booted(tmp_path_factory.mktemp("booted") / "console") as running:
        yield running


@pytest.fixture(scope="module")
def installed(guest: Guest, new_package: Path) -> Stage:
    """Install the package there, with all around it."""
    stage = Stage(guest)
    stage.install(new_package)
    stage.prepare()
    return stage


@pytest.fixture
def stage(installed: Stage) -> Iterator[Stage]:
    """Give the stage, and put it in order afterwards."""
    yield installed
    installed.restore()
