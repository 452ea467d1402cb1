"""Where nothing can be booted, that is said, and why; and nothing else passes for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.booted.rig import CGROUPS, HOUSE

QUESTION = "from tests.booted.rig import missing; print(missing())"
READ_ONLY = 'for each in {}; do mount --bind $each $each && mount -o remount,bind,ro $each || exit; done; exec "$@"'

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root has rights to be without"
)


def said(*within: str) -> str:
    """Ask, within the limits that a command sets."""
    command = [*within, sys.executable, "-c", QUESTION]
    return subprocess.run(command, cwd=HOUSE, check=True, capture_output=True, text=True).stdout.strip()


def test_who_may_not_mount_is_told() -> None:
    """Root of a sandbox that keeps the right to mount for itself: the kernel's own word is in the reason."""
    if said():
        pytest.skip(said())

    reason = said("setpriv", "--bounding-set=-sys_admin")

    assert reason == "this host lets nobody make a container: unshare: unshare failed: Operation not permitted"


def test_who_may_not_make_a_control_group_is_told() -> None:
    """Root of a sandbox in which /sys/fs/cgroup can only be read."""
    if said():
        pytest.skip(said())
    present = " ".join(folder for folder in CGROUPS if os.path.isdir(folder))  # noqa: PTH112 - as they are named

    reason = said("unshare", "--mount", "sh", "-c", READ_ONLY.format(present), "sh")

    assert reason == "this host lets nobody make a control group"


def test_who_is_not_root_is_told() -> None:
    """Everybody but root."""
    assert said("setpriv", "--reuid=65534", "--clear-groups") == "only root can boot a Debian in a container"
