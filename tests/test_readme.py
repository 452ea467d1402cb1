"""The README is true: its tour runs as it stands, and what it names exists."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tcbsync.cli.main import parser

HOUSE = Path(__file__).parent.parent
README = (HOUSE / "README.md").read_text("utf-8")


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    """Pasted into a shell, it mirrors a folder, syncs again without a request, and mirrors a live change."""
    (tour,) = re.findall(r"```sh tour\n(.*?)```", README, re.DOTALL)
    commands = tmp_path / "commands"
    commands.mkdir()
    command = commands / "tcbsync"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tcbsync "$@"\n')
    command.chmod(0o755)
    script = tour.replace("127.0.0.1:8070", f"127.0.0.1:{free_port()}").replace("./objects &", "./objects & sleep 3")
    script = f"set -e\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(HOUSE)}

    result = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "site: 3 files uploaded" in result.stdout
    assert "site: nothing to do, 3 files in the cloud" in result.stdout
    assert "3 files as they should be" in result.stdout
    assert "site: in_sync" in result.stdout
    assert result.stdout.rstrip().endswith("hello again")


def test_every_verb_that_is_named_exists() -> None:
    """`tcbsync VERB` in the README is a verb of the command line."""
    verbs = set(re.findall(r"tcbsync ([a-z]+)\b", README)) - {"is", "home", "tcbsync", "beside"}

    (choices,) = (action.choices for action in parser()._actions if action.choices)

    assert verbs
    assert verbs <= set(choices)


def test_every_make_target_that_is_named_exists() -> None:
    """`make TARGET` in the README is a target of the Makefile."""
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE))

    targets = set(re.findall(r"^([a-z]+):", (HOUSE / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert named
    assert named <= targets


def test_every_file_that_is_named_exists() -> None:
    """A path in backquotes or in a link's target is a path of this tree."""
    rooms = re.findall(
        r"`((?:core|local|store|cloud|engine|config|daemon|emulator|demo|cli)/[a-z_]*(?:\.py)?)`", README
    )
    links = re.findall(r"\]\(([a-z][\w./]*)\)", README)

    missing = [path for path in rooms if not (HOUSE / "tcbsync" / path).exists()]
    missing += [path for path in links if not (HOUSE / path).exists()]

    assert rooms
    assert links
    assert not missing
