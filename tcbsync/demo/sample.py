"""Makes a folder such as a small game or site has: images, sounds, JSON, pages, a binary, nested folders, odd names.

Every file is what its name says, made on the spot from the standard library. The same names give the same bytes.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import time
import wave
import zlib
from array import array
from math import sin, tau
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODEL_BYTES = 4 * 1024 * 1024
AGE_SECONDS = 3600
SAMPLES_PER_SECOND = 8000

DROPPINGS = (".DS_Store", "images/.DS_Store", "data/levels.json.tmp", "sounds/take-2.wav.part")
"""What systems, editors and downloads leave behind: never mirrored."""


def files() -> dict[str, bytes]:
    """Give the whole tree, path → content, without its droppings."""
    tree: dict[str, bytes] = {
        "index.html": page("Lantern Street", [f"images/icons/icon-{number:02}.png" for number in range(24)]),
        "style.css": b"body { margin: 0; font-family: sans-serif; }\n",
        "data/config.json": document({"title": "Lantern Street", "levels": 24, "languages": ["zh", "en"]}),
        "data/empty.json.lock": b"",
        "models/street.bin": random.Random("street").randbytes(MODEL_BYTES),  # noqa: S311 - filler, nothing secret
        "文档/说明.txt": "每一盏灯笼都是一个关卡。\n".encode(),
        "文档/第 1 章/开始.txt": "夜深了。街上的灯笼一盏一盏亮起来。\n".encode(),
        "odd names/100 % #1?.json": document({"is": "a name that a URL has to quote"}),
        "odd names/crème brûlée (é).txt": "é, in one code point\n".encode(),
        "deep/a/b/c/d/e/f/bottom.json": document({"depth": 8}),
    }
    for number in range(24):
        tree[f"images/icons/icon-{number:02}.png"] = png(24 + number, 24 + number, shade=number * 10)
        tree[f"data/levels/level-{number:02}.json"] = level(number)
    for number in range(8):
        tree[f"images/scenes/scene-{number}.png"] = png(320, 180, shade=number * 30)
        tree[f"images/marks/mark-{number}.svg"] = svg(number)
        tree[f"sounds/notes/note-{number}.wav"] = tone(220 * 2 ** (number / 12))
    return tree


def season() -> dict[str, bytes]:
    """Give a folder that comes from elsewhere: a new season of the game."""
    tree = {f"levels/level-{number:02}.json": level(100 + number) for number in range(8)}
    tree |= {f"images/lantern-{number}.png": png(64, 64, shade=40 + number * 20) for number in range(6)}
    return tree | {"sounds/opening.wav": tone(440.0, seconds=1.0), "readme.txt": b"a season of its own\n"}


def storm(first: int, last: int) -> dict[str, bytes]:
    """Give many small files, as an export writes them."""
    return {f"frame-{number:03}.png": png(16, 16, shade=number) for number in range(first, last)}


def put(root: Path, tree: Mapping[str, bytes], *, age_seconds: float = 0.0) -> None:
    """Write files below `root`; `age_seconds` dates them back, as of a folder that has been there for a while."""
    then = time.time() - age_seconds
    for path, content in tree.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if age_seconds:
            os.utime(file, (then, then))


def make(root: Path) -> None:
    """Write the whole tree, with its droppings."""
    put(root, files(), age_seconds=AGE_SECONDS)
    put(root, dict.fromkeys(DROPPINGS, b"not for anybody\n"), age_seconds=AGE_SECONDS)


def png(width: int, height: int, *, shade: int) -> bytes:
    """Draw a gradient as an 8-bit RGB image. PNG specification, section 5: signature, then IHDR, IDAT, IEND."""
    rows = b"".join(
        b"\0" + bytes(value & 255 for x in range(width) for value in (shade, x * 255 // width, y * 255 // height))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def tone(hertz: float, *, seconds: float = 0.25) -> bytes:
    """Play one note as a mono WAV of 16 bits, fading out."""
    count = int(seconds * SAMPLES_PER_SECOND)
    heights = (sin(tau * hertz * at / SAMPLES_PER_SECOND) * (1 - at / count) for at in range(count))
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 2, SAMPLES_PER_SECOND, count, "NONE", "not compressed"))
            sound.writeframes(array("h", (int(12_000 * height) for height in heights)).tobytes())
        return file.getvalue()


def svg(number: int) -> bytes:
    """Draw a star with a few more rays each time."""
    points = 5 + number
    corners = " ".join(
        f"{50 + radius * sin(tau * turn / points / 2):.1f},{50 - radius * sin(tau * (turn / points / 2 + 0.25)):.1f}"
        for turn, radius in ((turn, 20 if turn % 2 else 45) for turn in range(2 * points))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><polygon points="{corners}"/></svg>\n'.encode()
    )


def level(number: int) -> bytes:
    """Lay out one level: a grid of lanterns."""
    dice = random.Random(number)  # noqa: S311 - a layout, nothing secret
    return document({"level": number, "grid": [[dice.randrange(4) for _ in range(16)] for _ in range(9)]})


def page(title: str, images: list[str]) -> bytes:
    """Write a page that shows images."""
    shown = "\n".join(f'<img src="{image}" alt="">' for image in images)
    return (
        f'<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n<link rel="stylesheet" href="style.css">\n'
        f"<h1>{title}</h1>\n{shown}\n"
    ).encode()


def document(content: object) -> bytes:
    """Write JSON as people edit it."""
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"
