"""Speaks to systemd's journal in its own protocol, so that its entries have priorities and fields.

The rule: https://systemd.io/JOURNAL_NATIVE_PROTOCOL. An entry is a datagram of `NAME=value` lines; a value with a line
break is written as `NAME`, a line break, its length in 64 bits (little-endian), its bytes, a line break. What is too
large for a datagram goes as a sealed memfd. The refusal: nothing here waits for the journal, and nothing is raised; who
gets False writes the line elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS = "/run/systemd/journal/socket"
BUFFER = 8 * 1024 * 1024
"""A larger datagram is not tried. The kernel may give less room; then the memfd serves."""
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def is_journal(descriptor: int) -> bool:
    """Whether what is written to a descriptor goes to the journal: systemd.exec(5), $JOURNAL_STREAM.

    That variable is inherited by whatever the service starts; only the device and the inode in it tell.
    """
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def entry(fields: Iterable[tuple[str, str]]) -> bytes:
    """Write an entry. The same name may come more than once: a field with several values."""
    return b"".join(_field(name.encode("ascii"), value) for name, value in fields)


def _field(name: bytes, text: str) -> bytes:
    value = text.encode("utf-8", "backslashreplace")
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


class Journal:
    """The socket of the journal. May be used from any thread."""

    def __init__(self, address: str = ADDRESS) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def __repr__(self) -> str:
        return f"<Journal {self._address}>"

    def send(self, told: bytes) -> bool:
        """Send an entry; gives whether the journal has it."""
        try:
            self._send(told)
        except (OSError, ValueError):
            return False
        return True

    def _send(self, told: bytes) -> None:
        channel = self._channel()
        try:
            channel.sendto(told, self._address)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_sealed(channel, told)

    def _send_sealed(self, channel: socket.socket, told: bytes) -> None:
        memory = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(memory, "wb", buffering=0, closefd=False) as file:
                rest = memoryview(told)
                while rest:
                    rest = rest[file.write(rest) :]
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, SEALS)
            socket.send_fds(channel, [b""], [memory], 0, self._address)
        finally:
            os.close(memory)

    def _channel(self) -> socket.socket:
        if self._socket is None:
            kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_UNIX, kind)
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        return self._socket
