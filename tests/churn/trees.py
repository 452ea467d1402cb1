"""What people and programs do to directories, to links, and to what a name stands for. As in `files`."""

from __future__ import annotations

import os
import socket
import unicodedata
from typing import TYPE_CHECKING

from tests.churn.ground import is_directory, is_file, remove
from tests.local.watching import exchange

if TYPE_CHECKING:
    from tests.churn.ground import Ground

IGNORE_LINES = ("*.log", "!keep.log", "/local.txt", "cache/", "one/*.png", "two/**", "1*.bin", "四/")


def rename_tree(ground: Ground) -> str | None:
    """Give a directory another name, and at once one in it."""
    source = ground.some_directory()
    path = ground.some_new_tree()
    if source is None or path.is_relative_to(source):
        return None
    source.rename(path)
    inner = next((each for each in sorted(path.iterdir()) if is_directory(each)), None)
    if inner is not None:
        inner.rename(inner.with_name(f"inner-{ground.count}"))
    return f"{source} -> {path}"


def swap_trees(ground: Ground) -> str | None:
    """Let two directories change places at once."""
    one, other = ground.some_directory(), ground.some_directory()
    if one is None or other is None or one.is_relative_to(other) or other.is_relative_to(one):
        return None
    exchange(one, other)
    return f"{one} <-> {other}"


def delete_tree(ground: Ground) -> str | None:
    """Remove a directory with all in it."""
    path = ground.some_directory()
    if path is not None:
        remove(path)
    return None if path is None else str(path)


def move_tree_in(ground: Ground) -> str:
    """Rename a tree from outside into the root, and write into it at once."""
    path = ground.some_new_tree()
    ground.build_outside(ground.chance.randint(1, 30)).rename(path)
    inner = path / "d0" / "late"
    inner.mkdir()
    (inner / "late.bin").write_bytes(ground.some_bytes())
    (path / "d0" / "e0" / "0.bin").write_bytes(b"written after the move")
    return str(path)


def move_tree_out(ground: Ground) -> str | None:
    """Rename a tree out of the root, write into it there, and at times bring it back."""
    source = ground.some_directory()
    if source is None:
        return None
    ground.count += 1
    away = ground.outside / f"away-{ground.count}"
    source.rename(away)
    (away / "written outside").write_bytes(ground.chance.randbytes(30))
    if ground.chance.random() < 0.5:
        return f"{source} -> {away}"
    source.mkdir()
    back = ground.some_new_tree()
    away.rename(back)
    return f"{source} -> {away} -> {back}"


def make_and_fill_quickly(ground: Ground) -> str:
    """Make deep directories, each filled before anybody can watch it."""
    top = ground.some_new_tree()
    for number in range(ground.chance.randint(5, 40)):
        place = top / f"{number % 5}" / f"{number}" / "deep"
        place.mkdir(parents=True)
        (place / "file").write_bytes(ground.chance.randbytes(20))
    return str(top)


def link_instead(ground: Ground) -> str | None:
    """Put a symbolic link, to something outside or inside, in place of a file or a directory."""
    path = ground.some_file() if ground.chance.random() < 0.6 else ground.some_directory()
    if path is None:
        return None
    target = ground.chance.choice((ground.outside, ground.root, ground.outside / "nothing"))
    remove(path)
    path.symlink_to(target)
    return f"{path} -> {target}"


def unlink_link(ground: Ground) -> str | None:
    """Put a file in place of a symbolic link."""
    links = [path for path in ground.entries() if path.is_symlink()]
    if not links:
        return None
    path = ground.chance.choice(links)
    path.unlink()
    path.write_bytes(ground.some_bytes())
    return str(path)


def change_kind(ground: Ground) -> str | None:
    """Let a name be a directory where it was a file, the other way round, or neither."""
    path = ground.some_file() if ground.chance.random() < 0.5 else ground.some_directory()
    if path is None:
        return None
    was_file = is_file(path)
    remove(path)
    match ground.chance.randrange(4):
        case 0:
            os.mkfifo(path)
        case 1 if len(os.fsencode(path)) < 100:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(os.fsencode(path))
        case _ if was_file:
            path.mkdir()
            (path / "within.bin").write_bytes(ground.some_bytes())
        case _:
            path.write_bytes(ground.some_bytes())
    return str(path)


def make_twins(ground: Ground) -> str:
    """Write two names that are the same in the cloud; or take one of two away."""
    for path in ground.entries():
        composed = path.with_name(unicodedata.normalize("NFC", path.name))
        if path != composed and os.path.lexists(composed):
            gone = ground.chance.choice((path, composed))
            remove(gone)
            return f"not any more: {gone!a}"
    path = ground.some_place() / ground.chance.choice(("café.txt", "été"))
    twin = path.with_name(unicodedata.normalize("NFD", path.name))
    for each in (path, twin):
        if not os.path.lexists(each):
            each.write_bytes(ground.some_bytes())
    return f"{twin!a}"


def edit_the_rules(ground: Ground) -> str:
    """Write other ignore rules, or remove them."""
    path = ground.root / ".tcbignore"
    lines = ground.chance.sample(IGNORE_LINES, ground.chance.randint(0, 3))
    if lines:
        path.write_text("".join(f"{line}\n" for line in lines))
    else:
        path.unlink(missing_ok=True)
    return ", ".join(lines) or "none"


def close_doors(ground: Ground) -> str | None:
    """Forbid everybody to read a file or a directory, or allow it again."""
    if ground.reopen():
        return "all open"
    path = ground.some_file() if ground.chance.random() < 0.5 else ground.some_directory()
    if path is None or os.geteuid() != 0:  # we have to go in and out ourselves
        return None
    path.chmod(0)
    return str(path)
