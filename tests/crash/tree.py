"""The trees that a crash falls into, before and after: a file of each kind, in every way in which it can change."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STREAMED = 1024 * 1024 + 77 * 1024
"""Larger than what is read at once: it is hashed while it streams."""
DOOMED = 56
"""With the renamed and the removed file, more than one batch of deletes."""


def _noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


FIRST = {
    "plain.txt": b"plain",
    "empty": b"",
    "图片/你好.png": _noise(1, 3000),
    "large.bin": _noise(2, STREAMED),
}
"""All that there is at the very first start."""

BEFORE = {
    "same.txt": b"stays as it is",
    "changed.txt": b"one state",
    "old name.bin": _noise(3, 70_000),
    "图片/再见.png": _noise(4, 2000),
    "large.bin": _noise(5, STREAMED),
    "removed/only.json": b'{"level": 1}',
    **{f"doomed/{number:02}": b"x" * (number + 1000) for number in range(DOOMED)},
}

AFTER = {
    "same.txt": BEFORE["same.txt"],
    "changed.txt": b"another state, which is longer",
    "new name.bin": BEFORE["old name.bin"],
    "图片/再见.png": _noise(6, 2100),
    "large.bin": _noise(7, STREAMED),
    "new.txt": b"new",
    "new and empty": b"",
}


def plant(root: Path, tree: dict[str, bytes]) -> None:
    """Make the tree be exactly that; files that are the same already are left alone, a new name is a rename."""
    there = {file.relative_to(root).as_posix(): file for file in root.rglob("*") if file.is_file()}
    for path, content in tree.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path in there:
            if file.read_bytes() != content:
                file.write_bytes(content)
            continue
        former = next((name for name in there if name not in tree and there[name].read_bytes() == content), None)
        if former is None:
            file.write_bytes(content)
        else:
            there.pop(former).rename(file)
    for path, file in there.items():
        if path not in tree:
            file.unlink()
