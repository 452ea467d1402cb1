"""The demonstration as people start it: a process that starts processes, and leaves none behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.demo.conftest import Start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEP = re.compile(r"^ ?\d+  ", re.MULTILINE)
EQUAL = re.compile(r"^    equal after +([0-9.]+) s +([0-9,]+) files +([0-9,]+) bytes +([0-9,]+) sent +([0-9,]+) gone$")

State = dict[str, tuple[int, int, int, str | bytes]]


def state(folder: Path) -> State:
    """Give every name below a folder: type and mode, inode, mtime, and the bytes or where a link leads."""
    found: State = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content: str | bytes = b""
        if path.is_symlink():
            content = os.readlink(path)  # noqa: PTH115 - the bytes that it was given
        elif path.is_file():
            content = path.read_bytes()
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return found


def steps(output: str) -> list[list[str]]:
    """Cut what was printed into steps, each a list of lines."""
    return [step.splitlines() for step in STEP.split(output)[1:]]


def test_whole_story(start: Start) -> None:
    """It ends by itself with 0 within a minute; after every step cloud and disk are equal, and nothing is left.

    The daemon is killed when some files of the storm have arrived and others have not; the root is lost twice.
    """
    demo = start()

    code, output = demo.end()

    told = steps(output)
    held = [step for step in told if any("held: nothing was deleted" in line for line in step)]
    assert (code, demo.leftovers()) == (0, []), output
    assert len(told) == 11
    assert len(held) == 2
    assert [step[0] for step in told if step not in held and not any(map(EQUAL.match, step))] == []
    took = re.search(r"^All equal, in ([0-9.]+) s\.$", output, re.MULTILINE)
    assert took is not None
    assert float(took[1]) < 60
    arrived = re.search(r"killed when (\d+) of (\d+) had arrived", output)
    assert arrived is not None
    assert 0 < int(arrived[1]) < int(arrived[2])
    assert "\x1b" not in output


def furnish(root: Path) -> None:
    """Fill a folder with what the cloud takes, what it does not, and what is ignored."""
    for path in ("a.txt", "空 dir/é #1?%20.md", "deep/er/b.bin", ".DS_Store", "new\nline", "\udcff", "back\\slash"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(os.urandom(3000))
    (root / "empty").touch()
    (root / "link").symlink_to("a.txt")
    (root / "deep/loop").symlink_to("..")
    os.mkfifo(root / "fifo")
    (root / "e\u0301.txt").write_bytes(b"two code points")
    (root / "sealed").write_bytes(b"read-only")
    (root / "sealed").chmod(0o400)


def test_own_folder_is_only_read(start: Start, tmp_path: Path) -> None:
    """With --root nothing in that folder changes, odd names are taken or listed, and a restart sends nothing."""
    root = tmp_path / 'my "own" 文件夹'
    root.mkdir()
    furnish(root)
    before = state(root)

    demo = start("--root", str(root))
    code, output = demo.end()

    told = [EQUAL.match(line) for step in steps(output) for line in step]
    assert (code, demo.leftovers()) == (0, []), output
    assert state(root) == before
    assert [(match[2], match[4], match[5]) for match in told if match] == [("7", "7", "0"), ("7", "0", "0")]
    assert "nothing was sent again" in output
    assert [name for name in ("link", "fifo", "back\\slash", "\\udcff") if f"      {name} " not in output] == []


def test_relative_and_empty_folder(start: Start, tmp_path: Path) -> None:
    """A folder may be named relative to where one is, and may be empty."""
    root = tmp_path / "nothing here"
    root.mkdir()

    demo = start("--root", os.path.relpath(root))
    code, output = demo.end()

    assert (code, demo.leftovers()) == (0, []), output
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("missing", "is not a directory", id="missing"),
        pytest.param("output", "is not a directory", id="a file"),
        pytest.param(".", "TMPDIR names another place", id="around the temporary folder"),
        pytest.param("\udcff", "the path is not UTF-8", id="no text"),
    ],
)
def test_wrong_folder(start: Start, tmp_path: Path, name: str, sentence: str) -> None:
    """A folder that cannot be mirrored is a mistake in usage: a sentence, exit code 2, nothing started."""
    demo = start("--root", str(tmp_path / name))

    code, output = demo.end()

    assert code == 2
    assert sentence in output
    assert demo.leftovers() == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(signal.SIGINT, "tcbsync demo:", id="SIGINT, no daemon yet"),
        pytest.param(signal.SIGINT, " 1  start", id="SIGINT, first upload"),
        pytest.param(signal.SIGTERM, " 2  edit", id="SIGTERM"),
        pytest.param(signal.SIGHUP, " 3  save", id="SIGHUP"),
        pytest.param(signal.SIGINT, "of 160 had arrived", id="SIGINT, daemon just killed"),
        pytest.param(signal.SIGINT, " 8  move", id="SIGINT, root away"),
    ],
)
def test_interrupted(start: Start, number: signal.Signals, moment: str) -> None:
    """A signal to the whole process group, at any moment, ends it all: no process and no file is left."""
    demo = start()
    demo.until_says(moment)

    demo.interrupt(number)
    code, output = demo.end()

    assert code == 128 + number, output
    assert demo.leftovers() == []
    assert "Traceback" not in output


def test_it_stays(start: Start, root: Path) -> None:
    """With --stay it says what to try, that works, changes are told as they are mirrored, and SIGTERM is its end."""
    (root / "a.txt").write_bytes(b"one")
    demo = start("--root", str(root), "--stay")
    invitation = demo.until_says("tcbsync verify")
    config = re.search(r"^  config +(.+)$", invitation, re.MULTILINE)
    assert config is not None
    page = re.search(r"^  page +(http://127.0.0.1:\d+/)$", invitation, re.MULTILINE)
    assert page is not None

    with urllib.request.urlopen(page[1], timeout=30) as answer:
        shown = answer.read().decode()
    status = subprocess.run(
        [sys.executable, "-m", "tcbsync", "status", "-c", config[1]], capture_output=True, check=False
    )
    (root / "b.txt").write_bytes(b"twelve bytes")
    demo.until_says("sent     b.txt  12 bytes")
    demo.until_says("equal    2 files, 15 bytes")
    (root / "a.txt").unlink()
    demo.until_says("deleted  a.txt")
    demo.until_says("equal    1 file, 12 bytes")
    demo.interrupt(signal.SIGTERM)
    code, output = demo.end()

    assert status.returncode == 0, status.stderr
    assert "<h1>In sync.</h1>" in shown
    assert code == 0, output
    assert demo.leftovers() == []
    assert list(root.iterdir()) == [root / "b.txt"]


def test_it_does_not_stay_without_the_daemon(start: Start, root: Path) -> None:
    """A daemon that somebody kills is missed: that is said, and the emulator ends too."""
    demo = start("--root", str(root), "--stay")
    demo.until_says("tcbsync verify")
    (daemon,) = (number for number, line in demo.processes().items() if " run -c " in line)

    os.kill(daemon, signal.SIGKILL)
    code, output = demo.end()

    assert code == 1
    assert "the daemon ended by itself, with exit code -9" in output
    assert demo.leftovers() == []


def test_names_that_are_not_utf_8(start: Start) -> None:
    """In a locale that cannot name the files it says so, in a sentence, before anything is made."""
    demo = start(PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", LC_ALL="C")

    code, output = demo.end()

    assert code == 2
    assert output.startswith("tcbsync: file names are ")
    assert output.count("\n") == 1
    assert demo.leftovers() == []


def test_nobody_listens(start: Start) -> None:
    """Where its reader has had enough (`tcbsync demo | head -1`) it ends, and leaves nothing."""
    reader, writer = os.pipe()
    os.close(reader)

    demo = start(output=writer)
    os.close(writer)
    code, _ = demo.end()

    assert code == 1
    assert demo.leftovers() == []
