"""`check` of the folders: roots that are missing or empty, and what below them cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tests.cli.checking import wrong
from tests.cli.stage import POWERLESS

if TYPE_CHECKING:
    from tests.cli.stage import Stage


def test_a_missing_root(stage: Stage) -> None:
    """A root that is not there would hold deletes: code 4, and the volume is asked about."""
    stage.root.rmdir()

    code, found, advice = wrong(stage, "mirror site")

    assert (code, found) == (exits.HELD, f"root {stage.root}: No such file or directory")
    assert "is the volume mounted" in advice


def test_a_root_that_is_a_file(stage: Stage) -> None:
    """A root must be a directory."""
    stage.root.rmdir()
    stage.root.write_text("a file")

    code, found, _ = wrong(stage, "mirror site")

    assert (code, found) == (exits.HELD, f"root {stage.root}: not a directory")


@pytest.mark.parametrize("is_held", [False, True], ids=["before sync", "after sync"])
def test_a_root_that_was_emptied(stage: Stage, is_held: bool) -> None:
    """A root without files, of which the cloud has some, is what an unmounted volume looks like: code 4."""
    stage.write(a="a", b="b")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()
    if is_held:
        stage.run("sync")

    code, found, advice = wrong(stage, "mirror site")

    assert (code, found) == (exits.HELD, f"root {stage.root} is empty; the cloud has 2 files of it")
    assert advice.endswith("`tcbsync approve site`")


def test_names_that_meet_in_one_key(stage: Stage) -> None:
    """What cannot be judged is counted and named: code 3."""
    for name in ("caf\u00e9", "cafe\u0301"):
        (stage.root / name).write_text(name, "utf-8")

    code, found, _ = wrong(stage, "mirror site")

    assert code == exits.INCOMPLETE
    assert "; 1 path cannot be looked at, such as caf\u00e9 (two names on disk differ only in" in found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("a.txt", "cannot be read, such as a.txt"),
        ("sub", "cannot be looked at, such as sub (cannot be listed: Permission denied)"),
    ],
    ids=["a file", "a folder"],
)
def test_what_this_user_may_not_read(stage: Stage, path: str, trouble: str) -> None:
    """Files and folders that this user may not read are named, with whom to give which right: code 3."""
    stage.write(a="a", sub__b="b", c="c")
    (stage.root / path).chmod(0)

    result = stage.spawn("check", before=POWERLESS)

    (stage.root / path).chmod(0o700)
    (number,) = [number for number, line in enumerate(result.lines) if line.startswith("WRONG")]
    assert result.code == exits.INCOMPLETE
    assert result.lines[number].endswith(f"; 1 path {trouble}")
    assert "give the user that tcbsync runs as the right to it" in result.lines[number + 1]


def test_an_ignore_file_that_cannot_be_read(stage: Stage) -> None:
    """Without the root's own rules nothing is mirrored, and the file that stands in the way is named."""
    (stage.root / ".tcbignore").mkdir()

    code, found, advice = wrong(stage, "mirror site")

    assert (code, found) == (exits.FAILED, f"{stage.root}/.tcbignore: Is a directory")
    assert advice == "nothing is mirrored until it can be read"


def test_a_line_of_the_ignore_file_that_is_no_rule(stage: Stage) -> None:
    """The line is quoted with what is wrong about it."""
    (stage.root / ".tcbignore").write_text("*.log\n[[:digit:]]*\n")

    code, found, advice = wrong(stage, "mirror site")

    assert code == exits.FAILED
    assert "in .tcbignore, [[:digit:]]*: " in found
    assert "correct it" in advice
