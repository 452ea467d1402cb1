"""The command line: finds the verb, runs it, and turns every error into a sentence and an exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import logging
import os
import sys
from typing import TYPE_CHECKING

from tcbsync import __version__
from tcbsync.cli import (
    act,
    ask,
    check,
    completion,
    exits,
    explain,
    flush,
    forget,
    init,
    manifest,
    plan,
    stand_in,
    steer,
    url,
    verify,
    work,
)
from tcbsync.cli.log import set_up, sum_up
from tcbsync.cli.output import warn
from tcbsync.core.errors import TcbsyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

DESCRIPTION = """\
Mirrors local asset folders to WeChat CloudBase storage, one way, and keeps them equal.

first steps:
  tcbsync demo                  see it work, with nothing to set up
  tcbsync check -c CONFIG       is the configuration right, and does the service let us in?
  tcbsync plan -c CONFIG        what would be uploaded and deleted?
  tcbsync run -c CONFIG         mirror, and go on mirroring
"""

EPILOG = """\
CONFIG is, where -c does not name one: $TCBSYNC_CONFIG, ./config.yaml, /etc/tcbsync/config.yaml.

exit codes: 0 done; 1 failed; 2 usage; 3 some files are not as they should be; 4 deletes are held, or a root cannot be
seen; 75 the service could not be reached, try later; 78 the configuration is wrong.
"""


YOUNG = 10_000
"""So many new objects make the garbage collector look at them. Python's 700 cost a 16th of the CPU of an upload: nearly
all that we let go of goes at once, by its count of references."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the longest verb, whose indent argparse forgets: its help would begin on a line of its own."""

    def add_argument(self, action: argparse.Action) -> None:
        """Take an option or verb in."""
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other way to be asked
            self._action_max_length += self._indent_increment


def parser() -> argparse.ArgumentParser:
    """Describe every verb."""
    top = argparse.ArgumentParser(prog="tcbsync", description=DESCRIPTION, epilog=EPILOG, formatter_class=Help)
    top.add_argument("--version", action="version", version=f"tcbsync {__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for room in (
        init,
        work,
        plan,
        ask,
        explain,
        url,
        flush,
        act,
        steer,
        check,
        verify,
        manifest,
        forget,
        stand_in,
        completion,
    ):
        room.add_verbs(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Gives the exit code; raises SystemExit for --help, --version and wrong usage."""
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a character is no reason to stop
    try:
        try:
            return _run(parser().parse_args(arguments))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # who read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.FAILED


def _run(options: argparse.Namespace) -> int:
    mask = os.umask(0o077) if options.is_private else None  # SQLite makes files as it likes
    try:
        return _run_verb(options)
    finally:
        if mask is not None:
            os.umask(mask)


def _run_verb(options: argparse.Namespace) -> int:
    level = logging.DEBUG if options.verbose else logging.INFO if options.logs else logging.WARNING
    is_for_people = set_up(level, options.log_format) == "text" or not options.logs
    try:
        outcome = options.run(options)
        code: int = asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome
    except KeyboardInterrupt:
        warn("tcbsync: interrupted; what is done is noted, and the next run goes on from there")
        return exits.INTERRUPTED
    except (TcbsyncError, BaseExceptionGroup) as error:
        first = _first(error)
        if not isinstance(first, TcbsyncError):
            raise
        if is_for_people:
            warn(f"tcbsync: {first}")
        else:
            log.error("ends: %s", first.in_a_line)  # noqa: TRY400 - it is no defect, and its sentence says all
        return exits.code_of(first)
    finally:
        sum_up()
    return code


def _first(error: BaseException) -> BaseException:
    """Give the first error of a group, however deep, that is one of ours; else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_first(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, TcbsyncError)), leaves[0])
