"""A journal to test with: a real datagram socket, and a reader of its protocol, written after systemd's own page.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL: "A datagram with the literal journal entry data as payload, without any file
descriptors attached. A datagram with an empty payload, but with a single memfd file descriptor that contains the
literal journal entry data. Other combinations are not permitted."
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = re.compile(rb"[A-Z0-9][A-Z0-9_]{0,63}")
"""systemd's journal_field_valid: capitals, digits and underscores, none of these in front, at most 64."""
SEALED = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

Entry = dict[str, list[str]]


class Journald:
    """Plays the journal at a path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.sealed = 0
        """So many entries came as a memfd."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def read(self) -> list[Entry]:
        """Give the entries that have come since the last time."""
        entries = []
        while (told := self._receive()) is not None:
            entries.append(parsed(told))
        return entries

    @contextlib.contextmanager
    def gathering(self) -> Iterator[list[bytes]]:
        """Read all the time, until the end of the block, as the real one does; give what comes, as it comes."""
        entries: list[bytes] = []
        ending = threading.Event()

        def gather() -> None:
            while not ending.wait(0.01):
                while (told := self._receive()) is not None:
                    entries.append(told)

        thread = threading.Thread(target=gather, name="journald")
        thread.start()
        try:
            yield entries
        finally:
            ending.set()
            thread.join()
            while (told := self._receive()) is not None:
                entries.append(told)

    def _receive(self) -> bytes | None:
        try:
            told, descriptors, flags, _ = socket.recv_fds(self._socket, 16 * 1024 * 1024, 4)
        except BlockingIOError:
            return None
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        if not descriptors:
            return told
        (memory,) = descriptors
        assert told == b"", "payload and descriptor together are not permitted"
        assert fcntl.fcntl(memory, fcntl.F_GET_SEALS) & SEALED == SEALED, "it has to be fully sealed"
        self.sealed += 1
        with os.fdopen(memory, "rb") as file:
            file.seek(0)
            return file.read()


def parsed(told: bytes) -> Entry:
    """Read an entry. Fails where it breaks the protocol."""
    entry: Entry = {}
    while told:
        line, newline, rest = told.partition(b"\n")
        assert newline, "each field ends with a line break"
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length :]
            assert len(value) == length
            assert rest[:1] == b"\n", "a value with a length ends with a line break too"
            rest = rest[1:]
        assert NAME.fullmatch(name), name
        entry.setdefault(name.decode(), []).append(value.decode())
        told = rest
    return entry
