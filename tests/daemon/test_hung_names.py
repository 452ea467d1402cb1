"""A name server that does not answer: the daemon ends as soon as with any other, whatever a look-up takes."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, eventually

if TYPE_CHECKING:
    from pathlib import Path

HANGS = """
import pathlib, socket, time

real = socket.getaddrinfo

def getaddrinfo(host, *arguments, **named):
    if host != "cloud.example":
        return real(host, *arguments, **named)
    pathlib.Path({asked!r}).touch()
    time.sleep(60)
    raise socket.gaierror(socket.EAI_AGAIN, "no name server")

socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.slow
def test_a_stop_waits_for_no_look_up(tmp_path: Path) -> None:
    """SIGTERM amid a look-up that hangs for a minute: exit 0 within seconds."""
    asked = tmp_path / "asked"
    (tmp_path / "sitecustomize.py").write_text(HANGS.format(asked=str(asked)))
    house = House(tmp_path / "house", "https://cloud.example", {}, before=("env", f"PYTHONPATH={tmp_path}"))
    (house.root / "a").write_text("content")

    with house.started() as daemon:
        eventually(asked.exists)
        began = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(90)

    assert code == 0, house.log.read_text()
    assert time.monotonic() - began < 10
