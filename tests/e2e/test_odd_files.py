"""Files that cannot go: each is told of with its reason and stops nothing else, by the real commands and the daemon."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import exits
from tests.cli.stage import POWERLESS
from tests.e2e.house import COMMAND, ENVIRONMENT, House, eventually
from tests.e2e.odd import COMPOSED, DECOMPOSED, EXPECTED, ODD, file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.house import Cloud


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
    expected = {"log.txt": ("changing", "changed")}
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
