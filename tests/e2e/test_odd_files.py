"""Files that cannot go: each is told of with its reason and stops nothing else, by the real commands and the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import exits
from tests.cli.stage import POWERLESS
from tests.e2e.house import COMMAND, ENVIRONMENT, House, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.house import Cloud

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


def tells(rows: list[dict[str, Any]], expected: dict[str, tuple[str, str]]) -> bool:
    """Whether exactly these paths are told of, each with its code and reason."""
    told = {row["path"]: (row["code"], row["reason"]) for row in rows}
    return told.keys() == expected.keys() and all(
        told[path][0] == code and words in told[path][1] for path, (code, words) in expected.items()
    )


class Bound(House):
    """A house whose commands run as somebody whom file modes bind."""

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end. What is no text in its output stays what it is."""
        verb, *rest = words
        return subprocess.run(
            [*POWERLESS, *COMMAND, verb, "-c", str(self.config), *rest],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=ENVIRONMENT,
            timeout=100,
            check=False,
        )

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start the daemon; however the block ends, it is gone afterwards."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*POWERLESS, *COMMAND, "run", "-c", str(self.config)], stderr=log, env=ENVIRONMENT
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait(30)

    def failed(self) -> list[dict[str, Any]]:
        """Ask for what failed, as a script does."""
        rows: list[dict[str, Any]] = json.loads(self.command("failed", "--json").stdout)
        return rows


@pytest.fixture
def bound(tmp_path: Path, emulator: Cloud) -> Bound:
    """Write a configuration, and three files that are like any other."""
    house = Bound(tmp_path, emulator.url, {})
    for name in ("a", "twins/b", "z"):
        file(house.root, name)
    return house


GOOD = {"a", "twins/b", "z"}


@pytest.mark.slow
def test_a_pass_over_a_tree_of_odd_files(bound: Bound, emulator: Cloud) -> None:
    """The plan lists each with its reason, sync sends all others, and `failed` lists each afterwards."""
    for odd in ODD:
        odd.make(bound.root)

    planned = json.loads(bound.command("plan", "--json").stdout)["mirrors"][0]
    synced = bound.command("sync")

    assert synced.returncode == exits.INCOMPLETE, synced.stderr
    assert set(emulator.objects()) == GOOD
    assert tells(bound.failed(), EXPECTED), bound.failed()
    in_plan = [
        {**row, "code": code[:-1] if code == "problems" else code}
        for code in ("skipped", "problems")
        for row in planned[code]
    ]
    assert tells(in_plan, {path: told for path, told in EXPECTED.items() if told[0] != "unreadable"}), in_plan
    assert bound.command("failed").returncode == exits.INCOMPLETE


@pytest.mark.slow
def test_odd_files_that_come_and_go_while_the_daemon_runs(bound: Bound, emulator: Cloud) -> None:
    """Each is told of while it is there, what is beside them goes up, and afterwards nothing is left of them."""
    with bound.running():
        eventually(lambda: bound.is_equal(emulator))
        for odd in ODD:
            odd.make(bound.root)
        file(bound.root, "beside")
        eventually(lambda: "beside" in emulator.objects())
        eventually(lambda: tells(bound.failed(), EXPECTED))
        assert set(emulator.objects()) == GOOD | {"beside"}
        assert bound.state() == "syncing"

        for path in list(bound.root.iterdir()):
            if path.name not in GOOD | {"beside", "twins"}:
                subprocess.run(["rm", "-rf", path], check=True)
        (bound.root / "twins" / DECOMPOSED).unlink()
        eventually(lambda: bound.state() == "in_sync")

        assert set(emulator.objects()) == GOOD | {"beside", f"twins/{COMPOSED}"}
        assert bound.failed() == []


@pytest.mark.slow
@pytest.mark.parametrize("first", [COMPOSED, DECOMPOSED], ids=["composed first", "decomposed first"])
@pytest.mark.parametrize("inside", ["", "/a"], ids=["files", "directories"])
def test_a_twin_that_comes_and_goes(bound: Bound, emulator: Cloud, first: str, inside: str) -> None:
    """While there are two, the object of the first stays as it was; whichever goes, the other one is mirrored."""
    second = DECOMPOSED if first == COMPOSED else COMPOSED
    key = f"pair/{COMPOSED}{inside}"
    file(bound.root, f"pair/{first}{inside}")
    with bound.running():
        eventually(lambda: key in emulator.objects())
        before = emulator.objects()[key]

        file(bound.root, f"pair/{second}{inside}")
        eventually(lambda: tells(bound.failed(), {f"pair/{COMPOSED}": ("problem", "meet in one key")}))
        file(bound.root, "beside")
        eventually(lambda: "beside" in emulator.objects())
        assert emulator.objects()[key] == before

        subprocess.run(["rm", "-rf", bound.root / "pair" / first], check=True)
        eventually(lambda: bound.state() == "in_sync")
        assert emulator.objects()[key] == (bound.root / f"pair/{second}{inside}").read_bytes()
        assert bound.failed() == []


@contextlib.contextmanager
def growing(path: Path) -> Iterator[None]:
    """Let a file grow line by line, opened anew for each, until the end of the block."""
    ended = threading.Event()

    def grow() -> None:
        while not ended.wait(0.003):
            with path.open("ab") as opened:
                opened.write(b"line\n")

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.slow
def test_a_file_that_grows_all_the_time(bound: Bound, emulator: Cloud) -> None:
    """A pass leaves it for later and says why, so does the daemon, and it goes up when it is quiet."""
    expected = {"log.txt": ("changing", "while it was read")}
    with growing(bound.root / "log.txt"):
        eventually((bound.root / "log.txt").exists)
        synced = bound.command("sync")

        assert synced.returncode == exits.INCOMPLETE, synced.stderr
        assert set(emulator.objects()) == GOOD
        assert tells(bound.failed(), expected), bound.failed()

    with bound.running():
        with growing(bound.root / "log.txt"):
            eventually(lambda: bound.state() == "syncing")
            file(bound.root, "beside")
            eventually(lambda: "beside" in emulator.objects())
            eventually(lambda: tells(bound.failed(), expected))
        eventually(lambda: bound.state() == "in_sync")
        assert bound.is_equal(emulator)
