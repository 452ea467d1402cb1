"""Corruption that only TLS excludes: what it does, that nobody can tell at the time, and what `verify` makes of it.

Without TLS, or with somebody in the middle of it, these are limits of the service's protocol and not promises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.world import PREFIX
from tests.wire.beyond import UPLOADS
from tests.wire.line import Line, laid, listening
from tests.wire.proxy import FLIP, Strike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """Lay a line."""
    async with laid(tmp_path / "line") as line:
        yield line


async def flip(line: Line, call: str, where: str) -> None:
    """Pass once, with one byte flipped."""
    strike = Strike(call, where, FLIP)
    line.proxy.arm(strike)
    await line.sync()
    assert strike.hits == 1


@pytest.mark.parametrize("call", UPLOADS)
async def test_an_object_that_the_api_does_not_know(line: Line, call: str) -> None:
    """A damaged x-cos-meta-fileid leaves the right bytes under no name: verify finds it, and repair mends it."""
    line.change(call)

    await flip(line, call, "value of x-cos-meta-fileid")

    assert line.world.is_equal()
    [unknown] = line.unknown()
    assert (await line.verify()).wrong == [(unknown.removeprefix(PREFIX), "the cloud does not have it")]
    await line.repair()
    assert line.unknown() == []
    assert line.world.is_equal()


async def test_a_delete_of_an_object_that_the_api_does_not_know(line: Line) -> None:
    """The API says that there is nothing, which is believed: the object is lost until its path is used again."""
    file = line.world.write("brief.txt", "a brief life")
    await flip(line, "upload small", "value of x-cos-meta-fileid")
    file.unlink()

    await line.sync()

    assert [*line.complaints()] == ["orphan: no row names the object test2-4a89da site/brief.txt"]
    line.world.write("brief.txt", "once more")
    await line.sync()
    file.unlink()
    await line.sync()
    assert line.world.is_equal()
    assert not [*line.complaints(), *line.differences()]


async def test_an_object_of_another_type(line: Line) -> None:
    """A damaged Content-Type makes an object of that type: nothing looks at it, not even verify."""
    line.world.write("changed.txt", "the right bytes")

    await flip(line, "upload small", "value of Content-Type")

    [stored] = [each for (_, key), each in line.world.emulator.objects().items() if key == f"{PREFIX}changed.txt"]
    assert stored.content_type != "text/plain"
    assert line.world.is_equal()
    assert (await line.verify()).wrong == []


async def test_a_delete_of_another_file(line: Line) -> None:
    """A damaged file id may be another file's, which is deleted: the log says so, verify finds it, repair mends it."""
    for name in ("b-file", "c-file"):  # one bit apart, in the middle of their paths
        line.world.write(name, f"this is {name}")
    await line.sync()
    (line.world.root / "b-file").unlink()

    with listening() as texts:
        await flip(line, "batchdeletefile", "path of file id")

    assert {"b-file", "c-file"} & line.world.cloud().keys() == {"b-file"}
    assert [text for text in texts if "names 1 file that was not asked for" in text]
    assert (await line.verify()).wrong == [("c-file", "the cloud does not have it")]
    line.close_books()
    await line.repair()
    assert line.world.is_equal()
    assert not [*line.complaints(), *line.differences()]
