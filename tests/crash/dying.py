"""Runs a command of the program, and kills it at one boundary: `python -m tests.crash.dying … -- sync -c CONFIG`.

A boundary is a moment that a crash may fall into: before and after every call to the service, at the bytes of an upload
that mean something, before and after every commit, write, sync, truncation and deletion of SQLite's files, and before
and after everything else that changes the state directory. The kind of each that is crossed is written to the log; at
the `nth` of the kind `at` the process sends SIGKILL to itself, in the midst of whatever else it is doing.

The program is not changed, and does not know.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import sys
from pathlib import Path

from tests.crash.death import Arms, Death
from tests.crash.places import watch


def live(arguments: list[str], arms: Arms | None) -> int:
    """Carry out a command of the program in this process, which may not outlive it. Gives the exit code."""
    from tcbsync.cli.main import main  # noqa: PLC0415 - a process that is only asked for its usage needs none of it

    if arms is not None:
        watch(Death(arms), arms)
    try:
        return main(arguments)
    finally:
        gc.collect()  # what the interpreter's end would close, while it can still be told of


def main() -> int:
    """Read where to die, and live until then."""
    parser = argparse.ArgumentParser(description=(inspect.getdoc(sys.modules[__name__]) or "").split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="the state directory")
    parser.add_argument("--log", type=Path, required=True, help="where the boundaries are noted")
    parser.add_argument("--will", type=Path, help="where is noted what a power cut would leave")
    parser.add_argument("--at", default="", help="the kind of the boundary to die at; default: none")
    parser.add_argument("--nth", type=int, default=1, help="the how manieth of its kind; default 1")
    parser.add_argument("--checkpoint-pages", type=int, help="SQLite's wal_autocheckpoint")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and what follows `tcbsync`")
    options = vars(parser.parse_args())
    command = [word for word in options.pop("command") if word != "--"]
    return live(command, Arms(**options))


if __name__ == "__main__":
    sys.exit(main())
