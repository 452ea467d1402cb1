"""Limits that are reached, and permissions that go, only while the watcher runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.local.watching import AS_USER_OF_ITS_OWN, POWERLESS, run_child

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="needs inotify"), pytest.mark.slow]


def test_the_watch_limit_is_reached_while_running(tmp_path: Path) -> None:
    """New directories beyond it are hinted once, named for rescans, and seen as soon as others have made room."""
    for number in range(20):
        (tmp_path / f"early{number}").mkdir()

    run_child(
        """
import shutil
Path("/proc/sys/user/max_inotify_watches").write_text("31")
with watching(root) as (watcher, recorder):
    assert (watcher.state.mode.value, watcher.state.watches) == ("inotify", 21), watcher.state
    for number in range(30):
        (root / f"late{number}").mkdir()
    eventually(lambda: watcher.state.mode.value == "degraded" and watcher.state.blind_count == 20)
    assert "is 31: put `user.max_inotify_watches = 524288` into /etc/sysctl.d/" in watcher.state.reason
    assert not recorder.lacks([f"late{number}" for number in range(30)])
    recorder.clear()
    for directory in directories(root):
        (root / directory / "file").touch()
    barrier(root, recorder)
    unheard = {directory for directory in directories(root) if not recorder.covers(f"{directory}/file")}
    assert unheard == set(watcher.state.blind), (unheard, watcher.state)
    for number in range(20):
        shutil.rmtree(root / f"early{number}")
    eventually(lambda: watcher.state.mode.value == "inotify" and unheard <= recorder.paths())
    probe(root, recorder)
""",
        tmp_path,
        before=AS_USER_OF_ITS_OWN,
    )


def test_what_becomes_unreadable_while_running_degrades(tmp_path: Path) -> None:
    """A directory that comes so is blind at once; in one that becomes so, new directories are."""
    (tmp_path / "d").mkdir()

    run_child(
        """
with watching(root) as (watcher, recorder):
    (root / "e").mkdir(mode=0)
    eventually(lambda: watcher.state.blind == ("e",))
    assert watcher.state.mode.value == "degraded" and "'e': Permission denied" in watcher.state.reason, watcher.state
    (root / "e").chmod(0o755)
    eventually(lambda: watcher.state.mode.value == "inotify")
    (root / "d").chmod(0)
    barrier(root, recorder)
    (root / "d").chmod(0o755)
    probe(root, recorder)
""",
        tmp_path,
        before=POWERLESS,
    )
