"""What TAB offers, in the real shells: verbs, options, mirrors' names, paths."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import main, parser
from tests.cli.stage import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

BASH = """
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_tcbsync
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
CONFIG = """\
mirrors:
  - name: site  # the first
    root: /srv/site
  - {name: "fonts", root: /srv/fonts}
"""


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder. Gives what it wrote."""
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, encoding="utf-8", timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


def by_bash(script: Path, line: str) -> set[str]:
    """Give what bash offers behind a line."""
    words = " ".join(repr(word) for word in line.split(" "))
    return set(run(["bash", "-c", BASH.format(script=script, words=words)], script.parent).split("\n")) - {""}


def by_fish(script: Path, line: str) -> set[str]:
    """Give what fish offers behind a line."""
    told = run(["fish", "--no-config", "-c", f"source {script}; complete -C {line!r}"], script.parent)
    return {each.split("\t")[0] for each in told.splitlines()}


def by_zsh(script: Path, line: str) -> set[str]:
    """Give what zsh lists behind a line when TAB is pressed, on a terminal."""
    ours, theirs = pty.openpty()
    variables = environment(TERM="dumb", COLUMNS="200", LINES="80", PS1="$ ", HOME=str(script.parent))
    process = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=variables, cwd=script.parent
    )
    os.close(theirs)
    try:
        begin = "unsetopt prompt_cr prompt_sp; autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' verbose no"
        os.write(ours, f"{begin}; stty rows 80 cols 200; source {script}; print re''ady\n".encode())
        read_until(ours, "ready")
        os.write(ours, f"{line}\t".encode())
        shown = read_until(ours, None)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return set(re.split(r"\s+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\x07\x08]", " ", shown)))


def read_until(descriptor: int, text: str | None, seconds: float = 20.0) -> str:
    """Read what a terminal shows until a text comes, or until nothing more does."""
    shown, deadline = "", time.monotonic() + seconds
    while time.monotonic() < deadline and (text is None or f"\n{text}" not in shown):
        if select.select([descriptor], [], [], 1.5 if shown else 5.0)[0]:
            shown += os.read(descriptor, 65_536).decode()
        elif text is None:
            break
    return shown


SHELLS: dict[str, Callable[[Path, str], set[str]]] = {"bash": by_bash, "fish": by_fish, "zsh": by_zsh}
CASES = {
    "verbs": ("tcbsync st", {"status"}, {"sync", "plan"}),
    "options": ("tcbsync sync --m", {"--mirror"}, {"--json"}),
    "a part of a verb": ("tcbsync manifest ex", {"export"}, {"import"}),
    "its options": ("tcbsync manifest export --m", {"--mirror"}, {"--json"}),
    "mirrors": ("tcbsync approve ", {"site", "fonts"}, {"config.yaml"}),
    "mirrors behind an option": ("tcbsync sync --mirror f", {"fonts"}, {"site"}),
    "mirrors of the configuration that is named": ("tcbsync approve -c other.yaml ", {"elsewhere"}, {"site"}),
    "paths": ("tcbsync status -c conf", {"config.yaml"}, {"sync", "site"}),
    "choices": ("tcbsync completion b", {"bash"}, {"fish"}),
}


@pytest.fixture(params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest) -> str:
    """Name a shell that is installed here."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write the script for the shell, beside two configurations."""
    assert main(["completion", shell]) == exits.DONE
    path = tmp_path / f"script.{shell}"
    path.write_text(capsys.readouterr().out)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "other.yaml").write_text("mirrors:\n  - name: elsewhere\n  - name: elsewhere-too\n")
    return path


@pytest.mark.parametrize("case", CASES)
def test_what_is_offered(shell: str, script: Path, case: str) -> None:
    """What begins as the word does and belongs there, and nothing else. A single match is written out."""
    line, wanted, unwanted = CASES[case]

    offered = SHELLS[shell](script, line)

    assert offered >= wanted
    assert not offered & unwanted


def as_fish(option: str) -> str:
    """Write an option as fish's `complete` takes it."""
    return f"-s {option[1:]}" if re.fullmatch("-.", option) else option if option[0] != "-" else f"-l {option[2:]}"


def test_every_verb_and_option_is_in_it(shell: str, script: Path) -> None:
    """The script is made from the parser: whatever verb is declared, TAB knows it with all its options."""
    (verbs,) = (action.choices for action in parser()._actions if action.choices)
    assert isinstance(verbs, dict)
    text = script.read_text()

    missing = [
        (name, option)
        for name, verb in verbs.items()
        for action in verb._actions
        for option in (name, *action.option_strings)
        if (as_fish(option) if shell == "fish" else option) not in text
    ]

    assert len(verbs) > 10
    assert missing == []


def test_the_shell_finds_no_mistake(shell: str, script: Path) -> None:
    """The script can be read by its shell without running anything."""
    assert run([shell, "-n", str(script)], script.parent) == ""
