"""Odd files: how each comes to be, and what is told of it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def file(root: Path, name: str) -> None:
    """Write a file, with the directories that it needs."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"content of {os.fsencode(name)!r}")


def named(name: str) -> Callable[[Path], None]:
    """Write a file of this name."""
    return lambda root: file(root, name)


def nested(root: Path) -> None:
    """Write a file whose path is longer than the cloud takes."""
    file(root, "/".join(["long" * 50] * 4 + ["end" * 20]))


def unreadable(root: Path) -> None:
    """Write a file that nobody may read."""
    file(root, "unreadable")
    (root / "unreadable").chmod(0)


def unlistable(root: Path) -> None:
    """Make a directory that nobody may enter."""
    file(root, "locked/inside")
    (root / "locked").chmod(0)


def sparse(root: Path) -> None:
    """Make a file that is larger than the cloud takes, and needs no room."""
    with (root / "huge").open("wb") as huge:
        huge.truncate(5 * 1024**3 + 1)


def fifo(root: Path) -> None:
    """Make a FIFO."""
    os.mkfifo(root / "fifo")


def unix_socket(root: Path) -> None:
    """Make a socket."""
    descriptor = os.open(root, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{descriptor}/socket")
    os.close(descriptor)


def device(root: Path) -> None:
    """Make a device that any process may read for ever."""
    try:
        os.mknod(root / "device", 0o20666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices are made by root only")


def dangling(root: Path) -> None:
    """Make a link that leads nowhere."""
    (root / "dangling").symlink_to("nowhere")


def looping(root: Path) -> None:
    """Make a link that leads to itself."""
    (root / "looping").symlink_to("looping")


def around(root: Path) -> None:
    """Make a link that leads to the root, as a directory in itself."""
    (root / "around").symlink_to(".")


def leading_out(root: Path) -> None:
    """Make links to a file and to a directory outside."""
    outside = root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret").write_text("not to be seen")
    (root / "out").symlink_to(outside / "secret")
    (root / "outside").symlink_to(outside)


def twin_files(root: Path) -> None:
    """Write two files whose names meet in one key."""
    file(root, f"twins/{COMPOSED}")
    file(root, f"twins/{DECOMPOSED}")


def twin_directories(root: Path) -> None:
    """Make two directories whose names meet in one key."""
    file(root, f"pairs/{COMPOSED}/a")
    file(root, f"pairs/{DECOMPOSED}/b")


@dataclass
class Odd:
    """How an odd file comes to be, and what is told of which path."""

    make: Callable[[Path], None]
    paths: tuple[str, ...]
    words: str
    code: str = "skipped"


ODD = [
    Odd(named("back\\slash"), ("back\\slash",), "backslash"),
    Odd(named("${filename}"), ("${filename}",), "${filename}"),
    *(Odd(named(f"control{c}"), (f"control{c}",), "control character") for c in "\x18\x19\x1a\x1b"),
    Odd(named("latin\udce9"), ("latin\udce9",), "not valid UTF-8"),
    Odd(named("latin-\udce9/inside"), ("latin-\udce9",), "not valid UTF-8"),
    Odd(nested, ("/".join(["long" * 50] * 4 + ["end" * 20]),), "the cloud takes at most 850"),
    Odd(fifo, ("fifo",), "a FIFO"),
    Odd(unix_socket, ("socket",), "a socket"),
    Odd(device, ("device",), "a device"),
    Odd(dangling, ("dangling",), "a symbolic link"),
    Odd(looping, ("looping",), "a symbolic link"),
    Odd(around, ("around",), "a symbolic link"),
    Odd(leading_out, ("out", "outside"), "a symbolic link"),
    Odd(sparse, ("huge",), "larger than 5 GB", "problem"),
    Odd(twin_files, (f"twins/{COMPOSED}",), "meet in one key", "problem"),
    Odd(twin_directories, (f"pairs/{COMPOSED}",), "meet in one key", "problem"),
    Odd(unlistable, ("locked",), "cannot be listed", "problem"),
    Odd(unreadable, ("unreadable",), "cannot be read", "unreadable"),
]
EXPECTED = {path: (odd.code, odd.words) for odd in ODD for path in odd.paths}
