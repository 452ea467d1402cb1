"""Without the package: the commands of the README, in a Debian that has only what the README asks for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.booted.rig import HOUSE
from tests.booted.stage import UNIT, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.booted.rig import Guest

COMMANDS = (
    "python3 -m venv /opt/tcbsync",
    "/opt/tcbsync/bin/pip install --quiet --no-index --find-links wheels tcbsync",
    "ln -s /opt/tcbsync/bin/tcbsync /usr/local/bin/",
    "install -D -m 644 systemd/tcbsync.sysusers.conf /etc/sysusers.d/tcbsync.conf && systemd-sysusers",
    "cp systemd/tcbsync.service systemd/tcbsync@.service /etc/systemd/system/",
    "cp systemd/60-tcbsync.conf /etc/sysctl.d/",
    "install -D -m 644 config.example.yaml /etc/tcbsync/config.yaml",
    "systemctl daemon-reload",
)


def test_a_virtual_environment_and_the_same_unit(clean: Guest, tmp_path: Path) -> None:
    """The unit that the package brings runs what was installed by hand, from wheels and without a package index."""
    stage = Stage(clean)
    house = clean.root / "srv/house"
    house.mkdir()
    wheels = tmp_path / "wheels"
    download = ["wheel", "--quiet", "--wheel-dir", str(wheels), str(HOUSE)]
    subprocess.run([sys.executable, "-m", "pip", *download], check=True, capture_output=True)
    for source in (wheels, HOUSE / "systemd", HOUSE / "config.example.yaml"):
        subprocess.run(["cp", "-r", str(source), str(house)], check=True)

    for command in COMMANDS:
        clean.run("sh", "-c", f"cd /srv/house && {command}")
    stage.prepare()
    (stage.root / "hello.txt").write_text("hello")
    clean.run("systemctl", "enable", "--now", UNIT)
    stage.settle()

    assert stage.cloud() == {"hello.txt": b"hello"}
    assert clean.says("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{UNIT}") == ""
