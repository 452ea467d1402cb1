"""What systemd's journal is told, over a real socket, and what becomes of it when there is no journal."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import journal
from tcbsync.cli.journal import is_journal
from tcbsync.cli.log import write_entry as write
from tcbsync.core.events import Failed, Level, Started, described
from tests.cli.journald import Journald
from tests.cli.stage import HOUSE, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def line(text: str, level: int = logging.WARNING, **told: Any) -> logging.LogRecord:
    """Make a line of the log, which tells an event where one is given."""
    record = logging.LogRecord("tcbsync.test", level, __file__, 7, "%s", (text,), None, "somewhere")
    if told:
        record.told = told
    return record


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journald]:
    """Let a journal listen, where the product looks for it."""
    monkeypatch.setattr(journal.send, "__defaults__", (str(tmp_path / "socket"),))
    with Journald(tmp_path / "socket") as journald:
        yield journald


def test_a_line_is_an_entry_with_the_documented_fields(journald: Journald) -> None:
    """systemd.journal-fields(7): the message, syslog's priority, who speaks, and where in the code that is."""
    write(line("the disk is full", logging.ERROR))

    assert journald.read() == [
        {
            "MESSAGE": ["the disk is full"],
            "PRIORITY": ["3"],
            "SYSLOG_IDENTIFIER": ["tcbsync"],
            "SYSLOG_PID": [str(os.getpid())],
            "CODE_FILE": [__file__],
            "CODE_LINE": ["7"],
            "CODE_FUNC": ["somewhere"],
            "TCBSYNC_EVENT": ["log"],
            "TCBSYNC_LOGGER": ["tcbsync.test"],
        }
    ]


@pytest.mark.parametrize(
    ("level", "priority"),
    [(Level.DEBUG, "7"), (Level.INFO, "6"), (Level.NOTICE, "5"), (Level.WARNING, "4"), (Level.ERROR, "3"), (50, "2")],
)
def test_each_level_has_syslogs_priority(journald: Journald, level: int, priority: str) -> None:
    """`journalctl -p err` shows what waits for a person, and nothing else."""
    write(line("so it is", level))

    (told,) = journald.read()
    assert told["PRIORITY"] == [priority]


def test_an_event_is_told_field_by_field(journald: Journald) -> None:
    """Whatever a file is called, `journalctl TCBSYNC_PATH=...` finds it: the field has the name as it is."""
    failed = Failed("a\nPRIORITY=0\u00e9", "upload", "40097", "no", is_parked=True)

    write(line("a\nb", **described(failed, "site")))
    write(line("started", **described(Started(["site", "fonts"]))))

    first, second = journald.read()
    assert first["MESSAGE"] == ["a\\nb"]
    assert first["PRIORITY"] == ["4"]
    assert (first["TCBSYNC_EVENT"], first["TCBSYNC_MIRROR"]) == (["failed"], ["site"])
    assert first["TCBSYNC_PATH"] == ["a\nPRIORITY=0\u00e9"]
    assert (first["TCBSYNC_CODE"], first["TCBSYNC_IS_PARKED"]) == (["40097"], ["true"])
    assert second["TCBSYNC_MIRRORS"] == ["site", "fonts"]
    assert "TCBSYNC_MIRROR" not in second


def test_a_traceback_is_part_of_the_message(journald: Journald) -> None:
    """One defect is one entry, with all lines of its traceback."""
    record = line("a defect of this program")
    try:
        int("as such")
    except ValueError:
        record.exc_info = sys.exc_info()

    write(record)

    (told,) = journald.read()
    first, *rest = told["MESSAGE"][0].split("\n")
    assert first == "a defect of this program"
    assert rest[-1].startswith("ValueError: ")


def test_what_is_too_large_for_a_datagram_arrives_whole(journald: Journald) -> None:
    """No datagram is as large as this: it goes as a sealed memfd."""
    text = "x" * 20_000_000

    write(line(text))

    (told,) = journald.read()
    assert journald.sealed == 1
    assert (told["MESSAGE"] == [text]) is True  # nobody wants to see it


