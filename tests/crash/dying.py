"""Runs a command of the program, and kills it at one boundary: `python -m tests.crash.dying … -- sync -c CONFIG`.

A boundary is a moment that a crash may fall into: before and after every call to the service, at the bytes of an upload
that mean something, before and after every commit, write, sync, truncation and deletion of SQLite's files, and before
and after everything else that changes the state directory. The kind of each that is crossed is written to the log; at
the `nth` of the kind `at` the process sends SIGKILL to itself, in the midst of whatever else it is doing.

Only the narrow places are wrapped through which all of it goes (the transport, SQLite's floor, the functions of `os`),
so what is built into the program later is counted by itself. The program is not changed, and does not know.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import inspect
import os
import signal
import sqlite3
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tcbsync.cloud.form import Form
from tcbsync.cloud.transport import AiohttpTransport
from tcbsync.store.manifest import Manifest
from tests.crash.platter import Platter, Step
from tests.crash.vfs import Shim, is_reachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TWO_PATHS = ("replace", "rename", "link")
ONE_PATH = ("unlink", "remove", "mkdir", "rmdir", "truncate")
DESCRIPTOR = ("write", "pwrite", "writev", "ftruncate", "fsync", "fdatasync")


@dataclass(frozen=True, slots=True)
class Arms:
    """Where a process dies. Without `at`: nowhere; it is only noted what it crosses."""

    state: Path
    log: Path
    will: Path | None = None
    """Where it leaves what a power cut would have left; None: nobody asks."""
    at: str = ""
    nth: int = 1
    """The kind of the boundary, and the how manieth of its kind."""
    checkpoint_pages: int | None = None
    """SQLite moves the write-ahead log into the database so often, in pages; None: as seldom as ever."""
    synchronous: str = ""
    """What `PRAGMA synchronous` is set to, whatever the program says: to see that it matters."""


class Death:
    """Notes boundaries, on any thread, and ends the process at one."""

    def __init__(self, arms: Arms, last_words: Callable[[], None]) -> None:
        self._at = arms.at
        self._left = arms.nth
        self._last_words = last_words
        self._lock = threading.RLock()
        self._log = os.open(arms.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._write = os.write

    def cross(self, what: str) -> None:
        """Cross a boundary of the kind `what`, or do not."""
        with self._lock:
            self._write(self._log, f"{what}\n".encode())
            if what != self._at:
                return
            self._left -= 1
            if not self._left:
                self._last_words()
                os.kill(os.getpid(), signal.SIGKILL)


def arm(arms: Arms) -> None:
    """Wrap the narrow places of this process, for good."""
    platter = Platter(arms.state, arms.will) if arms.will else None
    death = Death(arms, platter.leave_will if platter else lambda: None)
    _arm_service(death)
    _arm_commits(death, arms)
    if is_reachable():
        Shim(_Ears(death, platter))
    _arm_files(death, platter, arms.state)


# -- the service ------------------------------------------------------------------------------------------------------


def _arm_service(death: Death) -> None:
    real = AiohttpTransport.handle_async_request

    async def handle(transport: AiohttpTransport, request: httpx.Request) -> httpx.Response:
        call = "upload" if request.url.path.startswith("/cos/") else request.url.path.rpartition("/")[2]
        death.cross(f"before the call {call}")
        if isinstance(request.stream, Form):
            request.stream = _Told(request.stream, death)
        answer = await real(transport, request)
        death.cross(f"after the answer of {call}")
        return answer

    AiohttpTransport.handle_async_request = handle  # type: ignore[method-assign]


class _Told(httpx.AsyncByteStream):
    """A form that says how far it is out. It is asked for more when what it gave is with the socket."""

    def __init__(self, form: Form, death: Death) -> None:
        self._form = form
        self._death = death
        head, tail = len(form._head), form.size - len(form._tail)
        self._marks = {
            1: "after the first byte of an upload",
            head: "before the first byte of the file",
            head + 1: "after the first byte of the file",
            (head + tail) // 2: "amid the file",
            tail: "after the last byte of the file",
            form.size - 1: "before the last byte of an upload",
            form.size: "after the last byte of an upload",
        }

    async def __aiter__(self) -> AsyncIterator[bytes]:
        out = 0
        async with contextlib.aclosing(aiter(self._form)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                start = out
                for mark in sorted(mark for mark in self._marks if start < mark <= start + len(chunk)):
                    yield chunk[out - start : mark - start]
                    self._death.cross(self._marks[mark])
                    out = mark
                if rest := chunk[out - start :]:
                    yield rest
                out = start + len(chunk)


# -- the manifest -----------------------------------------------------------------------------------------------------


def _arm_commits(death: Death, arms: Arms) -> None:
    """Tell of commits by the names of the commands that are in them."""
    commands: set[str] = set()
    real_write = Manifest.write

    def write(manifest: Manifest, command: Callable[..., Any], *values: Any, **named: Any) -> Any:
        @functools.wraps(command)
        def noting(*all_values: Any, **all_named: Any) -> Any:
            commands.add(command.__name__)
            return command(*all_values, **all_named)

        return real_write(manifest, noting, *values, **named)

    class Connection(sqlite3.Connection):
        def execute(self, query: str, *values: Any) -> sqlite3.Cursor:
            if arms.synchronous and query.startswith("PRAGMA synchronous"):
                query = f"PRAGMA synchronous = {arms.synchronous}"
            if query != "COMMIT":
                return super().execute(query, *values)
            what = " and ".join(sorted(commands)) or "a mirror"
            commands.clear()
            death.cross(f"before the commit of {what}")
            cursor = super().execute(query, *values)
            death.cross(f"after the commit of {what}")
            return cursor

        def executescript(self, script: str) -> sqlite3.Cursor:
            death.cross("before a migration")
            cursor = super().executescript(script)
            death.cross("after a migration")
            return cursor

        def backup(self, *values: Any, **named: Any) -> None:
            death.cross("before a backup")
            super().backup(*values, **named)
            death.cross("after a backup")

    real_connect = sqlite3.connect

    def connect(*values: Any, **named: Any) -> sqlite3.Connection:
        connection = real_connect(*values, **{"factory": Connection, **named})
        if arms.checkpoint_pages is not None:
            connection.execute(f"PRAGMA wal_autocheckpoint = {arms.checkpoint_pages}").fetchall()
        return connection

    Manifest.write = write  # type: ignore[method-assign]
    sqlite3.connect = connect


class _Ears:
    """Hears of what SQLite does to its files; see `vfs.Listener`."""

    def __init__(self, death: Death, platter: Platter | None) -> None:
        self._death = death
        self._platter = platter

    def opening(self, path: str, *, creates: bool, step: Callable[[], int]) -> int:
        name = _kind(path)
        is_new = creates and not Path(path).exists()
        if is_new:
            self._death.cross(f"before {name} is made")
        code = step()
        if self._platter and code == 0:
            self._platter.meet(path)
        if is_new:
            self._death.cross(f"after {name} is made")
        return code

    def writing(self, path: str, offset: int, data: bytes, step: Callable[[], int]) -> int:
        self._death.cross(f"before a write to {_kind(path)}")
        code = step()
        if self._platter:
            self._platter.change(path, Step(offset, data))
        return code

    def truncating(self, path: str, size: int, step: Callable[[], int]) -> int:
        self._death.cross(f"before {_kind(path)} is cut")
        code = step()
        if self._platter:
            self._platter.change(path, Step(size, None))
        return code

    def syncing(self, path: str, step: Callable[[], int]) -> int:
        self._death.cross(f"before a sync of {_kind(path)}")
        code = step()
        if self._platter:
            self._platter.sync(path)
        self._death.cross(f"after a sync of {_kind(path)}")
        return code

    def deleting(self, path: str, step: Callable[[], int]) -> int:
        is_there = Path(path).exists()
        if is_there:
            self._death.cross(f"before {_kind(path)} goes")
        code = step()
        if is_there:
            self._death.cross(f"after {_kind(path)} went")
        return code

    def syncing_directory(self, path: str) -> None:
        if self._platter:
            self._platter.sync_names()


# -- everything else in the state directory ---------------------------------------------------------------------------


def _arm_files(death: Death, platter: Platter | None, state: Path) -> None:
    """Wrap what `os` has; `pathlib`, `shutil` and `tempfile` go through it, and `open` through an audit hook."""
    inside, parent = f"{state}/", str(state.parent)

    def place(value: Any) -> str:
        """Give the path, if it is the state directory's business."""
        try:
            path = os.readlink(f"/proc/self/fd/{value}") if isinstance(value, int) else os.path.abspath(value)
        except (OSError, TypeError, ValueError):
            return ""
        path = os.fsdecode(path)
        return path if path.startswith(inside) or path in (str(state), parent) else ""

    def wrap(name: str, count: int) -> None:
        real = getattr(os, name)

        @functools.wraps(real)
        def wrapped(*values: Any, **named: Any) -> Any:
            path = next((found for value in values[:count] if (found := place(value))), "")
            if not path or (isinstance(values[0], int) and not name.startswith("f") and path == parent):
                return real(*values, **named)
            what = "the directory above" if path == parent else _kind(path)
            death.cross(f"before {name} of {what}")
            result = real(*values, **named)
            if platter and "sync" in name:
                if path == parent:
                    platter.has_name = state.is_dir()
                elif path == str(state):
                    platter.sync_names()
                else:
                    platter.sync(path)
            death.cross(f"after {name} of {what}")
            return result

        setattr(os, name, wrapped)

    for name in TWO_PATHS:
        wrap(name, 2)
    for name in (*ONE_PATH, *DESCRIPTOR):
        wrap(name, 1)

    def on_event(event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(values[2], int) and values[2] & WRITES and (path := place(values[0])):
            death.cross(f"before open of {_kind(path)}")

    sys.addaudithook(on_event)


def _kind(path: str) -> str:
    """Say which kind of file it is: numbers in names are of no interest."""
    return "".join("#" if character.isdigit() else character for character in Path(path).name)


# -- the command ------------------------------------------------------------------------------------------------------


def live(arguments: list[str], arms: Arms | None) -> int:
    """Carry out a command of the program in this process, which may not outlive it. Gives the exit code."""
    from tcbsync.cli.main import main  # noqa: PLC0415 - a process that is only asked for its usage needs none of it

    if arms is not None:
        arm(arms)
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
