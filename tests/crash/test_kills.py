"""The real process is killed at each kind of boundary once. `python -m tests.crash` tries every one of each kind."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.crash import verdict
from tests.crash.live import Live
from tests.crash.matrix import Boundary
from tests.crash.scenes import OLD, every, play, some
from tests.crash.stage import Scene
from tests.crash.vfs import is_reachable
from tests.e2e.house import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.crash.matrix import Try
    from tests.crash.nursery import Nursery

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHARES = 4
"""So many tests try the kinds together."""

CALLS = ("stable_token", "uploadfile", "upload", "batchdeletefile")
BYTES = (
    "after the first byte of an upload",
    "before the first byte of the file",
    "after the first byte of the file",
    "amid the file",
    "after the last byte of the file",
    "before the last byte of an upload",
    "after the last byte of an upload",
)
COMMITS = ("a mirror", "expect", "sending", "prove", "deleting", "remove", "equal")
MUST_MEET = {
    *(f"before the call {call}" for call in CALLS),
    *(f"after the answer of {call}" for call in CALLS),
    *BYTES,
    *(f"{side} the commit of {commit}" for side in ("before", "after") for commit in COMMITS),
}
"""Kinds of boundaries that every sync with changes crosses, whatever else is built into it."""
AGAIN = (
    "after the commit of expect",
    "after the answer of uploadfile",
    "before the commit of sending",
    "after the first byte of the file",
    "after the last byte of an upload",
    "after the answer of upload",
    "before the commit of prove",
    "after the commit of prove",
    "before the commit of deleting",
    "after the commit of deleting",
    "after the answer of batchdeletefile",
    "before the commit of remove",
    "after the commit of remove",
)
LANDED = 3
"""After so many of these kills the cloud has an upload that no proof was written for."""
NEWBORN = {
    "before mkdir of state",
    "after mkdir of state",
    "before open of lock",
    "before a migration",
    "after a migration",
}
if is_reachable():
    MUST_MEET |= {f"{side} a sync of manifest.db{file}" for side in ("before", "after") for file in ("", "-wal")}
    MUST_MEET |= {"before a write to manifest.db-wal", "before a write to manifest.db"}
    NEWBORN |= {"after manifest.db-journal went", "after manifest.db-wal is made"}


def complaints(tries: Iterable[Try]) -> list[str]:
    """Say what was wrong, and where."""
    return [f"{each.at}: {complaint}" for each in tries for complaint in each.complaints]


def one_of_each(kinds: Sequence[str]) -> list[Boundary]:
    """Give one boundary of each kind. No run comes to its end without them.

    Of the service's the first: it is about a file whose older state the cloud holds. Of all others one from the middle.
    """
    service = {
        *BYTES,
        *(f"before the call {call}" for call in CALLS),
        *(f"after the answer of {call}" for call in CALLS),
    }
    return [Boundary(kind, 1 if kind in service else (kinds.count(kind) + 1) // 2) for kind in dict.fromkeys(kinds)]


@pytest.mark.parametrize("share", range(SHARES))
def test_every_kind_of_boundary(share: int, tmp_path: Path, nursery: Nursery) -> None:
    """Killed there, or without power there, it forgets nothing, claims nothing, and goes on where it was."""
    matrix, kinds = play("changed", tmp_path / "scene", nursery)

    tries = [matrix.crash(at, tmp_path / "try", nursery) for at in one_of_each(kinds)[share::SHARES]]

    assert complaints(tries) == []
    assert set(kinds) >= MUST_MEET
    assert [each.at for each in tries if each.at.kind in MUST_MEET and not each.has_died] == []


@pytest.mark.parametrize("share", range(SHARES))
def test_the_birth_of_the_manifest(share: int, tmp_path: Path, nursery: Nursery) -> None:
    """While directory, lock, file and schema are made there is always something to go on from."""
    matrix, kinds = play("first", tmp_path / "scene", nursery)
    birth = kinds[: kinds.index("after the commit of a mirror")]

    tries = [matrix.crash(at, tmp_path / "try", nursery) for at in one_of_each(birth)[share::SHARES]]

    assert complaints(tries) == []
    assert set(birth) >= NEWBORN
    assert all(each.has_died for each in tries)


@pytest.mark.parametrize("name", OLD)
def test_a_migration(name: str, tmp_path: Path, nursery: Nursery) -> None:
    """Killed in the midst of it, the manifest has the old schema or the new one, and every row."""
    matrix, kinds = play(name, tmp_path / "scene", nursery)
    boundaries = some(kinds[: len(every(name, kinds))])

    tries = [matrix.crash(at, tmp_path / "try", nursery) for at in boundaries]

    assert complaints(tries) == []
    assert {each.at.kind for each in tries if each.has_died} >= {"before a migration", "after a migration"}


def test_killed_again_and_again(tmp_path: Path, nursery: Nursery) -> None:
    """Each start is killed in its turn, a little further on; what was in flight each time is all that is repeated."""
    matrix, _ = play("changed", tmp_path / "scene", nursery)
    boundaries = [Boundary(kind, 1) for kind in AGAIN]

    with matrix.scene.stage(tmp_path / "try", nursery) as stage:
        before = stage.objects()
        codes, moments = [], []
        for at in boundaries:
            codes.append(matrix.work(stage, matrix.arms(stage, at)))
            moments += verdict.of_the_moment(stage, before)
        recovery = verdict.of_the_restart(stage, len(boundaries))

    assert codes == [-signal.SIGKILL] * len(boundaries)
    assert moments == []
    assert recovery.complaints == []
    assert recovery.repeated <= LANDED


def test_files_change_while_it_dies(tmp_path: Path, nursery: Nursery) -> None:
    """The daemon that is killed amid its work finds, when it is back, what changed when nobody looked."""
    scene = Scene(tmp_path / "root", tmp_path / "state", tmp_path / "cloud")
    scene.root.mkdir()
    wanted = (
        "after the commit of sending",
        "amid the file",
        "after the last byte of an upload",
        "before the commit of remove",
    )

    with scene.stage(tmp_path / "stage", nursery) as stage:
        live = Live(stage)
        tries = [live.crash(Boundary(kind, 1)) for kind in wanted]

    assert complaints(tries) == []
    assert all(each.has_died for each in tries)


def test_a_process_of_its_own(tmp_path: Path, nursery: Nursery) -> None:
    """`python -m tests.crash.dying` dies as those from the nursery do, by its own hand, and leaves the same behind."""
    matrix, _ = play("changed", tmp_path / "scene", nursery)
    at = ["--at", "after the last byte of an upload", "--nth", "2"]

    with matrix.scene.stage(tmp_path / "try", nursery) as stage:
        before = stage.objects()
        paths = ["--state", str(stage.state), "--log", str(stage.place / "log")]
        command = [sys.executable, "-m", "tests.crash.dying", *paths, *at, "--", "sync", "-c", str(stage.config)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        stage.calm_down()
        moment = verdict.of_the_moment(stage, before)
        recovery = verdict.of_the_restart(stage)

    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert moment == []
    assert recovery == ([], 1)
