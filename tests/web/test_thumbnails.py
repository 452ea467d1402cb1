"""Thumbnails: the bytes that the cloud holds, or nothing."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.store.answers import Stored
from tcbsync.web.thumbnails import MOST_BYTES, has_thumbnail, read

if TYPE_CHECKING:
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\nand so on"
WEBP = b"RIFF\0\0\0\0WEBPVP8 "


def put(root: Path, name: str, data: bytes) -> Stored:
    """Make a file, and the row that proves it."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)
    return Stored(name, len(data), hashlib.md5(data).digest())


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("deep/er/A.PNG", PNG, "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", b"GIF89a", "image/gif"),
        ("a.webp", WEBP, "image/webp"),
    ],
)
def test_images(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    """Four kinds, by their endings and their first bytes."""
    assert read(tmp_path, name, put(tmp_path, name, data)) == (kind, data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.svg", b"<svg onload='alert(1)'/>"),
        ("a.html", PNG),
        ("png", PNG),
        ("a.png", b"<script>alert(1)</script>"),
        ("a.png", b"\xff\xd8\xff"),
        ("a.webp", b"RIFF\0\0\0\0WAVEfmt "),
        ("a.png", b""),
        ("a.png", PNG + bytes(MOST_BYTES)),
    ],
)
def test_anything_else_is_not_shown(tmp_path: Path, name: str, data: bytes) -> None:
    """Documents, images in name only, empty files, large ones."""
    assert read(tmp_path, name, put(tmp_path, name, data)) is None


def test_only_what_the_cloud_holds(tmp_path: Path) -> None:
    """A file with other bytes than were proved was not published yet, same size or not."""
    stored = put(tmp_path, "a.png", PNG)

    (tmp_path / "a.png").write_bytes(PNG.upper())
    same_size = read(tmp_path, "a.png", stored)
    (tmp_path / "a.png").write_bytes(PNG * 2)

    assert same_size is None
    assert read(tmp_path, "a.png", stored) is None


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Neither a file nor a directory on the way, whatever it leads to."""
    root = tmp_path / "root"
    secret = put(tmp_path, "outside/a.png", PNG)
    root.mkdir()
    (root / "a.png").symlink_to(tmp_path / "outside/a.png")
    (root / "d").symlink_to(tmp_path / "outside")

    for name in ("a.png", "d/a.png"):
        assert read(root, name, Stored(name, secret.size, secret.digest)) is None


def test_no_fifo_is_waited_for(tmp_path: Path) -> None:
    """What is no file any more is nothing."""
    os.mkfifo(tmp_path / "a.png")

    assert read(tmp_path, "a.png", Stored("a.png", 9, b"")) is None


def test_a_file_that_grows_is_not_read_to_its_end(tmp_path: Path) -> None:
    """It is not what was proved."""
    stored = put(tmp_path, "a.png", PNG)
    with (tmp_path / "a.png").open("ab") as file:
        file.truncate(10 * 1024**3)

    assert read(tmp_path, "a.png", stored) is None


def test_which_are_offered() -> None:
    """By name and size alone: the page is made without reading files."""
    assert has_thumbnail("img/A.PNG", 1)
    assert not has_thumbnail("img/a.png", MOST_BYTES + 1)
    assert not has_thumbnail("img/a.png.txt", 1)
    assert not has_thumbnail("", 1)
