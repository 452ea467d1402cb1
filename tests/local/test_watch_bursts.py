"""What people and their tools do to a folder: all of it is hinted, in few words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.watch_emitter import BATCH_SECONDS
from tests.local.watching import armed, barrier, eventually, watching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


def save_like_vim(file: Path) -> None:
    """Try whether the directory takes a file, keep the old one as a backup, write the new one, drop the backup."""
    trial, backup = file.with_name("4913"), file.with_name(f"{file.name}~")
    trial.touch()
    trial.unlink()
    file.rename(backup)
    file.write_text("new", encoding="utf-8")
    file.chmod(0o644)
    backup.unlink()


def save_by_rename(file: Path) -> None:
    """Write aside, flush and rename: the file is never seen half."""
    aside = file.with_name(f".{file.name}.tmp")
    with aside.open("w", encoding="utf-8") as writer:
        writer.write("new")
        writer.flush()
        os.fsync(writer.fileno())
    aside.rename(file)


@pytest.mark.parametrize(
    ("save", "droppings"), [(save_like_vim, {"4913", "page.html~"}), (save_by_rename, {".page.html.tmp"})]
)
def test_an_editors_atomic_save_is_few_scopes(
    tmp_path: Path, save: Callable[[Path], None], droppings: set[str]
) -> None:
    """The file's own name is hinted, quiet in the end, and beside it only the names that the editor has used."""
    (tmp_path / "page.html").write_text("old", encoding="utf-8")

    with watching(tmp_path) as (_, recorder):
        save(tmp_path / "page.html")
        barrier(tmp_path, recorder)

        assert recorder.paths() == {"page.html", *droppings, "barrier"}
        assert recorder.quiet("page.html")[-1] is True


def save_many_times(file: Path) -> None:
    """Write aside and rename, without waiting for the disk."""
    aside = file.with_name("aside")
    for _ in range(500):
        aside.touch()
        aside.rename(file)


def test_a_read_names_each_path_once(tmp_path: Path) -> None:
    """However many events the kernel has kept for it."""
    with armed(tmp_path) as watches:
        save_many_times(tmp_path / "page.html")

        assert watches.read() == {"aside": True, "page.html": True}


def test_reads_of_a_burst_wait_for_more(tmp_path: Path) -> None:
    """The first event is told at once; those of the next few milliseconds come together."""
    began = time.monotonic()
    with watching(tmp_path) as (_, recorder):
        save_many_times(tmp_path / "page.html")
        barrier(tmp_path, recorder)

        assert recorder.batches <= (time.monotonic() - began) / BATCH_SECONDS + 2


def test_checking_out_another_branch_is_one_scope_a_file(tmp_path: Path) -> None:
    """Changed, new and removed files are hinted and no other; the repository itself is skipped."""
    if shutil.which("git") is None:
        pytest.skip("needs git")

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    def commit(names: list[str], text: str) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        git("add", "--all")
        git("commit", "--message", text)

    changed = [f"d{number % 10}/changed{number}" for number in range(200)]
    removed = [f"d{number % 10}/removed{number}" for number in range(50)]
    git("init")
    commit([*changed, *removed, "same"], "one")
    git("checkout", "-b", "other")
    git("rm", "-r", *removed)
    commit([*changed, "fresh/a", "fresh/b"], "two")
    git("checkout", "main")

    with watching(tmp_path, skips=lambda path: path == ".git") as (_, recorder):
        git("checkout", "other")
        barrier(tmp_path, recorder)

        assert recorder.lacks([*changed, *removed, "fresh/a", "fresh/b"]) == []
        surplus = recorder.paths() - {*changed, *removed, "fresh", "fresh/a", "fresh/b", "barrier"}
        assert surplus <= {".git"}


@pytest.mark.slow
def test_a_burst_of_a_hundred_thousand_files_loses_none(tmp_path: Path) -> None:
    """Each file is hinted, or something above it is; no path is wrong."""
    script = "import os, sys\nfor n in range(100_000):\n    os.mknod(f'{sys.argv[1]}/{n % 100}/{n}')\n"
    for number in range(100):
        (tmp_path / str(number)).mkdir()
    files = {f"{number % 100}/{number}" for number in range(100_000)}

    with watching(tmp_path) as (_, recorder):
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
        eventually(lambda: "" in recorder.paths() or len(recorder.paths()) == len(files), 60)

        assert recorder.lacks(files) == []
        assert recorder.paths() <= files | {""}
