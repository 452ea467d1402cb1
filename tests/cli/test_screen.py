"""How reports look: colours, signs and widths on a terminal, plain lines elsewhere; and `status --watch`."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.cli.lines import cells
from tcbsync.store.lock import StateLock
from tests.cli.stage import environment

if TYPE_CHECKING:
    from tests.cli.stage import Stage

pytestmark = pytest.mark.slow

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_screen(command: list[str], **variables: str) -> tuple[int, str]:
    """Run a command with a terminal as its input and outputs. Gives its exit code, and everything that it wrote."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in environment().items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env | {"TERM": "xterm", "COLUMNS": "120"} | variables,
        start_new_session=True,
    )
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65_536)
            except OSError:  # EIO: the other side is closed
                break
        elif process.poll() is not None:
            break
    os.close(ours)
    return process.wait(10), shown.decode("utf-8")


def test_colours_and_signs_on_a_terminal(stage: Stage) -> None:
    """What a person must act on is red and has a sign; taken away, what is left is plain text."""
    stage.write(bad="bad")
    stage.refuse()
    stage.run("sync")

    code, shown = on_screen(stage.command("status"))

    assert code == exits.INCOMPLETE
    assert "\x1b[1;31m\u2717\x1b[0m \x1b[1m1 file was refused for good.\x1b[0m" in shown.splitlines()
    assert "\x1b" not in COLOUR.sub("", shown)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
@pytest.mark.parametrize("verb", ["status", "plan", "failed", "check"])
def test_no_colours(stage: Stage, verb: str, variables: dict[str, str]) -> None:
    """NO_COLOR and a terminal that can nothing are obeyed: not one escape sequence."""
    stage.write(a="a")
    (stage.root / "link").symlink_to("nowhere")
    stage.run("sync")
    stage.write(b="b")

    _, shown = on_screen(stage.command(verb), **variables)

    assert shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_narrow_terminals(stage: Stage, columns: int) -> None:
    """Long names in letters that take two cells each neither break the columns nor run over the edge."""
    deep = stage.root / "很长的目录名很长的目录名" / "另一个很长的目录名"
    deep.mkdir(parents=True)
    name = "图" * 60
    (deep / f"{name}.bad.png").write_text("x", "utf-8")
    stage.refuse()
    stage.run("sync")

    for verb in ("status", "failed", "plan"):
        _, shown = on_screen(stage.command(verb), COLUMNS=str(columns))
        lines = COLOUR.sub("", shown).replace("\r", "").split("\n")
        assert [line for line in lines if cells(line) > columns] == []


def test_json_is_the_same_on_a_terminal(stage: Stage) -> None:
    """What scripts read has neither colours nor a width."""
    stage.write(a="a")
    stage.run("sync")

    _, shown = on_screen(stage.command("status", "--json"), COLUMNS="30")

    assert json.loads(shown) == stage.run("status", "--json").json


def watched(stage: Stage, *, is_terminal: bool) -> tuple[int, str]:
    """Watch the status, change something, and end it with Ctrl-C. Gives the exit code, and what was written."""
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    process = subprocess.Popen(
        stage.command("status", "--watch"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=environment(TERM="xterm", COLUMNS="80", LINES="40"),
    )
    os.close(theirs)
    shown = ""
    for word in ("1 file in the cloud", "2 files in the cloud"):
        while word not in COLOUR.sub("", shown):
            assert select.select([ours], [], [], 30)[0], shown
            shown += os.read(ours, 65_536).decode()
        if word.startswith("1"):
            time.sleep(2.5)  # it is asked again, and nothing is different
            stage.write(b="b")
            stage.run("sync")
    process.send_signal(signal.SIGINT)
    code = process.wait(20)
    while select.select([ours], [], [], 0.2)[0]:
        try:
            more = os.read(ours, 65_536)
        except OSError:
            break
        if not more:
            break
        shown += more.decode()
    os.close(ours)
    return code, shown


def test_watching_on_a_terminal(stage: Stage) -> None:
    """It is drawn again in its place, not on another screen; Ctrl-C ends it with 0, and the cursor is back."""
    stage.write(a="a")
    stage.run("sync")

    code, shown = watched(stage, is_terminal=True)

    assert code == exits.DONE
    assert "\x1b[1A\x1b[2K" in shown  # up a line, and clear it
    assert "\x1b[?1049h" not in shown  # the other screen
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is hidden, and shown again
    assert "Traceback" not in shown


def test_watching_in_a_pipe(stage: Stage) -> None:
    """A line with its time for each change, and no other."""
    stage.write(a="a")
    stage.run("sync")

    code, shown = watched(stage, is_terminal=False)

    assert code == exits.DONE
    assert [line.split(" ", 1)[1] for line in shown.splitlines()] == [
        "site: stopped, 1 file in the cloud (1 byte)",
        "site: stopped, 2 files in the cloud (2 bytes)",
    ]


def test_watching_while_nobody_answers(stage: Stage) -> None:
    """A daemon that does not answer now may do so soon: that is shown, and asked again."""
    lock = StateLock(stage.state_dir, "run")
    command = stage.command("status", "--watch")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None

    first = process.stdout.readline()
    lock.close()
    second = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert "cannot be asked: nobody listens at its socket" in first
    assert second.split(" ", 1)[1] == "site: stopped, 0 files in the cloud\n"
    assert (process.returncode, err) == (exits.DONE, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_signs_that_the_terminal_lacks(stage: Stage, encoding: str) -> None:
    """Where the encoding lacks a sign, a letter stands for it."""
    _, shown = on_screen(stage.command("status"), NO_COLOR="1", PYTHONIOENCODING=encoding)

    assert shown.splitlines()[0] == "o Nothing was mirrored yet."
