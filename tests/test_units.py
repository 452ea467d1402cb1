"""What is installed beside the program: the units, the limits, the package's scripts. No systemd: see booted/."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tcbsync import __version__

HOUSE = Path(__file__).parent.parent
SYSTEMD = HOUSE / "systemd"
NAMES = {"config.yaml": "%i.yaml", "tcbsync/secret": "tcbsync/%i.secret", "Directory=tcbsync": "Directory=tcbsync-%i"}


def lines(unit: str) -> list[str]:
    """Give the lines of a unit that say something to systemd or to people, but for the head."""
    return (SYSTEMD / unit).read_text().partition("\n[Unit]\n")[2].splitlines()


def test_the_template_is_the_service_but_for_names() -> None:
    """A reason that holds for one holds for the other: they cannot drift apart."""
    expected = "\n".join(lines("tcbsync.service"))
    for name, instance in NAMES.items():
        expected = expected.replace(name, instance)
    expected = expected.replace("# /var/lib/tcbsync:", "# /var/lib/tcbsync-%i:").replace(
        "storage\nDocumentation", "storage (%i)\nDocumentation"
    )

    assert "\n".join(lines("tcbsync@.service")) == expected


SHARED = {
    "After=local-fs.target",  # with the line above
    "After=network-online.target",
    "Description=Mirror",
    "Documentation=",
    "ExecStart=",
    "Group=",
    "AmbientCapabilities=",
    "SystemCallArchitectures=",
    "SystemCallFilter=~",
    "WantedBy=",
}
"""Lines that need no reason, or share that of the line above them."""


def test_every_line_of_the_unit_has_its_reason() -> None:
    """Whoever wonders whether a line may be changed reads why it is there, right above it."""
    before = ""
    unexplained = []
    for line in lines("tcbsync.service"):
        is_setting = re.match(r"[A-Z]\w+=", line)
        if is_setting and not before.startswith("#") and not any(line.startswith(name) for name in SHARED):
            unexplained.append(line)
        before = line

    assert unexplained == []


def test_the_limits_are_what_sysctl_reads() -> None:
    """Names and whole numbers; a comment is a line of its own."""
    settings = configparser.ConfigParser()

    settings.read_string("[all]\n" + (SYSTEMD / "60-tcbsync.conf").read_text())

    assert set(settings["all"]) == {
        "fs.inotify.max_user_watches",
        "fs.inotify.max_user_instances",
        "fs.inotify.max_queued_events",
    }
    assert all(value.isdecimal() for value in settings["all"].values())


@pytest.mark.parametrize("script", ["build", "postinst", "prerm", "postrm"])
def test_the_packages_scripts_are_shell(script: str) -> None:
    """A shell finds no mistake in their grammar."""
    shell = "bash" if script == "build" else "sh"

    result = subprocess.run([shell, "-n", str(SYSTEMD / "debian" / script)], capture_output=True, check=False)

    assert result.returncode == 0, result.stderr
    assert os.access(SYSTEMD / "debian" / script, os.X_OK) or script != "build"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_wheel_and_sdist_install_with_pipx(tmp_path: Path) -> None:
    """Each is a command of its own, with all that it needs; and the wheel is made from the sdist."""
    environment = {**os.environ, "PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    tools = tmp_path / "tools/bin"
    run(sys.executable, "-m", "venv", "tools")
    run(tools / "pip", "install", "--quiet", "build", "pipx")

    run(tools / "python", "-m", "build", "--outdir", "dist", HOUSE)
    said = []
    for kind in ("*.whl", "*.tar.gz"):
        (built,) = (tmp_path / "dist").glob(kind)
        run(tools / "pipx", "install", "--force", "--python", sys.executable, built)
        said.append(run(tmp_path / "bin/tcbsync", "--version"))

    assert said == [f"tcbsync {__version__}\n"] * 2
