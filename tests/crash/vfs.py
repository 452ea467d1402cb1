"""Stands between SQLite and the operating system, and tells of every write, truncation, sync, creation and deletion.

A VFS is SQLite's own name for the floor that it stands on, and its own crash tests put a shim there, as this module
does. `sqlite3` offers no way to register one, but the library that it is linked to does, and `ctypes` reaches it: no
compiler, no root, no special device. The shim is the default VFS from then on, so the program opens it unknowingly.

The rule: what is done is what SQLite asked for, by SQLite's own code; before and after, somebody hears of it.
The refusal: where the library cannot be reached (it is linked into the interpreter, its names stripped), `is_reachable`
says so, and nothing is done.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import sys
import traceback
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN_CREATE = 0x04

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN_DIRECTORY = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))
_SET_CALL = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
_GET_CALL = CFUNCTYPE(c_void_p, c_void_p, c_char_p)


class _Vfs(ctypes.Structure):
    """sqlite3.h, struct sqlite3_vfs."""

    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("others", c_void_p * 11),
        ("set_system_call", c_void_p),
        ("get_system_call", c_void_p),
        ("next_system_call", c_void_p),
    )


class _Methods(ctypes.Structure):
    """sqlite3.h, struct sqlite3_io_methods, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("others", c_void_p * 13),
    )


class _File(ctypes.Structure):
    """sqlite3.h, struct sqlite3_file; more of it follows that is the VFS's own."""

    _fields_ = (("methods", POINTER(_Methods)),)


class Listener(Protocol):
    """Who hears of it. Each is called on the thread that does it; `step` runs what SQLite asked for."""

    def opening(self, path: str, *, creates: bool, step: Callable[[], int]) -> int:
        """Open a file, and make it where it is missing."""
        raise NotImplementedError

    def writing(self, path: str, offset: int, data: bytes, step: Callable[[], int]) -> int:
        """Write bytes."""
        raise NotImplementedError

    def truncating(self, path: str, size: int, step: Callable[[], int]) -> int:
        """Cut a file."""
        raise NotImplementedError

    def syncing(self, path: str, step: Callable[[], int]) -> int:
        """Force a file to the disk."""
        raise NotImplementedError

    def deleting(self, path: str, step: Callable[[], int]) -> int:
        """Remove a name."""
        raise NotImplementedError

    def syncing_directory(self, path: str) -> None:
        """Hear that the directory that holds `path` is forced to the disk next."""
        raise NotImplementedError


def is_reachable() -> bool:
    """Whether the library that `sqlite3` uses can be called from here."""
    try:
        return bool(ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find)
    except (AttributeError, OSError):
        return False


class Shim:
    """The default VFS of this process, for good: there is no way back."""

    _for_good: ClassVar[list[Shim]] = []
    """What C calls must not be collected."""

    def __init__(self, listener: Listener) -> None:
        self._for_good.append(self)
        self._listener = listener
        self._paths: dict[int, str] = {}
        self._kept: list[object] = []
        self._methods: dict[int, _Methods] = {}
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        library.sqlite3_vfs_register.argtypes = (POINTER(_Vfs), c_int)
        self._under = library.sqlite3_vfs_find(None)
        self._shim = _Vfs.from_buffer_copy(self._under.contents)
        self._shim.name = b"told"
        self._shim.next = None
        self._real_open = _OPEN(self._under.contents.open)
        self._real_delete = _DELETE(self._under.contents.delete)
        self._shim.open = self._callback(_OPEN, self._open)
        self._shim.delete = self._callback(_DELETE, self._delete)
        self._hear_of_directories()
        code = library.sqlite3_vfs_register(byref(self._shim), 1)
        assert code == 0, f"sqlite3_vfs_register: {code}"

    def _callback(self, kind: Any, function: Callable[..., int]) -> int | None:
        def safe(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except BaseException:  # noqa: BLE001 - C cannot be told, and nobody may believe that all went well
                traceback.print_exc(file=sys.stderr)
                sys.stderr.flush()
                os._exit(99)

        kept = kind(safe)
        self._kept.append(kept)
        return ctypes.cast(kept, c_void_p).value

    def _hear_of_directories(self) -> None:
        """SQLite opens a directory for nothing but to sync it; sqlite3.h, xSetSystemCall."""
        under = ctypes.cast(self._under, c_void_p)
        real = _OPEN_DIRECTORY(_GET_CALL(self._under.contents.get_system_call)(under, b"openDirectory"))

        def open_directory(path: bytes, descriptor: Any) -> int:
            code: int = real(path, descriptor)
            self._listener.syncing_directory(os.fsdecode(path))
            return code

        callback = self._callback(_OPEN_DIRECTORY, open_directory)
        code = _SET_CALL(self._under.contents.set_system_call)(under, b"openDirectory", callback)
        assert code == 0, f"xSetSystemCall: {code}"

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, flags_out: int | None) -> int:
        under = ctypes.cast(self._under, c_void_p)

        def step() -> int:
            code: int = self._real_open(under, name, file, flags, flags_out)
            return code

        if name is None:  # a temporary file: nobody misses it
            return step()
        path = os.fsdecode(ctypes.string_at(name))
        code = self._listener.opening(path, creates=bool(flags & OPEN_CREATE), step=step)
        if code == 0:
            self._paths[file] = path
            told = ctypes.cast(file, POINTER(_File)).contents
            told.methods = ctypes.pointer(self._told(told.methods.contents))
        return code

    def _delete(self, _vfs: int, name: bytes, syncs_directory: int) -> int:
        under = ctypes.cast(self._under, c_void_p)
        return self._listener.deleting(os.fsdecode(name), lambda: self._real_delete(under, name, syncs_directory))

    def _told(self, real: _Methods) -> _Methods:
        """Give the methods of an open file with three of them told of; there are few kinds of files."""
        address = ctypes.addressof(real)
        if address not in self._methods:
            told = self._methods[address] = _Methods.from_buffer_copy(real)
            write, truncate, sync = _WRITE(real.write), _TRUNCATE(real.truncate), _SYNC(real.sync)
            listener, paths = self._listener, self._paths

            def on_write(file: int, data: int, size: int, offset: int) -> int:
                step = lambda: write(file, data, size, offset)  # noqa: E731 - said in place
                return listener.writing(paths[file], offset, ctypes.string_at(data, size), step)

            told.write = self._callback(_WRITE, on_write)
            told.truncate = self._callback(
                _TRUNCATE, lambda file, size: listener.truncating(paths[file], size, lambda: truncate(file, size))
            )
            told.sync = self._callback(
                _SYNC, lambda file, flags: listener.syncing(paths[file], lambda: sync(file, flags))
            )
        return self._methods[address]
