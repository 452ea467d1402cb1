"""`explain`: a plain sentence for every fate that a path can have, and the facts behind it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tests.cli.stage import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.stage import Result, Stage


def explain(stage: Stage, name: str | Path) -> tuple[int, str]:
    """Explain a path of the root. Gives the exit code and the sentence."""
    result: Result = stage.run("explain", stage.root / name)
    return result.code, result.lines[0] if result.lines else result.err


def test_a_mirrored_file(stage: Stage) -> None:
    """Exit 0: the cloud holds these bytes; key, file_id, digest and size are shown."""
    stage.write(a="a")
    stage.run("sync")

    code, sentence = explain(stage, "a.txt")
    facts = stage.run("explain", stage.root / "a.txt", "--json").json

    assert (code, sentence.partition(" proved ")[0]) == (
        exits.DONE,
        "site:a.txt: is mirrored: the cloud holds these bytes,",
    )
    assert (facts["key"], facts["row"]["state"], facts["agrees"]) == ("site/a.txt", "proved", True)
    assert facts["row"]["digest"] == "0cc175b9c0f1b6a831c399e269772661"
    assert facts["row"]["file_id"].endswith("/site/a.txt")
    assert facts["disk"]["fingerprint"]["inode"] == (stage.root / "a.txt").stat().st_ino
    assert facts["daemon"] is None


def test_what_a_change_makes_of_it(stage: Stage) -> None:
    """New, changed and gone: what the next sync does about it."""
    stage.write(a="a", b="b", c="c")
    stage.run("sync")
    stage.write(a="aa", new="new")
    (stage.root / "b.txt").unlink()

    told = [explain(stage, name) for name in ("a.txt", "b.txt", "new.txt", "never.txt")]

    assert [code for code, _ in told] == [exits.INCOMPLETE, exits.INCOMPLETE, exits.INCOMPLETE, exits.DONE]
    assert "has changed since the cloud proved it (" in told[0][1]
    assert told[0][1].endswith("); the next run or sync compares it")
    assert told[1][1].endswith(
        "is gone from the disk; its object in the cloud will be deleted: the next run or sync notes it"
    )
    assert told[2][1] == "site:new.txt: is new, or back; the next run or sync sees it, and it is uploaded"
    assert told[3][1] == "site:never.txt: is neither on the disk nor in the cloud, as far as is known"


def test_which_rule_ignores_it(stage: Stage) -> None:
    """The rule, its file and its line: of the configuration, of the root's own file, of the defaults."""
    stage.configure(ignore=["*.log", "drafts/", "!keep.log"])
    (stage.root / ".tcbignore").write_text("# mine\n\n*.psd\n!good.psd\n")
    for name in ("x.log", "keep.log", "a.psd", "good.psd", "x.tmp"):
        (stage.root / name).touch()
    stage.write(drafts__deep__a="a")

    told = {name: explain(stage, name)[1] for name in ("x.log", "a.psd", "x.tmp", "drafts/deep/a.txt", ".tcbignore")}
    brought_back = [explain(stage, name)[1] for name in ("keep.log", "good.psd")]

    lines = stage.config.read_text("utf-8").splitlines()
    where = {rule: 1 + next(n for n, line in enumerate(lines) if rule in line) for rule in ("*.log", "drafts/")}
    start = "is not mirrored: the rule"
    assert told["x.log"] == f"site:x.log: {start} *.log in line {where['*.log']} of {stage.config}"
    assert told["a.psd"] == f"site:a.psd: {start} *.psd in line 3 of {stage.root}/.tcbignore"
    assert told["x.tmp"] == f"site:x.tmp: {start} *.tmp in the defaults"
    assert told["drafts/deep/a.txt"] == (
        f"site:drafts/deep/a.txt: {start} drafts/ in line {where['drafts/']} of {stage.config},"
        " which ignores drafts/ with all beneath it"
    )
    assert told[".tcbignore"].endswith("/.tcbignore in built in")
    assert all("is new, or back" in each for each in brought_back)


def test_an_object_that_is_ignored_now(stage: Stage) -> None:
    """It was mirrored before the rule came: its object will go."""
    stage.write(a="a")
    stage.run("sync")
    stage.configure(ignore=["*.txt"])

    code, sentence = explain(stage, "a.txt")

    assert code == exits.INCOMPLETE
    assert sentence.endswith("; its object in the cloud will be deleted: the next run or sync notes it")


