"""The narrow places that all of the program's effects go through, each wrapped so that it tells of its boundaries.

Only these are wrapped (the transport, SQLite's connection and floor, the functions of `os`), so what is built into the
program later is counted by itself. What is done is what the program asked for. There is no way back: a process that is
wrapped stays so.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import sys
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

    from tests.crash.death import Arms, Death

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TWO_PATHS = ("replace", "rename", "link")
ONE_PATH = ("unlink", "remove", "mkdir", "rmdir", "truncate")
DESCRIPTOR = ("write", "pwrite", "writev", "ftruncate", "fsync", "fdatasync")


def watch(death: Death, arms: Arms) -> None:
    """Wrap everything."""
    platter = Platter(arms.state, arms.will) if arms.will else None
    if platter:
        death.last_words = platter.leave_will
    _watch_service(death)
    _watch_commits(death, arms)
    if is_reachable():
        Shim(_Ears(death, platter))
    _Files(death, platter, arms.state).watch()


def _watch_service(death: Death) -> None:
    real = AiohttpTransport.handle_async_request

    async def handle(transport: AiohttpTransport, request: httpx.Request) -> httpx.Response:
        path = request.extensions["target"].decode().partition("?")[0]
        call = "upload" if path.startswith("/cos/") else path.rpartition("/")[2]
        death.cross(f"before the call {call}")
        if isinstance(request.stream, Form):
            request.stream = _Told(request.stream, death)
        answer = await real(transport, request)
        death.cross(f"after the answer of {call}")
        return answer

    AiohttpTransport.handle_async_request = handle  # type: ignore[method-assign,assignment]
    Form.whole = None  # type: ignore[method-assign,assignment] # one that leaves in one write cannot be cut in two


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


def _watch_commits(death: Death, arms: Arms) -> None:
    """Tell of commits by the names of the commands that are in them."""
    commands: set[str] = set()
    _note_commands(commands)

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
            if "PRAGMA user_version" not in script:
                return super().executescript(script)
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
        connection: sqlite3.Connection = real_connect(*values, **{"factory": Connection, **named})
        if arms.checkpoint_pages is not None:
            connection.execute(f"PRAGMA wal_autocheckpoint = {arms.checkpoint_pages}").fetchall()
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]


def _note_commands(commands: set[str]) -> None:
    """Add the name of each command to `commands` when it is carried out."""
    real_write = Manifest.write

    def write(manifest: Manifest, command: Callable[..., Any], *values: Any, **named: Any) -> Any:
        @functools.wraps(command)
        def noting(*all_values: Any, **all_named: Any) -> Any:
            commands.add(command.__name__)
            return command(*all_values, **all_named)

        return real_write(manifest, noting, *values, **named)

    Manifest.write = write  # type: ignore[method-assign,assignment]


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
            self._platter.sync_names(str(Path(path).parent))


class _Files:
    """What becomes of the state directory by other hands than SQLite's."""

    def __init__(self, death: Death, platter: Platter | None, state: Path) -> None:
        self._death = death
        self._platter = platter
        self._state = state
        self._above = str(state.parent)

    def watch(self) -> None:
        """Wrap what `os` has; `pathlib`, `shutil` and `tempfile` go through it, and `open` through an audit hook."""
        for name in TWO_PATHS:
            self._wrap(name, 2)
        for name in (*ONE_PATH, *DESCRIPTOR):
            self._wrap(name, 1)
        sys.addaudithook(self._on_event)

    def _wrap(self, name: str, paths: int) -> None:
        real = getattr(os, name)

        @functools.wraps(real)
        def wrapped(*values: Any, **named: Any) -> Any:
            path = next((found for value in values[:paths] if (found := self._ours(value))), "")
            if not path:
                return real(*values, **named)
            what = "the directory above" if path == self._above else _kind(path)
            self._death.cross(f"before {name} of {what}")
            result = real(*values, **named)
            if "sync" in name:
                self._synced(path)
            self._death.cross(f"after {name} of {what}")
            return result

        setattr(os, name, wrapped)

    def _synced(self, path: str) -> None:
        if self._platter is None:
            return
        if path == self._above:
            self._platter.has_name = self._state.is_dir()
        elif Path(path).is_dir():
            self._platter.sync_names(path)
        else:
            self._platter.sync(path)

    def _on_event(self, event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(values[2], int) and values[2] & WRITES and (path := self._ours(values[0])):
            self._death.cross(f"before open of {_kind(path)}")

    def _ours(self, value: Any) -> str:
        """Give the path of a name or a descriptor, if it is the state directory's business."""
        try:
            named = Path(f"/proc/self/fd/{value}").readlink() if isinstance(value, int) else Path(os.fsdecode(value))
            path = str(named.absolute())
        except (OSError, TypeError):
            return ""
        return path if path.startswith(f"{self._state}/") or path in (str(self._state), self._above) else ""


def _kind(path: str) -> str:
    """Say which kind of file it is: numbers in names are of no interest."""
    return "".join("#" if character.isdigit() else character for character in Path(path).name)
