"""The state directory is nobody else's business, whatever the umask, and whoever made it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.stage import environment, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.stage import Stage

CARELESS = ["sh", "-c", 'umask 0; exec "$@"', "sh"]
"""Run what follows with a umask that takes nothing away."""
NOBODY = 65534


def modes(state_dir: Path) -> dict[str, str]:
    """Give the mode of the directory and of everything in it, by name."""
    paths = [state_dir, *state_dir.rglob("*")]
    return {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["sync", "retry"])
def test_what_a_verb_leaves_is_its_users_alone(stage: Stage, verb: str) -> None:
    """0700 and 0600 with a umask of 0, for every verb that makes the state directory."""
    stage.write(a="a")

    stage.spawn(verb, before=CARELESS)

    found = modes(stage.state_dir)
    assert (found.pop("state"), found.pop("snapshots")) == ("0o700", "0o700")
    assert {"lock", "manifest.db"} <= set(found)
    assert set(found.values()) == {"0o600"}


@pytest.mark.slow
def test_what_a_daemon_has_open_is_its_users_alone(stage: Stage, tmp_path: Path) -> None:
    """Its socket and SQLite's further files too, while it runs."""
    stage.write(a="a")
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(stage.command("run", before=CARELESS), stderr=log, env=environment()) as process,
    ):
        try:
            eventually(stage.objects)
            found = modes(stage.state_dir)
        finally:
            process.terminate()

    assert (found.pop("state"), found.pop("snapshots")) == ("0o700", "0o700")
    assert {"lock", "manifest.db", "manifest.db-wal", "manifest.db-shm", "control.sock"} <= set(found)
    assert set(found.values()) == {"0o600"}


def test_what_an_earlier_version_left_open_is_closed(stage: Stage) -> None:
    """A manifest that others could read is not readable for long; what is not ours stays as it is."""
    stage.write(a="a")
    stage.run("sync")
    theirs = stage.state_dir / "README"
    theirs.touch()
    for path in (theirs, stage.state_dir / "manifest.db", stage.state_dir / "lock"):
        path.chmod(0o644)

    stage.run("sync")

    found = modes(stage.state_dir)
    assert (found["manifest.db"], found["lock"], found["README"]) == ("0o600", "0o600", "0o644")


def test_a_link_in_the_place_of_the_manifest_closes_nothing_else(stage: Stage, tmp_path: Path) -> None:
    """Modes are taken from our own files, never through a link from another's."""
    stage.write(a="a")
    stage.run("sync")
    other = tmp_path / "other"
    other.touch()
    other.chmod(0o644)
    wal = stage.state_dir / "manifest.db-wal"
    wal.unlink(missing_ok=True)
    wal.symlink_to(other)

    stage.run("status")
    stage.run("sync")

    assert oct(stat.S_IMODE(other.stat().st_mode)) == "0o644"


def test_the_umask_is_given_back(stage: Stage) -> None:
    """Whoever runs a verb within his own process keeps his umask."""
    before = os.umask(0o022)
    try:
        stage.run("sync")
        after = os.umask(0o022)
    finally:
        os.umask(before)

    assert after == 0o022


@pytest.fixture
def commons() -> Iterator[Path]:
    """Make a directory that another user may go through."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="becoming another user needs root")
def test_another_user_can_neither_read_nor_command(stage: Stage, commons: Path) -> None:
    """Even in a state directory that the operator has opened, its files and the socket are the daemon's alone."""
    stage.state_dir = commons / "state"
    stage.state_dir.mkdir()
    stage.state_dir.chmod(0o755)
    stage.configure()
    stage.write(a="a")
    as_nobody = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "--inh-caps=-all"]

    with stage.daemon():
        eventually(stage.objects)
        tried = {
            (name, wish): subprocess.run(
                [*as_nobody, "test", wish, str(stage.state_dir / name)], check=False
            ).returncode
            for name in ("manifest.db", "manifest.db-wal", "lock", "control.sock")
            for wish in ("-r", "-w")  # connecting to a socket takes the right to write
        }

    assert tried == dict.fromkeys(tried, 1)
