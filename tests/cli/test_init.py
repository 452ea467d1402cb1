"""`init`: a configuration that loads, written by asking or from options, out of the example with its comments."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import main
from tcbsync.config.example import filled
from tcbsync.config.load import load, load_text
from tests.cli.stage import HOUSE, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = HOUSE / "config.example.yaml"
GIVEN = ["--appid", "wx0123456789abcdef", "--env", "test-1"]


def init(folder: Path, *arguments: str) -> int:
    """Run the verb for a file of that folder."""
    return main(["init", "-c", str(folder / "config.yaml"), *arguments])


def test_from_options_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --yes nothing is asked; what is written loads, has what was given, and defaults for the rest."""
    root = tmp_path / "assets"

    code = init(tmp_path, "--yes", *GIVEN, "--root", str(root), "--state-dir", str(tmp_path / "state"))

    config = load(tmp_path / "config.yaml")
    (mirror,) = config.mirrors
    assert code == exits.DONE
    assert (mirror.name, mirror.root, mirror.env, mirror.prefix) == ("assets", root, "test-1", "assets/")
    assert (config.credentials.appid, config.credentials.secret_env) == ("wx0123456789abcdef", "TCBSYNC_SECRET")
    assert config.state_dir == tmp_path / "state"
    assert mirror.ignore == ()
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"tcbsync check -c {tmp_path}/config.yaml")


def test_the_comments_are_the_examples(tmp_path: Path) -> None:
    """Every comment of the example is in the file, at its option: there is no second copy to fall behind."""
    init(tmp_path, "--yes", *GIVEN)

    written, example = ((tmp_path / "config.yaml").read_text("utf-8"), EXAMPLE.read_text("utf-8"))
    remarks = [line.split("# ")[-1].strip() for line in example.splitlines() if "# " in line]

    assert len(remarks) > 30
    assert [remark for remark in remarks if remark not in written] == []
    assert len(written.splitlines()) == len(example.splitlines())


TEXTS = [
    "plain",
    "a: b",
    "# none",
    "true",
    "NULL",
    "1e3",
    "*a",
    "'a'",
    'a "b"',
    "文件 夹",
    "{a}",
    "a\\b",
    "-",
    "${A}/b",
]


@pytest.mark.parametrize("value", TEXTS)
def test_every_value_is_read_as_it_was_given(value: str) -> None:
    """Whatever YAML would take it for, a text is that text again."""
    text = filled({"credentials.secret_env": value, "mirrors.env": value, "mirrors.root": f"/{value}"})

    config = load_text(text, "answer")

    assert (config.credentials.secret_env, config.mirrors[0].env) == (value, value)
    assert config.mirrors[0].root == Path(f"/{value}")


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, and not a byte is changed, unless --force says so."""
    (tmp_path / "config.yaml").write_text("mine")

    refused = init(tmp_path, "--yes", *GIVEN)
    kept = (tmp_path / "config.yaml").read_text()
    forced = init(tmp_path, "--yes", "--force", *GIVEN)

    assert (refused, kept) == (exits.FAILED, "mine")
    assert "is there already (--force overwrites it, -c names another file)" in capsys.readouterr().err
    assert forced == exits.DONE
    assert load(tmp_path / "config.yaml").mirrors
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


WRONG = {
    "nothing given": ([], "--env and --appid must be given"),
    "a prefix": ([*GIVEN, "--prefix", "/x"], "--prefix: cannot stand before a key"),
    "a state directory within": (
        [*GIVEN, "--root", "/srv/a", "--state-dir", "/srv/a/b"],
        "must not be inside",
    ),
    "a secret for a name": (
        [*GIVEN, "--secret-env", "0123456789abcdef" * 2],
        "--secret: must be a name",
    ),
    "an empty env": (["--env", "", "--appid", "wx1"], "--env: must not be empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 78 in the words of the configuration's own checks, and nothing is written."""
    arguments, words = WRONG[case]

    code = init(tmp_path, "--yes", *arguments)

    assert code == exits.CONFIG
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("user", "mode"), [(0, 0o755), (1000, 0o700)])
def test_whose_directory_it_is(user: int, mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What root makes below /etc the service's user can enter, and read; a person's own is nobody else's business."""
    monkeypatch.setattr(os, "geteuid", lambda: user)

    code = init(tmp_path / "etc/tcbsync", "--yes", *GIVEN)

    made = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("etc", "etc/tcbsync")]
    assert code == exits.DONE
    assert made == [mode, mode]
    assert stat.S_IMODE((tmp_path / "etc/tcbsync/config.yaml").stat().st_mode) == 0o644


