"""Real changes in a real folder, under a real daemon: after each one the cloud is equal, byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.house import Cloud, House

GIT = ["git", "-c", "user.name=tester", "-c", "user.email=tester@example.invalid", "-c", "init.defaultBranch=main"]


def shell(*command: str, cwd: Path | None = None) -> None:
    """Run a command of the system."""
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)


def tree(place: Path, files: int = 60) -> Path:
    """Make a tree with files of several sizes at several depths."""
    for number in range(files):
        file = place / f"d{number % 7}" / f"e{number % 3}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(number * 37))
    return place


def save(root: Path, _outside: Path) -> None:
    """Write a file."""
    (root / "saved.txt").write_text("saved")


def save_atomically(root: Path, _outside: Path) -> None:
    """Save as an editor does: beside, then renamed over the old one."""
    (root / "page.html").write_text("old")
    for number in range(5):
        (root / ".page.html.tmp").write_text(f"new {number}")
        (root / ".page.html.tmp").rename(root / "page.html")


def copy_a_tree(root: Path, outside: Path) -> None:
    """Run cp -r."""
    shell("cp", "-r", str(tree(outside)), str(root / "copied"))


def move_a_tree_in(root: Path, outside: Path) -> None:
    """Rename a tree from outside into the root."""
    tree(outside).rename(root / "moved-in")


def move_a_tree_in_and_go_on_in_it(root: Path, outside: Path) -> None:
    """Rename a tree into the root, write into it at once, and again when it has been looked at."""
    tree(outside).rename(root / "going-on")
    (root / "going-on" / "d1" / "at-once").mkdir()
    (root / "going-on" / "d1" / "at-once" / "file").write_text("at once")
    time.sleep(1)
    (root / "going-on" / "d1" / "at-once" / "file").write_text("later")
    (root / "going-on" / "d2" / "e0" / "later").write_text("later")


def move_a_tree_out(root: Path, outside: Path) -> None:
    """Rename a tree out of the root."""
    tree(root / "going")
    time.sleep(0.3)
    (root / "going").rename(outside / "gone")


def remove_a_tree(root: Path, _outside: Path) -> None:
    """Run rm -r."""
    tree(root / "doomed")
    time.sleep(0.5)
    shell("rm", "-r", str(root / "doomed"))


def rename_a_directory(root: Path, _outside: Path) -> None:
    """Rename a directory, and at once one in it."""
    tree(root / "before")
    time.sleep(0.5)
    (root / "before").rename(root / "after")
    (root / "after" / "d1").rename(root / "after" / "d1-renamed")


def make_and_fill_quickly(root: Path, _outside: Path) -> None:
    """Make deep directories, each filled before anybody can watch it."""
    for number in range(60):
        place = root / "quick" / f"{number}" / "deep" / "deeper"
        place.mkdir(parents=True)
        (place / "file").write_text(f"{number}")


def fill_and_rename_into_place(root: Path, _outside: Path) -> None:
    """Build a tree under one name and rename it, again and again."""
    for number in range(20):
        tree(root / "building.tmp", 5)
        (root / "building.tmp").rename(root / f"built-{number}")


def truncate(root: Path, _outside: Path) -> None:
    """Cut a file off in place."""
    (root / "cut").write_bytes(b"x" * 100_000)
    time.sleep(0.3)
    with (root / "cut").open("r+b") as file:
        file.truncate(100)


def append(root: Path, _outside: Path) -> None:
    """Write a file line by line, opened anew for each."""
    for number in range(20):
        with (root / "log.txt").open("a") as file:
            file.write(f"line {number}\n")
        time.sleep(0.01)


def replace_directory_by_file_and_back(root: Path, _outside: Path) -> None:
    """Let a name be a directory, a file, and a directory again."""
    (root / "either").mkdir(exist_ok=True)
    (root / "either" / "file").write_text("in a directory")
    time.sleep(0.4)
    shutil.rmtree(root / "either")
    (root / "either").write_text("a file")
    time.sleep(0.4)
    (root / "either").unlink()
    (root / "either").mkdir()
    (root / "either" / "other").write_text("a directory again")


def change_places(root: Path, _outside: Path) -> None:
    """Let two files take each other's names."""
    (root / "one").write_text("first")
    (root / "two").write_text("second")
    time.sleep(0.4)
    (root / "one").rename(root / "three")
    (root / "two").rename(root / "one")
    (root / "three").rename(root / "two")


def name_it_oddly(root: Path, _outside: Path) -> None:
    """Use names that are easy to get wrong."""
    for name in ("空 格.png", "100%.txt", "a#b?c&d=e+f", "quote'\"s", "line\nbreak", "emoji-\U0001f600", "-rf"):
        (root / name).write_text(name)


