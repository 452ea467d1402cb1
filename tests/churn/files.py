"""What people and programs do to single files.

Each piece of work is a function of the ground; it says what it did, or gives None where there was nothing to do it to.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from tests.churn.ground import Pending, is_file, remove
from tests.local.watching import exchange

if TYPE_CHECKING:
    from tests.churn.ground import Ground


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