def test_what_is_no_file(stage: Stage) -> None:
    """Links and FIFOs, and what lies behind a link."""
    (stage.root / "link").symlink_to("nowhere")
    (stage.root / "elsewhere").symlink_to(stage.root.parent)
    os.mkfifo(stage.root / "fifo")

    told = [explain(stage, name) for name in ("link", "fifo")]

    assert told == [
        (exits.INCOMPLETE, "site:link: is not mirrored: a symbolic link; links are not followed"),
        (exits.INCOMPLETE, "site:fifo: is not mirrored: a FIFO, not a regular file"),
    ]


def test_a_name_that_the_cloud_refuses(stage: Stage) -> None:
    """Why, in the words of the naming rules."""
    (stage.root / "a\\b").touch()

    assert explain(stage, "a\\b") == (
        exits.INCOMPLETE,
        "site:a\\b: cannot be mirrored: the name holds a backslash",
    )


def test_what_failed_and_when_it_is_tried_again(stage: Stage) -> None:
    """Parked: what a person can do. For now: when the next try is."""
    stage.write(bad="bad", slow="slow")
    stage.refuse()
    stage.trouble()
    stage.run("sync")

    parked, later = explain(stage, "bad.txt"), explain(stage, "slow.txt")

    assert parked[0] == later[0] == exits.INCOMPLETE
    assert parked[1].startswith(
        "site:bad.txt: was refused and waits for `tcbsync retry`, or for a change of the file: 40097: "
    )
    assert "could not be uploaded yet (" in later[1]
    assert "; tried again 20" in later[1]


def test_a_held_delete(stage: Stage) -> None:
    """Why it is held, and how a person lets it go."""
    stage.write(a="a", b="b")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()
    stage.run("sync")

    code, sentence = explain(stage, "a.txt")

    assert code == exits.INCOMPLETE
    assert "waits for a person: the root holds no files any more; 2 objects would be deleted" in sentence
    assert sentence.endswith("see `tcbsync held`, then `tcbsync approve site`")


def test_a_mirror_that_never_deletes(stage: Stage) -> None:
    """Gone here, and kept there on purpose: that is as it should be."""
    stage.configure(delete="never")
    stage.write(a="a")
    stage.run("sync")
    (stage.root / "a.txt").unlink()
    stage.run("sync")

    assert explain(stage, "a.txt") == (
        exits.DONE,
        "site:a.txt: is gone from the disk; its object stays in the cloud, for this mirror never deletes",
    )


def test_directories_and_roots(stage: Stage) -> None:
    """Whether all beneath is in the cloud; and a root that is missing."""
    stage.write(sub__a="a")
    stage.run("sync")
    before = explain(stage, "sub")
    by_name = stage.run("explain", "site")
    stage.root.rename(stage.root.with_name("away"))

    missing = explain(stage, "sub/a.txt")

    assert before == (exits.DONE, "site:sub: is a directory in which all that was looked at is in the cloud")
    assert by_name.lines[0].startswith("site: is a directory in which all")
    assert missing[0] == exits.INCOMPLETE
    assert "No such file or directory; nothing is deleted, and all goes on by itself" in missing[1]


def test_a_path_of_no_mirror(stage: Stage) -> None:
    """Exit 1, with the roots that there are."""
    result = stage.run("explain", "/etc/passwd")

    assert result.code == exits.FAILED
    assert f"/etc/passwd is no mirror, and not below the root of one (there is site ({stage.root}))" in result.err


def test_a_name_with_an_escape_stays_on_its_line(stage: Stage) -> None:
    """Whatever a file is called, it neither breaks the line nor steers the terminal."""
    (stage.root / "a\n\x1b[2Jb").touch()

    result = stage.run("explain", stage.root / "a\n\x1b[2Jb")

    assert "\x1b" not in result.out
    assert result.lines[0].startswith("site:a\\n\\x1b[2Jb: ")


@pytest.mark.slow
def test_what_the_daemon_does_with_it(stage: Stage) -> None:
    """In flight, settling, waiting for the service: each in the daemon's words."""
    stage.cloud.install(Fault(call="cos", kind="stall", seconds=20.0, key="*slow*"))
    stage.configure(quiet_seconds=30)
    with stage.daemon():
        stage.write(slow="slow")
        eventually(lambda: stage.cloud.counters.at_once["cos"])
        with (stage.root / "open.txt").open("w") as file:
            file.write("x")
            file.flush()
            eventually(lambda: "the daemon's look in" in explain(stage, "open.txt")[1])

            flying = stage.run("explain", stage.root / "slow.txt")

    assert flying.lines[0] == "site:slow.txt: is being uploaded now"
    assert flying.lines[-1].split() == ["daemon", "is", "working", "on", "it", "now"]
