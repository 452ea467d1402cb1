"""How a line of the log is written: for people, as JSON, as an entry of systemd's journal. Writes nothing itself."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tcbsync.cli.lines import Paper, Span, laid
from tcbsync.cli.output import printable
from tcbsync.core.events import LeftOut, Level, described
from tcbsync.core.sentences import sentence

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from tcbsync.cli.lines import Tone

PRIORITIES = ((logging.CRITICAL, 2), (Level.ERROR, 3), (Level.WARNING, 4), (Level.NOTICE, 5), (Level.INFO, 6))
"""From so high a level on, syslog's priority: sd-daemon(3). What is lower is 7."""
TONES: dict[str, Tone] = {"CRITICAL": "act", "ERROR": "act", "WARNING": "wait", "NOTICE": "well", "DEBUG": "quiet"}
_FORMATTER = logging.Formatter()


def told_by(record: logging.LogRecord) -> dict[str, Any]:
    """Give the event that a line tells, dated, as `tcbsync events --json` has it; empty where it tells none."""
    told: dict[str, Any] = getattr(record, "told", {})
    return told


def kind_of(record: logging.LogRecord) -> Hashable:
    """Say what a line is one of many of: an event's name, mirror and level, or a text without its values."""
    told = told_by(record)
    return (told["event"], told["mirror"], record.levelno) if told else (record.name, str(record.msg))


def summed(lines: int, seconds: float, last: logging.LogRecord) -> logging.LogRecord:
    """Make the line that stands for so many others, of which `last` was the newest."""
    told = told_by(last)
    left_out = LeftOut(told.get("event", "log"), lines, round(seconds), last.getMessage())
    words = sentence(left_out)
    record = logging.LogRecord(last.name, last.levelno, last.pathname, last.lineno, "%s", (words,), None, last.funcName)
    record.told = {"at": _at(record), **described(left_out, told.get("mirror") or "")}
    return record


def text_of(record: logging.LogRecord, *, is_coloured: bool = False) -> str:
    """Write a line for people: when, how much it matters, what. A traceback keeps its lines."""
    moment = datetime.fromtimestamp(record.created).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    level = Span(f"{record.levelname:7}", TONES.get(record.levelname, ""))
    (line,) = laid([f"{moment} ", level, f" {record.getMessage()}"], Paper(is_coloured))
    return "\n".join([line, *_trace(record)])


def json_of(record: logging.LogRecord) -> str:
    """Write a line as JSON: `at`, `level`, `message`, then the event as `tcbsync events --json` has it.

    What is no event has `event` "log", `logger`, and `traceback` where there is one.
    """
    told = told_by(record)
    line = {"at": told.get("at") or _at(record), "level": record.levelname.lower(), "message": record.getMessage()}
    if told:
        return json.dumps(line | told)
    trace = {"traceback": "\n".join(_trace(record))} if record.exc_info else {}
    return json.dumps(line | {"event": "log", "mirror": None, "logger": record.name} | trace)


def fields_of(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    """Give the fields of a journal's entry: systemd.journal-fields(7), and `TCBSYNC_…` for each of its event."""
    yield "MESSAGE", "\n".join([printable(record.getMessage()), *_trace(record)])
    yield "PRIORITY", str(priority(record.levelno))
    yield "SYSLOG_IDENTIFIER", "tcbsync"
    yield "SYSLOG_PID", str(os.getpid())
    yield "CODE_FILE", record.pathname
    yield "CODE_LINE", str(record.lineno)
    yield "CODE_FUNC", record.funcName or ""
    told = told_by(record) or {"event": "log", "logger": record.name}
    for name, value in told.items():
        if name != "at" and value is not None:
            for each in value if isinstance(value, list) else [value]:
                yield f"TCBSYNC_{name.upper()}", str(each).lower() if isinstance(each, bool) else str(each)


def prefixed(record: logging.LogRecord) -> str:
    """Write a line as systemd reads it from standard error, with its priority: sd-daemon(3)."""
    number = priority(record.levelno)
    return "\n".join(f"<{number}>{line}" for line in [printable(record.getMessage()), *_trace(record)])


def priority(level: int) -> int:
    """Give syslog's priority for a level."""
    return next((number for least, number in PRIORITIES if level >= least), 7)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _trace(record: logging.LogRecord) -> list[str]:
    """Give the lines of a traceback, where there is one."""
    if not record.exc_info:
        return []
    return [printable(line) for line in _FORMATTER.formatException(record.exc_info).split("\n")]
