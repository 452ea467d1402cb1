"""Speaks to systemd's journal in its own protocol, so that its entries have priorities and fields.

The rule: https://systemd.io/JOURNAL_NATIVE_PROTOCOL. An entry is a datagram of `NAME=value` lines; a value with a line
break is written as `NAME`, a line break, its length in 64 bits (little-endian), its bytes, a line break. What is too
large for a datagram goes as a sealed memfd. The refusal: nothing here waits for the journal, and nothing is raised; who
gets False writes the line elsewhere.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ADDRESS = "/run/systemd/journal/socket"
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


def send(told: bytes, address: str = ADDRESS) -> bool:
    """Send an entry; gives whether the journal has it. From any thread."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        with socket.socket(socket.AF_UNIX, kind) as channel:
            try:
                channel.sendto(told, address)
            except OSError as error:
                if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                    raise
                _send_sealed(channel, told, address)
    except OSError:
        return False
    return True


def _send_sealed(channel: socket.socket, told: bytes, address: str) -> None:
    memory = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(memory, "wb", buffering=0, closefd=False) as file:
            rest = memoryview(told)
            while rest:
                rest = rest[file.write(rest) :]
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, SEALS)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", memory))
        channel.sendmsg([b""], [rights], 0, address)  # `socket.send_fds` does not pass the address on
    finally:
        os.close(memory)
