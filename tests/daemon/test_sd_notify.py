"""What systemd hears, on a real socket."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.daemon.sd_notify import notify, watchdog_seconds
from tests.e2e.house import COMMAND, ENVIRONMENT, House, cloud

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listen where systemd would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_lines_go_in_one_message(systemd: socket.socket) -> None:
    """sd_notify(3): newline-separated assignments in one datagram."""
    notify(READY="1", STATUS="watching")

    assert systemd.recv(4096) == b"READY=1\nSTATUS=watching"


def test_an_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """sd_notify(3): a leading @ stands for the zero byte of Linux's abstract sockets."""
    name = f"tcbsync-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

        notify(WATCHDOG="1")

        assert listening.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """No socket, or one that is gone, is no reason to stop."""
    if address is None:
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    else:
        monkeypatch.setenv("NOTIFY_SOCKET", address)

    notify(READY="1")


def test_without_a_descriptor_nothing_happens(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files is no reason to stop the mirrors either."""

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("tcbsync.daemon.sd_notify.socket.socket", refuse)

    notify(WATCHDOG="1")

    assert systemd.fileno() >= 0


def test_a_listener_who_does_not_read_keeps_nobody_waiting(systemd: socket.socket) -> None:
    """The event loop stands still for nobody."""
    started = time.monotonic()

    for _ in range(2000):
        notify(STATUS="x" * 1000)

    assert time.monotonic() - started < 15
    assert systemd.recv(4096).startswith(b"STATUS=x")


WATCHDOGS = {"": None, "0": 0.0, "30000000": 15.0, "nonsense": None}


@pytest.mark.parametrize(("text", "seconds"), WATCHDOGS.items(), ids=[text or "unset" for text in WATCHDOGS])
def test_the_watchdog_is_fed_twice_as_often_as_it_bites(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    """sd_watchdog_enabled(3): WATCHDOG_USEC, in microseconds; half of it is advised."""
    monkeypatch.setenv("WATCHDOG_USEC", text)

    assert watchdog_seconds() == seconds


@pytest.mark.slow
def test_the_last_that_systemd_hears_is_why_it_ended(tmp_path: Path, systemd: socket.socket) -> None:
    """A wrong secret: what `systemctl status` shows of a service that has failed is not that all was well before."""
    with cloud(tmp_path / "cloud", "--secret", "another") as emulator:
        house = House(tmp_path, emulator.url, {})
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": str(tmp_path / "notify")}

        daemon = subprocess.run(
            [*COMMAND, "run", "-c", str(house.config)], env=environment, stderr=subprocess.PIPE, check=False, timeout=60
        )
        systemd.setblocking(False)
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(systemd.recv(4096).decode())

    assert daemon.returncode == 78
    assert heard[-1].startswith("STATUS=ended: stable_token: invalid secret [40125]")


@pytest.mark.slow
def test_a_daemons_life_as_systemd_hears_it(tmp_path: Path, systemd: socket.socket) -> None:
    """READY when the watches are armed, then how it is and that it lives, and in the end that it stops."""
    with cloud(tmp_path / "cloud") as emulator:
        house = House(tmp_path, emulator.url, {})
        (house.root / "a").write_text("a")
        environment = {**ENVIRONMENT, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        heard: list[str] = []

        def hear_until(word: str) -> None:
            while not any(word in message for message in heard):
                heard.append(systemd.recv(4096).decode())

        daemon = subprocess.Popen([*COMMAND, "run", "-c", str(house.config)], env=environment, stderr=subprocess.PIPE)
        try:
            hear_until("STATUS=site: in_sync")
            (house.root / "a").unlink()
            hear_until("STATUS=1 delete of site waits for you. site: held")
            hear_until("WATCHDOG=1")
            daemon.terminate()
            hear_until("STOPPING=1")
            assert daemon.wait(30) == 0
        finally:
            daemon.kill()
            daemon.communicate()

    assert heard[0].startswith("READY=1\nSTATUS=")
