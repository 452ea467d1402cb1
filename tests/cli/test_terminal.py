"""How verbs behave on a terminal, in a pipe, and under Ctrl-C."""

from __future__ import annotations

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
from tcbsync.emulator.server import Fault
from tests.cli.stage import environment, eventually

if TYPE_CHECKING:
    from tests.cli.stage import Stage

pytestmark = pytest.mark.slow


def on_terminal(command: list[str], seconds: float = 60.0, says: bytes = b"") -> tuple[int, str]:
    """Run a command with a terminal as its input and outputs. Gives its exit code, and everything that it wrote.

    `says`: what a person types when asked for it.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm", COLUMNS="120")
    )
    os.close(theirs)
    os.write(ours, says)
    shown, deadline = b"", time.monotonic() + seconds
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


def test_on_a_terminal_there_are_bars(stage: Stage) -> None:
    """While it works, sync draws how far it is and clears that away; the summary stays, and the cursor is back."""
    stage.write(**{f"f{number}": "x" * 100 for number in range(60)})
    stage.cloud.set_latency(0.05)

    code, shown = on_terminal(stage.command("sync"))

    assert code == exits.DONE
    assert re.search(r"\d+/60", shown)
    assert "\u2501" in shown  # of a bar
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l") == 1  # the cursor is hidden, and shown again
    summary = "\x1b[32m\u2713\x1b[0m \x1b[1msite\x1b[0m: 60 files uploaded (5.9 KiB)"
    assert shown.rpartition("\x1b[2K")[2].startswith(summary)


def test_on_a_terminal_trouble_is_shown_beside_the_bar(stage: Stage) -> None:
    """While sync waits for a service that is away, the bar says so, brackets and all, and log lines do not tear it."""
    stage.write(a="a")
    stage.cloud.install(Fault(call="uploadfile", kind="errcode", errcode=-1, errmsg="[/bold] [red]busy", count=1))

    code, shown = on_terminal(stage.command("sync"))

    assert code == exits.DONE
    assert "offline: the system is busy [-1]: [/bold] [red]busy" in shown
    assert "Traceback" not in shown


def test_json_on_a_terminal_has_no_bars(stage: Stage) -> None:
    """With --json nothing is drawn."""
    stage.write(a="a")

    code, shown = on_terminal(stage.command("sync", "--json"))

    assert code == exits.DONE
    assert "\x1b" not in shown
    assert shown.startswith("{")


def test_elsewhere_there_are_plain_lines(stage: Stage) -> None:
    """In a pipe or a file sync writes its summary and nothing that moves a cursor."""
    stage.write(**{f"f{number}": "x" for number in range(60)})
    stage.cloud.set_latency(0.02)

    result = stage.spawn("sync")

    assert result.code == exits.DONE
    assert result.err == ""
    told = r"site: 60 files uploaded \(60 bytes\), 0 deleted, 60 files in the cloud, [\d.]+ s\n"
    assert re.fullmatch(told, result.out)


@pytest.mark.parametrize("verb", ["plan", "failed", "status", "--help"])
def test_a_reader_that_has_had_enough(stage: Stage, verb: str) -> None:
    """`tcbsync plan | head -1` ends without a word on standard error, however much there is to print."""
    for number in range(3000):
        (stage.root / f"{number:04}").symlink_to("nowhere")
    if verb == "failed":
        stage.run("sync")
    read, write = os.pipe()
    os.close(read)  # `head` is gone before the first line comes

    command = stage.command(verb) if verb != "--help" else [*stage.command("plan")[:3], "--help"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment(), check=False)

    os.close(write)
    assert done.stderr == b""
    assert done.returncode == exits.FAILED


def test_ctrl_c_ends_sync(stage: Stage) -> None:
    """Exit 130 within seconds, in a sentence and without a traceback; what had landed is not sent again."""
    stage.configure(service={"uploads": 2})
    stage.write(**{f"f{number:02}": "x" for number in range(40)})
    stage.cloud.install(Fault(call="cos", kind="stall", seconds=300, skip=5))
    process = subprocess.Popen(
        stage.command("sync"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment()
    )
    eventually(lambda: stage.cloud.counters.at_once["cos"] == 2 and len(stage.objects()) == 5)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (exits.INTERRUPTED, "")
    assert err == "tcbsync: interrupted; what is done is noted, and the next run goes on from there\n"
    stage.cloud.clear_faults()
    assert stage.run("sync").out.startswith("site: 35 files uploaded")


def test_ctrl_c_ends_a_verb_that_asks(stage: Stage) -> None:
    """The same for a verb that waits for an answer."""
    stage.cloud.install(Fault(call="token", kind="stall", seconds=300))
    process = subprocess.Popen(
        stage.command("check"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment()
    )
    eventually(lambda: stage.cloud.counters.at_once["token"] == 1)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == exits.INTERRUPTED
    assert err.startswith("tcbsync: interrupted")
    assert "Traceback" not in err


def test_on_a_terminal_forget_asks(stage: Stage) -> None:
    """It takes the mirror's name for a yes, and nothing else; while it deletes it says how far it is."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.configure(prefix="new/")
    command = stage.command("forget", "site", "--delete-remote")

    no, _ = on_terminal(command, says=b"y\n")
    before = len(stage.cloud.objects())
    yes, shown = on_terminal(command, says=b"site\n")

    assert (no, yes, before, len(stage.cloud.objects())) == (exits.USAGE, exits.DONE, 2, 0)
    assert "forget site? Type its name to go on:" in shown
    assert "2 of 2 deleted" in shown
    assert shown.endswith("\x1b[Ksite: 2 rows forgotten, 2 objects deleted\r\n")


def test_on_a_terminal_flush_shows_how_far_it_is(stage: Stage) -> None:
    """What is left is on one line, which is gone at the end."""
    stage.cloud.set_latency(0.2)
    with stage.daemon():
        stage.write(**{f"f{number}": "x" for number in range(60)})

        code, shown = on_terminal(stage.command("flush", "--wait"))

    assert code == exits.DONE
    assert re.search(r"site: \d+ to go", shown)
    assert shown.endswith("\r\x1b[Ksite: all that was saved is proved in the cloud\r\n")
