"""Requests that are delivered a second time, long after the first: what the service takes, and what can be done then.

These are limits, not promises. A link holds 15 minutes for its path and does not say for which bytes; an access token
holds two hours. Whatever keeps a copy of a request so long (TLS leaves that to the two ends: nobody between them can)
changes the cloud behind everybody's back. The manifest cannot know; `tcbsync verify --repair` is the way to find it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.wire.line import Line, laid
from tests.wire.proxy import LATER, WHOLE, Strike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Clock:
    """The service's clock, which a test can put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    """Tell the right time, at first."""
    return Clock()


@pytest.fixture
async def line(tmp_path: Path, clock: Clock) -> AsyncIterator[Line]:
    """Lay a line to a service with that clock."""
    async with laid(tmp_path / "line", clock) as line:
        yield line


async def hold_back(line: Line, call: str) -> None:
    """Pass once, and keep a copy of the first such request."""
    line.proxy.arm(Strike(call, WHOLE, LATER))
    await line.sync()
    assert len(line.proxy.late) == 1


async def test_an_upload_after_a_newer_one(line: Line) -> None:
    """Within the link's time old bytes replace new ones; no pass sees it, verify finds it and repair mends it."""
    line.world.write("changed.txt", "old bytes")
    await hold_back(line, "upload small")
    line.world.write("changed.txt", "new bytes")
    await line.sync()

    [answer] = await line.proxy.deliver_late()
    await line.sync()

    assert answer.startswith(b"HTTP/1.1 204 ")
    assert line.world.cloud()["changed.txt"] == b"old bytes"
    assert (await line.verify()).wrong == [("changed.txt", "the cloud has other bytes")]
    await line.repair()
    assert line.world.is_equal()
    assert not [*line.complaints(), *line.differences()]


async def test_an_upload_after_the_link_has_expired(line: Line, clock: Clock) -> None:
    """After 15 minutes the copy is refused, and nothing has changed."""
    line.world.write("changed.txt", "old bytes")
    await hold_back(line, "upload small")
    line.world.write("changed.txt", "new bytes")
    await line.sync()
    clock.ahead = 901

    [answer] = await line.proxy.deliver_late()

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert line.world.is_equal()


async def test_an_upload_after_the_delete(line: Line) -> None:
    """The object is there again and no row names it: nobody can find it until its path is used again."""
    line.world.write("brief.txt", "a brief life")
    await hold_back(line, "upload small")
    (line.world.root / "brief.txt").unlink()
    await line.sync()

    await line.proxy.deliver_late()
    await line.sync()

    assert line.world.cloud()["brief.txt"] == b"a brief life"
    assert [*line.complaints()] == ["orphan: no row names the object test2-4a89da site/brief.txt"]
    assert (await line.verify()).wrong == []
    line.world.write("brief.txt", "once more")
    await line.sync()
    (line.world.root / "brief.txt").unlink()
    await line.sync()
    assert line.world.is_equal()


async def test_a_delete_after_the_file_came_back(line: Line) -> None:
    """A delete that is delivered again takes the new object; no pass sees it, verify finds it and repair mends it."""
    file = line.world.root / "changed.txt"
    file.unlink()
    await hold_back(line, "batchdeletefile")
    line.world.write("changed.txt", "it is back")
    await line.sync()

    [answer] = await line.proxy.deliver_late()
    await line.sync()

    assert b'"status": 0' in answer or b'"status":0' in answer
    assert "changed.txt" not in line.world.cloud()
    assert (await line.verify()).wrong == [("changed.txt", "the cloud does not have it")]
    await line.repair()
    assert line.world.is_equal()