def test_half_a_character_breaks_no_entry(journald: Journald) -> None:
    """A name that is no text is escaped."""
    write(line("x", event="failed", path="bad \udcff\ud83d"))

    (told,) = journald.read()
    assert told["TCBSYNC_PATH"] == ["bad \\udcff\\ud83d"]


def test_without_a_journal_lines_keep_their_priority(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is lost and nothing raised: each line goes to standard error as sd-daemon(3) has it."""
    record = line("not\nthere", logging.ERROR)
    try:
        int("as such")
    except ValueError:
        record.exc_info = sys.exc_info()

    write(record)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "<3>not\\nthere"
    assert len(lines) > 2
    assert all(each.startswith("<3>") for each in lines)


def test_a_journal_that_does_not_read_holds_nothing_up(journald: Journald, capsys: pytest.CaptureFixture[str]) -> None:
    """When its queue is full, lines go to standard error; when it reads again, they go to it again."""
    for number in range(2000):
        write(line(f"{number}"))
    told = [each["MESSAGE"][0] for each in journald.read()]
    aside = [each.removeprefix("<4>") for each in capsys.readouterr().err.splitlines()]
    write(line("and on"))

    assert told
    assert aside
    assert sorted(map(int, told + aside)) == list(range(2000))
    assert [each["MESSAGE"] for each in journald.read()] == [["and on"]]


def test_it_is_the_journal_that_systemd_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd.exec(5): device and inode of the stream; a variable that was merely inherited says nothing."""
    with (tmp_path / "stream").open("w") as stream, (tmp_path / "other").open("w") as other:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")

        answers = is_journal(stream.fileno()), is_journal(other.fileno()), is_journal(10_000)

    assert answers == (True, False, False)


PROGRAM = """
import logging, os, sys
from tcbsync.cli import journal, log
journal.send.__defaults__ = (sys.argv[1],)
status = os.fstat(2)
os.environ["JOURNAL_STREAM"] = sys.argv[3] or f"{status.st_dev}:{status.st_ino}"
log.set_up(logging.INFO, sys.argv[2])
logging.getLogger("tcbsync").error("it is %s", "so")
raise SystemExit if len(sys.argv) < 5 else ZeroDivisionError
"""


def run(journald: Journald, form: str, stream: str = "", *more: str) -> str:
    """Let a program of its own log a line. Gives what it wrote to standard error."""
    command = [sys.executable, "-c", PROGRAM, str(journald.path), form, stream, *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HOUSE, env=environment(), check=False)
    return done.stderr


@pytest.mark.parametrize("form", ["auto", "journal"])
def test_under_systemd_it_speaks_to_the_journal(journald: Journald, form: str) -> None:
    """By itself where standard error is the journal's stream; then nothing is written to that stream."""
    err = run(journald, form)

    assert err == ""
    assert [told["MESSAGE"] for told in journald.read()] == [["it is so"]]


@pytest.mark.parametrize(("form", "stream"), [("auto", "1:2"), ("text", "")])
def test_elsewhere_it_is_for_people(journald: Journald, form: str, stream: str) -> None:
    """Where standard error is another stream, or text is asked for: a line with its time; the journal hears nothing."""
    err = run(journald, form, stream)

    assert err.endswith(" ERROR   it is so\n")
    assert journald.read() == []


def test_what_ends_the_process_is_in_the_journal(journald: Journald) -> None:
    """A defect that nobody catches has its priority, too: 2, for nothing is worse."""
    err = run(journald, "journal", "", "fails")

    assert err == ""
    told = journald.read()[-1]
    assert told["PRIORITY"] == ["2"]
    assert "ZeroDivisionError" in told["MESSAGE"][0]


def test_json_is_json_to_the_end(journald: Journald) -> None:
    """Each line of standard error is an object, though a defect ends the process."""
    err = run(journald, "json", "", "fails")

    first, last = (json.loads(each) for each in err.splitlines())
    assert (first["level"], first["message"]) == ("error", "it is so")
    assert last["level"] == "critical"
    assert "ZeroDivisionError" in last["traceback"]
