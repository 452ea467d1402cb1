"""The log for people and for programs: lines are lines, sums come when they are due, and at the end."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli.calm import LINES
from tcbsync.cli.forms import json_of, text_of
from tcbsync.cli.log import Sink, write_json, write_text
from tcbsync.core.events import Failed, Level, described
from tests.cli.stage import Stage, eventually

if TYPE_CHECKING:
    from collections.abc import Callable


def record(text: str, *values: object, level: int = logging.WARNING) -> logging.LogRecord:
    """Make a line of the log."""
    return logging.LogRecord("tcbsync.test", level, __file__, 1, text, values, None)


def failed(number: int) -> logging.LogRecord:
    """Make a line that tells of a file."""
    line = record("%s: no", number)
    told = described(Failed(f"{number}", "upload", "40097", "no", is_parked=False), "site")
    line.told = {"at": "2026-01-02T03:04:05.678+00:00", **told}
    return line


def broken(text: str) -> logging.LogRecord:
    """Make a line with a traceback."""
    line = record(text)
    try:
        int("as such")
    except ValueError:
        line.exc_info = sys.exc_info()
    return line


def test_a_line_for_people() -> None:
    """When, how much it matters, in a column, and what."""
    lines = [text_of(record("%s is so", "it", level=level)) for level in (Level.INFO, Level.WARNING)]

    assert [line[20:] for line in lines] == ["INFO    it is so", "WARNING it is so"]
    assert all(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S") for line in lines)


def test_a_line_is_a_line() -> None:
    """What a file's name would do to a line, or to the terminal that shows it, is escaped."""
    line = text_of(record("%s: gone", "a\nERROR all is lost\x1b[2J"))

    assert line.endswith("WARNING a\\nERROR all is lost\\x1b[2J: gone")


def test_a_traceback_keeps_its_lines() -> None:
    """A defect of the program is shown as Python shows it."""
    first, *rest = text_of(broken("a defect")).split("\n")

    assert first.endswith(" a defect")
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1].startswith("ValueError: ")


