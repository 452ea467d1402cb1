"""What people and programs do to files and directories, one piece of work after the other.

Each piece is a function of the ground; it says what it did, or gives None where there was nothing to do it to.
"""

from __future__ import annotations

import mmap
import os
import socket
import unicodedata
from typing import TYPE_CHECKING

from tests.churn import tools
from tests.churn.ground import Pending, is_directory, is_file, remove
from tests.local.watching import exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.churn.ground import Ground

    Work = Callable[[Ground], str | None]

IGNORE_LINES = ("*.log", "!keep.log", "/local.txt", "cache/", "one/*.png", "two/**", "1*.bin", "四/")


def new_file(ground: Ground) -> str:
    """Write a file, or over one."""
    path = ground.some_name()
    if not is_file(path) or not ground.hears_all or path.stat().st_nlink == 1:
        remove(path)
    path.write_bytes(ground.some_bytes())
    return str(path)


def overwrite_in_place(ground: Ground) -> str | None:
    """Write into a file without cutting it off."""
    path = ground.some_file(to_write_into=True)
    if path is None:
        return None
    with path.open("r+b") as file:
        file.write(ground.some_bytes())
    return str(path)


def same_size_and_mtime(ground: Ground) -> str | None:
    """Change the bytes, and set size and time as they were."""
    path = ground.some_file(to_write_into=True)
    if path is None:
        return None
    before = path.stat()
    path.write_bytes(ground.chance.randbytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return str(path)


def touch(ground: Ground) -> str | None:
    """Set other times, and change nothing."""
    path = ground.some_file()
    if path is not None:
        os.utime(path, (0, ground.chance.randrange(2_000_000_000)))
    return None if path is None else str(path)


def append(ground: Ground) -> str | None:
    """Write more at the end."""
    path = ground.some_file(to_write_into=True)
    if path is None:
        return None
    for _ in range(ground.chance.randint(1, 4)):
        with path.open("ab") as file:
            file.write(ground.chance.randbytes(50))
    return str(path)


def cut_off(ground: Ground) -> str | None:
    """Make a file shorter, or longer with a hole."""
    path = ground.some_file(to_write_into=True)
    if path is None:
        return None
    with path.open("r+b") as file:
        file.truncate(ground.chance.choice((0, 1, 100, 200_000)))
    return str(path)


def truncate_by_path(ground: Ground) -> str | None:
    """Cut a file off without opening it."""
    path = ground.some_file()
    if path is not None:
        os.truncate(path, ground.chance.choice((0, 1, 100, 200_000)))
    return None if path is None else str(path)


def save_atomically(ground: Ground) -> str:
    """Write beside, under a name that is ignored or one that is not, and rename into place."""
    path = ground.some_name()
    beside = path.with_name(ground.chance.choice((".saving.tmp", "saving.new")))
    remove(beside)
    beside.write_bytes(ground.some_bytes())
    beside.replace(path)
    return str(path)


def save_like_vim(ground: Ground) -> str | None:
    """Keep the old file as a backup, write the new one, drop the backup."""
    path = ground.some_file()
    if path is None:
        return None
    backup = path.with_name(path.name + "~")
    remove(backup)
    path.rename(backup)
    path.write_bytes(ground.some_bytes())
    backup.unlink()
    return str(path)


def slow_write(ground: Ground) -> str:
    """Open a file, and write it in pieces while other work goes on; `go_on` does that."""
    path = ground.some_name()
    remove(path)
    file = path.open("wb", buffering=0)
    file.write(ground.chance.randbytes(1000))
    ground.pending.append(Pending(file, ground.chance.randint(2, 30)))
    return str(path)


def map_and_write(ground: Ground) -> str | None:
    """Write through a mapping, and hold it for a while."""
    files = [file for file in ground.files() if file.stat().st_size]
    if not files:
        return None
    path = ground.chance.choice(files)
    file = path.open("r+b", buffering=0)
    ground.pending.append(Pending(file, ground.chance.randint(2, 20), mmap.mmap(file.fileno(), 0)))
    return str(path)


def go_on(ground: Ground) -> None:
    """Write the next piece of everything that is held open."""
    for pending in list(ground.pending):
        data = ground.chance.randbytes(500)
        if pending.mapping is None:
            pending.file.write(data)
        elif os.fstat(pending.file.fileno()).st_size >= len(pending.mapping):  # else writing there is fatal
            pending.mapping[: len(data)] = data[: len(pending.mapping)]
            # As long as a page is not written back, further writes to it change no time: nobody could see them.
            pending.mapping.flush()
        pending.pieces -= 1
        if not pending.pieces:
            if pending.mapping is not None:
                pending.mapping.close()
            pending.file.close()
            ground.pending.remove(pending)


def link_in(ground: Ground) -> str:
    """Make a second name, in the root, for a file outside."""
    source = ground.build_outside(1) / "d0" / "e0" / "0.bin"
    path = ground.some_name()
    remove(path)
    os.link(source, path)
    return str(path)


def link_within(ground: Ground) -> str | None:
    """Give a file two names: what is written under one of them makes no event under the other."""
    source = ground.some_file()
    if source is None:
        return None
    path = ground.some_name()
    if path == source or not is_file(source):
        return None
    remove(path)
    os.link(source, path)
    return f"{source} -> {path}"


def rename_file(ground: Ground) -> str | None:
    """Give a file another name, which may be taken."""
    source = ground.some_file()
    if source is None:
        return None
    path = ground.some_name()
    if not is_file(source):  # it was in the way of its new name
        return None
    source.replace(path)
    return f"{source} -> {path}"


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


def swap_files(ground: Ground) -> str | None:
    """Let two files take each other's names, by way of a third or at once."""
    one, other = ground.some_file(), ground.some_file()
    if one is None or other is None or one == other:
        return None
    if ground.chance.random() < 0.5:
        exchange(one, other)
    else:
        aside = one.with_name("aside")
        remove(aside)
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
    return f"{one} <-> {other}"


def swap_trees(ground: Ground) -> str | None:
    """Let two directories change places at once."""
    one, other = ground.some_directory(), ground.some_directory()
    if one is None or other is None or one.is_relative_to(other) or other.is_relative_to(one):
        return None
    exchange(one, other)
    return f"{one} <-> {other}"


def delete_file(ground: Ground) -> str | None:
    """Remove a file."""
    path = ground.some_file()
    if path is not None:
        path.unlink()
    return None if path is None else str(path)


def delete_and_recreate(ground: Ground) -> str | None:
    """Remove a file and write one under its name, with the same bytes or others."""
    path = ground.some_file()
    if path is None:
        return None
    before = path.read_bytes()
    path.unlink()
    path.write_bytes(before if ground.chance.random() < 0.5 else ground.some_bytes())
    return str(path)


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


HEARD: tuple[Work, ...] = (
    *(new_file, overwrite_in_place, same_size_and_mtime, touch, append, cut_off, save_atomically, save_like_vim),
    *(slow_write, link_in, rename_file, rename_tree, swap_files, swap_trees, delete_and_recreate, move_tree_in),
    *(move_tree_out, make_and_fill_quickly, link_instead, unlink_link, change_kind, make_twins, edit_the_rules),
    *tools.WORK,
)
"""What makes an event for every path that it changes."""

SILENT: tuple[Work, ...] = (map_and_write, truncate_by_path, link_within, close_doors)
"""What makes none, or not for every path: only a rescan finds it. inotify(7) knows no event for a write through a
mapping or through another name; truncate(2) and chmod(2) make only MODIFY and ATTRIB, which we do not ask for, because
busy writers would overflow the queue with them."""

REMOVING: tuple[Work, ...] = (delete_file, delete_tree)


def next_work(ground: Ground) -> Work:
    """Pick the next piece of work."""
    everything = HEARD + REMOVING if ground.hears_all else HEARD + REMOVING + SILENT
    return ground.chance.choice(REMOVING if ground.is_crowded and ground.chance.random() < 0.6 else everything)