def test_a_file_that_comes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the answers are put together somebody else writes the file: his stays, and exit is 1."""

    def filled_late(values: dict[str, str]) -> str:
        (tmp_path / "config.yaml").write_text("somebody else's", "utf-8")
        return filled(values)

    monkeypatch.setattr("tcbsync.cli.init.filled", filled_late)

    code = init(tmp_path, "--yes", *GIVEN)

    assert (code, "config.yaml is there already" in capsys.readouterr().err) == (exits.FAILED, True)
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ["somebody else's"]


def test_nobody_to_be_asked(tmp_path: Path) -> None:
    """Exit 2 where it would ask and there is no terminal."""
    command = [sys.executable, "-m", "tcbsync", "init", *GIVEN]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert done.returncode == exits.USAGE
    assert "--yes takes the defaults" in done.stderr


def talk(folder: Path, answers: Sequence[str], *arguments: str) -> tuple[int, str]:
    """Answer the questions on a terminal, one at a time. Gives the exit code, and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tcbsync", "init", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment(TERM="xterm", COLUMNS="80", NO_COLOR="1"),
        start_new_session=True,
    )
    os.close(theirs)
    shown, waiting, deadline = b"", list(answers), time.monotonic() + 60
    answered = 0
    while time.monotonic() < deadline and select.select([ours], [], [], 20)[0]:
        try:
            shown += os.read(ours, 65_536)
        except OSError:  # EIO: the other side is closed
            break
        if waiting and shown[answered:].endswith(b": "):
            answered = len(shown)
            os.write(ours, waiting.pop(0).encode())
    os.close(ours)
    return process.wait(20), shown.decode().replace("\r\n", "\n")


@pytest.mark.slow
def test_by_asking(tmp_path: Path) -> None:
    """Each answer is checked at once and asked for again; an empty one takes the default that is shown."""
    (tmp_path / "web").mkdir()
    answers = ["web\n", "\n", "env-1\n", "/bad\n", "\n", "wx0123456789abcdef\n", "\n", "web/state\n", "state\n"]

    code, shown = talk(tmp_path, answers)

    config = load(tmp_path / "config.yaml")
    assert code == exits.DONE, shown
    assert f"folder to mirror [{tmp_path}]: " in shown
    assert "\u2717 must not be empty" in shown
    assert "\u2717 cannot stand before a key: " in shown
    assert "\u2717 must not be inside the root of mirror web" in shown
    assert (config.mirrors[0].root, config.mirrors[0].prefix) == (tmp_path / "web", "web/")
    assert config.state_dir == tmp_path / "state"
    assert "tcbsync check -c config.yaml" in shown


@pytest.mark.slow
def test_a_secret_that_is_typed(tmp_path: Path) -> None:
    """It is not shown, and the file is its owner's alone; without a secret in it, others may read it."""
    secret = "hush-hush-hush-hush"
    arguments = ["--root", str(tmp_path / "web"), "--env", "e", "--prefix", "", "--state-dir", str(tmp_path / "state")]

    code, shown = talk(tmp_path, ["wx1\n", "here\n", f"{secret}\n"], *arguments)
    mode, kept = (tmp_path / "config.yaml").stat().st_mode, load(tmp_path / "config.yaml").credentials.secret
    other = init(tmp_path, "--force", "--yes", *GIVEN, *arguments)

    assert (code, other) == (exits.DONE, exits.DONE), shown
    assert secret not in shown
    assert (stat.S_IMODE(mode), kept) == (0o600, secret)
    assert "credentials.secret is written out" in shown
    assert stat.S_IMODE((tmp_path / "config.yaml").stat().st_mode) == 0o644


@pytest.mark.slow
def test_whoever_goes_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-D amid the questions: exit 1, and no file."""
    code, shown = talk(tmp_path, ["\n", "\x04"])

    assert code == exits.FAILED
    assert "nothing was written" in shown
    assert list(tmp_path.iterdir()) == []