def test_the_level_is_coloured_where_colours_are_seen() -> None:
    """Nothing but the level."""
    line = text_of(record("it is so"), is_coloured=True)

    assert line.endswith(" \x1b[33mWARNING\x1b[0m it is so")


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "is_coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (io.StringIO, {}, False),
    ],
)
def test_colours_are_for_terminals(
    stream: Callable[[], io.StringIO], variables: dict[str, str], is_coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a file, nor where NO_COLOR is set."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    err = stream()
    monkeypatch.setattr(sys, "stderr", err)

    Sink(write_text).handle(record("it is so"))

    assert ("\x1b" in err.getvalue()) == is_coloured


def test_it_writes_to_what_is_standard_error_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress bars put themselves in the place of standard error, and log lines must go through them."""
    sink, bars = Sink(write_text), io.StringIO()
    monkeypatch.setattr(sys, "stderr", bars)

    sink.handle(record("through the bars"))

    assert bars.getvalue().endswith("through the bars\n")


def test_an_event_as_json() -> None:
    """When, how much it matters and the sentence; then what `tcbsync events --json` says, in its words."""
    line = json.loads(json_of(failed(7)))

    assert list(line) == ["at", "level", "message", "event", "mirror", "path", "action", "code", "reason", "is_parked"]
    assert (line["at"], line["level"], line["message"]) == ("2026-01-02T03:04:05.678+00:00", "warning", "7: no")


def test_a_line_without_an_event_as_json() -> None:
    """It is the event `log`, of a logger, on one line whatever it says."""
    text = json_of(broken("a\nb\udcff"))

    line = json.loads(text)
    assert "\n" not in text
    assert (line["event"], line["mirror"], line["logger"]) == ("log", None, "tcbsync.test")
    assert line["message"] == "a\nb\udcff"
    assert line["traceback"].startswith("Traceback")


class Paper:
    """What a sink has written, and the clock that it looks at."""

    def __init__(self, *, is_calm: bool = True) -> None:
        self.now = 0.0
        self.written: list[dict[str, Any]] = []
        self.sink = Sink(self._write, is_calm=is_calm, clock=lambda: self.now)

    def _write(self, line: logging.LogRecord) -> None:
        self.written.append(json.loads(json_of(line)))


def test_a_storm_is_summed_up_at_the_next_line() -> None:
    """What is left out is counted, and the sum names the last of it, with its kind, its mirror and its level."""
    paper = Paper()
    for number in range(100_000):
        paper.sink.handle(failed(number))
    paper.now = 60.0

    paper.sink.handle(record("another"))

    *lines, summed, another = paper.written
    assert [line["path"] for line in lines] == [f"{number}" for number in range(LINES)]
    assert (summed["event"], summed["kind"], summed["mirror"], summed["level"]) == (
        "left_out",
        "failed",
        "site",
        "warning",
    )
    assert (summed["lines"], summed["seconds"], summed["last"]) == (100_000 - LINES, 60, "99999: no")
    assert summed["message"] == (
        "\u2026 and 99,980 more of this kind in the last minute, the last of them: 99999: no;"
        " `tcbsync failed` lists the files"
    )
    assert another["message"] == "another"


@pytest.mark.parametrize("end", ["flush", "close"])
def test_nothing_is_withheld_at_the_end(end: str) -> None:
    """Every sum is told when the process ends, however soon that is."""
    paper = Paper()
    for number in range(30):
        paper.sink.handle(record("%s: cannot be read", number))

    getattr(paper.sink, end)()

    assert paper.written[-1]["lines"] == 30 - LINES
    assert paper.written[-1]["kind"] == "log"


def test_a_sum_comes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is due, though no other line comes."""
    monkeypatch.setattr("tcbsync.cli.calm.FIRST_SUM_SECONDS", 0.05)
    written: list[logging.LogRecord] = []
    sink = Sink(written.append)
    for number in range(30):
        sink.handle(record("%s: cannot be read", number))
    assert len(written) == LINES

    eventually(lambda: len(written) > LINES)
    sink.close()

    assert len(written) == LINES + 1
    assert "10 more of this kind" in written[-1].getMessage()


def test_all_is_written_where_all_is_asked_for() -> None:
    """`--verbose` leaves nothing out."""
    paper = Paper(is_calm=False)

    for number in range(100):
        paper.sink.handle(record("%s: cannot be read", number))

    assert len(paper.written) == 100


def test_trouble_with_the_log_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard error that is closed, or gone, raises nothing."""
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(logging, "raiseExceptions", False)

    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        for write in (write_text, write_json):
            Sink(write).handle(record("to nobody"))

    assert closed.closed


@pytest.mark.slow
def test_the_daemons_log_as_json(stage: Stage) -> None:
    """Every line is an object, from the start to the end; one for each change of state, none for each file."""
    log = stage.config.with_name("json.log")
    stage.write(**{f"f{number}": "x" * number for number in range(50)}, bad="bad")
    stage.refuse()
    with stage.daemon("--log-format", "json") as daemon:
        eventually(lambda: '"rested"' in daemon.log)
        log = daemon.log_file
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]

    events = [line["event"] for line in lines]
    assert all(list(line)[:5] == ["at", "level", "message", "event", "mirror"] for line in lines)
    assert events[0] == "started"
    assert [line for line in lines if line["event"] == "log"][-1]["message"] == "stopped"
    assert events.count("failed") == 1
    assert events.count("rested") == 1
    assert len(lines) < 10
    (rested,) = (line for line in lines if line["event"] == "rested")
    assert (rested["uploads"], rested["failed"]) == (50, 1)


def test_what_ends_a_daemon_is_its_last_line(stage: Stage) -> None:
    """A wrong configuration is a line like all others, and still exit 78."""
    stage.config.write_text(stage.config.read_text("utf-8").replace("state_dir:", "state:"), "utf-8")

    result = stage.spawn("run", "--log-format", "json")

    assert result.code == 78
    line = json.loads(result.err)
    assert line["level"] == "error"
    assert line["message"].startswith("ends: the configuration is wrong: /")


def test_sync_says_how_much_it_left_out_before_its_summary(stage: Stage) -> None:
    """Many files that are refused: a few lines, their sum, and the summary below."""
    stage.write(**{f"bad{number}": "x" * number for number in range(40)})
    stage.refuse()

    result = stage.spawn("sync")

    lines = result.err.splitlines()
    assert sum("bad" in line and "waits for `tcbsync retry`" in line for line in lines[:LINES]) == LINES
    assert "and 20 more of this kind" in lines[LINES]
    assert len(lines) < LINES + 5