def link_and_copy_sparse(root: Path, outside: Path) -> None:
    """Make a hard link, which is never closed, and a file that is a hole."""
    (outside / "source").write_text("hard")
    os.link(outside / "source", root / "hard-link")
    with (root / "sparse").open("wb") as file:
        file.truncate(3_000_000)


CHANGES = [
    save,
    save_atomically,
    copy_a_tree,
    move_a_tree_in,
    move_a_tree_in_and_go_on_in_it,
    move_a_tree_out,
    remove_a_tree,
    rename_a_directory,
    make_and_fill_quickly,
    fill_and_rename_into_place,
    truncate,
    append,
    replace_directory_by_file_and_back,
    change_places,
    name_it_oddly,
    link_and_copy_sparse,
]


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
def test_the_cloud_follows(living: tuple[House, Cloud], tmp_path: Path, change: Callable[[Path, Path], None]) -> None:
    """Whatever a person or a program does to the folder, the cloud ends equal."""
    house, cloud = living

    change(house.root, tmp_path)

    eventually(lambda: house.is_equal(cloud))


@pytest.mark.slow
def test_git_checks_out_another_branch(living: tuple[House, Cloud]) -> None:
    """Many files change, come and go at once; the repository itself is no asset."""
    house, cloud = living
    place = house.root / "repository"
    tree(place, 40)
    shell(*GIT, "init", "-q", cwd=place)
    shell(*GIT, "add", "-A", cwd=place)
    shell(*GIT, "commit", "-qm", "first", cwd=place)
    shell(*GIT, "checkout", "-qb", "other", cwd=place)
    shutil.rmtree(place / "d2")
    (place / "d2").write_text("a file in a directory's place")
    for number in range(0, 40, 4):
        (place / "d9").mkdir(exist_ok=True)
        (place / "d9" / f"{number}").write_text(f"new {number}")
    (place / "d1" / "e1" / "1.bin").write_text("changed")
    shell(*GIT, "add", "-A", cwd=place)
    shell(*GIT, "commit", "-qm", "second", cwd=place)
    eventually(lambda: house.is_equal(cloud))

    for branch in ("main", "other", "main"):
        shell(*GIT, "checkout", "-q", branch, cwd=place)

        eventually(lambda: house.is_equal(cloud))
    assert not any("/.git/" in key for key in cloud.objects())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_rsync_brings_a_tree_and_its_changes(living: tuple[House, Cloud], tmp_path: Path) -> None:
    """Its temporary files are no assets, and times that are set back do not hide a change."""
    house, cloud = living
    source = tree(tmp_path / "source", 40)
    target = house.root / "synced"

    shell("rsync", "-a", "--delete", f"{source}/", f"{target}/")
    eventually(lambda: house.is_equal(cloud))
    (source / "d1" / "e1" / "1.bin").write_text("changed")
    os.utime(source / "d1" / "e1" / "1.bin", (10**9, 10**9))
    shutil.rmtree(source / "d3")
    shell("rsync", "-a", "--delete", f"{source}/", f"{target}/")

    eventually(lambda: house.is_equal(cloud))


def test_what_editors_leave_behind_stays_here(living: tuple[House, Cloud]) -> None:
    """Droppings are not mirrored, and what is ignored by the root's own file is not either."""
    house, cloud = living
    for name in ("notes.txt~", ".notes.txt.swp", "4913", "download.crdownload", ".DS_Store"):
        (house.root / name).write_text("dropping")
    (house.root / "notes.txt").write_text("notes")

    eventually(lambda: cloud.objects().get("notes.txt") == b"notes")

    assert not {"notes.txt~", ".notes.txt.swp", "4913", ".DS_Store"} & set(cloud.objects())
    for name in ("notes.txt~", ".notes.txt.swp", "4913", "download.crdownload", ".DS_Store"):
        (house.root / name).unlink()


def test_in_the_end_everything_is_in_sync(living: tuple[House, Cloud]) -> None:
    """After all of it the status says so, nothing has failed, and no key was ever used twice at once."""
    house, cloud = living

    eventually(lambda: house.state() == "in_sync")

    (mirror,) = house.status()["mirrors"]
    assert mirror["failed"] == mirror["pending_uploads"] == mirror["pending_deletes"] == 0
    assert mirror["files"] == len(house.disk())
    assert mirror["drift"] == 0
    assert mirror["watch_mode"] == "inotify"
    assert cloud.ask("counters")["max_at_once_same_key"] == 1
