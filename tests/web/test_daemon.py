"""The page of a real daemon: there when it runs, gone when it ends, and never in the way of its work."""

from __future__ import annotations

import re
import socket
import urllib.request
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.house import House, cloud, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.house import Cloud

pytestmark = pytest.mark.slow

LISTENS = "0A"
"""Linux, proc(5): the state of a socket that listens."""


@contextmanager
def house_in(folder: Path, **web: Any) -> Iterator[tuple[House, Cloud]]:
    """Give a folder with a file, and a cloud for it."""
    with cloud(folder / "cloud") as emulator:
        house = House(folder / "house", emulator.url, {"web": web or None})
        (house.root / "a.json").write_text("{}")
        yield house, emulator


def served_at(house: House) -> str:
    """Wait until the daemon says where its page is."""
    eventually(lambda: "status page: " in house.log.read_text())
    at: str = re.findall(r"status page: http://(\S+)/", house.log.read_text())[-1]
    return at


def test_it_is_there_while_the_daemon_runs(tmp_path: Path) -> None:
    """Page, metrics, health and readiness; an open connection does not keep the daemon from ending."""
    with house_in(tmp_path, listen="127.0.0.1:0") as (house, emulator):
        with house.running():
            at = served_at(house)
            eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
            lingering = HTTPConnection(at)
            lingering.request("GET", "/healthz")
            health = lingering.getresponse().read()
            answers = {}
            for path in ("", "metrics", "readyz"):
                with urllib.request.urlopen(f"http://{at}/{path}", timeout=30) as answer:
                    answers[path] = answer.read().decode()

        with pytest.raises(OSError, match="refused"):
            socket.create_connection(tuple(at.split(":")), timeout=5)  # type: ignore[arg-type]
        lingering.close()

    assert health == b"ok\n"
    assert "<h1>In sync.</h1>" in answers[""]
    assert 'tcbsync_mirror_state{mirror="site",state="in_sync"} 1.0' in answers["metrics"]
    assert answers["readyz"] == "ok\n"


def test_a_port_that_another_has_is_no_reason_not_to_mirror(tmp_path: Path) -> None:
    """It warns, and works."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with house_in(tmp_path, listen=f"127.0.0.1:{port}") as (house, emulator), house.running():
            eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
            log = house.log.read_text()

    assert f"no status page at 127.0.0.1:{port}: Address already in use; it is tried again" in log


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """`web: null` serves nothing."""
    with house_in(tmp_path) as (house, emulator), house.running() as process:
        eventually(lambda: house.is_equal(emulator) and house.state() == "in_sync")
        sockets = {link.readlink().name for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()}
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        listening = {f"socket:[{line[9]}]" for line in lines if line[3] == LISTENS}

    assert "status page" not in house.log.read_text()
    assert sockets.isdisjoint(listening)
