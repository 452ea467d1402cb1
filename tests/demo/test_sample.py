"""The sample tree: every file is what its name says, and there is enough of everything."""

from __future__ import annotations

import io
import json
import struct
import wave
import zlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tcbsync.core.ignore import DEFAULTS, Rules
from tcbsync.core.keys import key_problem, normal
from tcbsync.demo import sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TREES = {
    "tree": sample.files(),
    "season": sample.season(),
    "storm": sample.storm(0, 3),
}


def ending(suffix: str) -> list[object]:
    """Give every sample file with that suffix, as a case of its own."""
    return [
        pytest.param(content, id=f"{name}/{path}")
        for name, tree in TREES.items()
        for path, content in tree.items()
        if path.endswith(suffix)
    ]


def chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Take a PNG apart into (kind, content), with its CRCs checked."""
    position = 8
    while position < len(image):
        length, kind = struct.unpack_from(">I4s", image, position)
        content = image[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack_from(">I", image, position + 8 + length)
        assert checksum == zlib.crc32(kind + content)
        yield kind, content
        position += 12 + length


@pytest.mark.parametrize("content", ending(".png"))
def test_png_is_an_image(content: bytes) -> None:
    """A PNG has the signature, right CRCs, and as many pixels as its header says."""
    found = dict(chunks(content))

    width, height, depth, colour = struct.unpack(">IIBB", found[b"IHDR"][:10])
    pixels = zlib.decompress(found[b"IDAT"])

    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]
    assert (depth, colour) == (8, 2)
    assert len(pixels) == height * (1 + 3 * width)


@pytest.mark.parametrize("content", ending(".wav"))
def test_wav_is_a_sound(content: bytes) -> None:
    """A WAV opens with the standard library, is mono and 16 bits, and is not silent."""
    with wave.open(io.BytesIO(content)) as sound:
        frames = sound.readframes(sound.getnframes())

        shape = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())

    assert shape == (1, 2, sample.SAMPLES_PER_SECOND)
    assert len(frames) >= sample.SAMPLES_PER_SECOND // 2
    assert any(frames)


@pytest.mark.parametrize("content", ending(".json"))
def test_json_parses(content: bytes) -> None:
    """JSON is JSON."""
    document = json.loads(content)

    assert document


@pytest.mark.parametrize("content", ending(".svg"))
def test_svg_is_a_drawing(content: bytes) -> None:
    """An SVG is well-formed XML with a polygon in it."""
    drawing = ET.fromstring(content)

    polygon = drawing.find("{http://www.w3.org/2000/svg}polygon")

    assert polygon is not None
    assert len(polygon.attrib["points"].split()) >= 10


def test_tree_has_some_of_everything() -> None:
    """It has 60 to 150 files, a binary of a few MiB, an empty file, deep folders, Chinese and awkward names."""
    tree = sample.files()

    suffixes = {path.rpartition(".")[2] for path in tree}

    assert 60 <= len(tree) <= 150
    assert {"png", "wav", "json", "svg", "html", "css", "txt", "bin"} <= suffixes
    assert 2**21 <= max(map(len, tree.values())) <= 2**23
    assert min(map(len, tree.values())) == 0
    assert max(path.count("/") for path in tree) >= 7
    assert any("\u4e00" <= character <= "\u9fff" for path in tree for character in path)
    assert any({"#", "?", "%", " "} <= set(path) for path in tree)
    assert tree["文档/说明.txt"].decode()


@pytest.mark.parametrize("name", TREES)
def test_every_file_can_be_mirrored(name: str) -> None:
    """No sample file is ignored or has a name that the cloud refuses or changes."""
    rules = Rules(DEFAULTS)

    obstacles = [
        path
        for path in TREES[name]
        if rules.ignores(path) or rules.ignores_below(path) or key_problem(path) or normal(path) != path
    ]

    assert obstacles == []


def test_droppings_are_ignored(tmp_path: Path) -> None:
    """What systems and editors leave behind lies in the folder too, and the rules ignore it."""
    rules = Rules(DEFAULTS)

    sample.make(tmp_path)

    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {*sample.files(), *sample.DROPPINGS}
    assert all(map(rules.ignores, sample.DROPPINGS))


def test_same_bytes_each_time() -> None:
    """The tree is the same in every run: what a run shows can be seen again."""
    once = sample.files()

    again = sample.files()

    assert again == once
