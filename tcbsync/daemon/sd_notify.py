"""Tells systemd how the service is: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3)). Silent without systemd."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(**values: str) -> None:
    """Send `KEY=value` lines to the socket that systemd named, if it did."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    message = "\n".join(f"{key}={value}" for key, value in values.items())
    # Neither waits nor fails: what systemd does not take now is not worth a stop of the mirrors.
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as channel:
        channel.sendto(message.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear of us, halved; None where it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdecimal() else None
