"""`status`, `failed`, `held` without a daemon: what the manifest knows, in words, as JSON, and as an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.core.safety import listing_of
from tcbsync.emulator.server import Fault
from tcbsync.engine import mirror
from tcbsync.store.lock import StateLock
from tests.cli.stage import POWERLESS, REFUSED

if TYPE_CHECKING:
    from tests.cli.stage import Stage

STATUS_FIELDS = {
    "name",
    "state",
    "files",
    "pending_uploads",
    "pending_deletes",
    "failed",
    "held_deletes",
    "watch_mode",
    "last_scan_at",
    "last_proved_at",
}
"""What the contract names; there may be more."""


def empty(stage: Stage) -> None:
    """Delete every file of the root."""
    for path in stage.root.iterdir():
        path.unlink()


def test_a_mirror_that_never_ran(stage: Stage) -> None:
    """Status says so, without making a state directory; nothing failed and nothing is held."""
    results = [stage.run(verb) for verb in ("status", "failed", "held")]

    assert [result.code for result in results] == [exits.DONE] * 3
    assert results[0].lines == [
        "Nothing was mirrored yet.",
        "  No daemon runs. To see what would be:",
        "  \u2192 tcbsync plan",
        "",
        "site: stopped, 0 files in the cloud",
        "  last scan   never",
    ]
    assert [result.out for result in results[1:]] == ["nothing failed\n", "nothing is held\n"]
    assert not stage.state_dir.exists()


def test_status_after_a_sync(stage: Stage) -> None:
    """Exit 0 with the number of files, and when cloud and disk were last looked at and equal."""
    stage.write(a="a")
    stage.run("sync")

    result = stage.run("status")

    assert result.code == exits.DONE
    assert result.lines == [
        "No daemon runs.",
        "  This is as of the last run, whose last look at the whole folder was just now: all was equal then.",
        "",
        "site: stopped, 1 file in the cloud (1 byte)",
        "  last scan   just now",
        "  last proof  just now",
    ]


def test_status_as_json_keeps_its_contract(stage: Stage) -> None:
    """Every field of the contract is there, of its type, in the contract's shape."""
    stage.write(a="a")
    stage.run("sync")

    answer = stage.run("status", "--json").json

    (described,) = answer["mirrors"]
    assert set(answer) == {"mirrors", "service"}
    assert described.keys() >= STATUS_FIELDS
    assert (described["name"], described["state"], described["files"]) == ("site", "stopped", 1)
    assert described["watch_mode"] == "none"
    assert described["last_scan_at"].endswith("+00:00")
    assert answer["service"] == {"state": "stopped", "paused_until": None, "last_error": None}


def test_status_tells_what_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a sync that could not reach the service, status counts what is left to upload and to delete."""
    monkeypatch.setattr(mirror, "OUTAGE_SECONDS", 0.0)
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.write(a="other")
    (stage.root / "b.txt").unlink()
    stage.close_cloud()
    stage.run("sync")

    result = stage.run("status")

    assert result.code == exits.DONE
    assert result.lines[1].endswith(": 2 files waited then.")
    assert "  waiting     1 upload (5 bytes), 1 delete" in result.lines


def test_status_while_sync_is_at_work(stage: Stage) -> None:
    """Where another verb than `run` holds the state directory, status is syncing, names it, and asks nobody."""
    stage.write(a="a")
    stage.run("sync")
    lock = StateLock(stage.state_dir, "sync")

    result = stage.run("status")
    answer = stage.run("status", "--json").json

    lock.close()
    assert result.code == exits.DONE
    assert result.lines[0] == "Working."
    assert result.lines[1].startswith("  tcbsync sync (process ")
    assert result.lines[1].endswith(" is at work")
    assert "site: syncing, 1 file in the cloud (1 byte)" in result.lines
    assert answer["service"]["state"] == "unknown"


def test_status_of_a_daemon_that_does_not_answer(stage: Stage) -> None:
    """Exit 1 where a daemon holds the state directory and its socket is silent: no old state is given for a new one."""
    lock = StateLock(stage.state_dir, "run")

    result = stage.run("status")

    lock.close()
    assert result.code == exits.FAILED
    assert "cannot be asked: nobody listens at its socket (is it starting or stopping just now?)" in result.err


def test_a_refused_file_is_parked(stage: Stage) -> None:
    """Exit 3 with code, reason and attempts of the file, which waits for a person."""
    stage.write(bad="bad", good="good")
    stage.refuse()
    stage.run("sync")

    result = stage.run("failed")
    status = stage.run("status")

    line, advice = result.lines
    assert result.code == status.code == exits.INCOMPLETE
    assert line.split()[:6] == ["site", "bad.txt", "40097", "1", "try,", "parked"]
    assert line.endswith("parked  invalid arguments [40097]: not this one")
    assert advice == "1 file waits for `tcbsync retry`, or for a change of the file."
    assert (status.lines[0], status.lines[2]) == ("No daemon runs.", "1 file was refused for good.")
    assert status.lines[1].endswith(": not all was equal then.")
    assert "  failed      1 file: `tcbsync failed` says why" in status.lines


def test_a_file_that_failed_for_now_shows_its_next_try(stage: Stage) -> None:
    """Exit 3 with the time of the next try where the trouble may pass, and no talk of parked files."""
    stage.write(slow="slow")
    stage.trouble()
    stage.run("sync")

    result = stage.run("failed")

    line, advice = result.lines
    assert result.code == exits.INCOMPLETE
    assert "1 try, next in " in line
    assert "object storage is in trouble" in line
    assert advice == "1 file is tried again; `tcbsync retry` does so now."


def test_failed_as_json(stage: Stage) -> None:
    """Each row has the file, the code, the reason, the attempts, and whether and when it is tried again."""
    stage.write(bad="bad", slow="slow")
    stage.refuse()
    stage.trouble()
    (stage.root / "link").symlink_to("bad.txt")
    stage.run("sync")

    rows = {row["path"]: row for row in stage.run("failed", "--json").json}

    assert set(rows) == {"bad.txt", "slow.txt", "link"}
    assert rows["bad.txt"] == {
        "mirror": "site",
        "path": "bad.txt",
        "code": "40097",
        "reason": "invalid arguments [40097]: not this one",
        "attempts": 1,
        "parked": True,
        "next_try_at": None,
        "blocks": True,
    }
    assert not rows["slow.txt"]["parked"]
    assert rows["slow.txt"]["next_try_at"].endswith("+00:00")
    assert (rows["link"]["code"], rows["link"]["blocks"]) == ("skipped", False)


def test_what_is_skipped_is_listed_and_is_no_failure(stage: Stage) -> None:
    """Links and names that the cloud does not take are listed with the reason, behind what failed, with exit 0."""
    (stage.root / "link").symlink_to("nowhere")
    stage.run("sync")
    alone = stage.run("failed")
    stage.write(zz_bad="bad")
    stage.refuse()
    stage.run("sync")

    beside = stage.run("failed")

    assert alone.code == exits.DONE
    assert alone.lines == [
        "site  link  skipped    a symbolic link; links are not followed",
        "  1 name is skipped, and can never be mirrored.",
    ]
    assert beside.code == exits.INCOMPLETE
    assert [line.split()[1] for line in beside.lines[:2]] == ["zz_bad.txt", "link"]


def test_a_missing_root_is_the_reason_everywhere(stage: Stage) -> None:
    """After a sync without a root, status and held say so with exit 4, failed with 3, and nothing is to be approved."""
    stage.write(a="a")
    stage.run("sync")
    stage.root.rename(stage.root.with_name("elsewhere"))
    stage.run("sync")

    status, held, failed = (stage.run(verb) for verb in ("status", "held", "failed"))

    reason = f"root {stage.root} is missing; is the volume mounted? Nothing is deleted"
    assert (status.code, held.code, failed.code) == (exits.HELD, exits.HELD, exits.INCOMPLETE)
    assert status.lines[2:4] == ["The folder of site cannot be seen.", f"  R{reason[1:]}."]
    (line,) = held.lines
    assert line.startswith(f"site: {reason} (held for ")
    assert failed.lines[0].split()[:3] == ["site", "(root)", "problem"]


def test_held_deletes_are_listed(stage: Stage) -> None:
    """Exit 4 with the reason, every path, since when, and the two ways out; status says the same in short."""
    stage.write(a="a", b="b")
    stage.run("sync")
    empty(stage)
    stage.run("sync")

    held, status = stage.run("held"), stage.run("status")

    first, *paths, _, last = held.lines
    assert (held.code, status.code) == (exits.HELD, exits.HELD)
    assert first.startswith("site: the root holds no files any more; 2 objects would be deleted (held for ")
    assert [line.split(maxsplit=1) for line in paths] == [["a.txt", "just now"], ["b.txt", "just now"]]
    assert last == f"  \u2192 tcbsync approve site --list {listing_of(['a.txt', 'b.txt'])}"
    assert (status.lines[0], status.lines[2]) == ("No daemon runs.", "2 deletes of site wait for you.")
    assert "  The root holds no files any more; 2 objects would be deleted. Put the files" in status.out
    assert "site: stopped, 2 files in the cloud, all of them held" in status.lines


def test_held_as_json(stage: Stage) -> None:
    """Each mirror with its reason, and each delete with the object that would go."""
    stage.write(a="a")
    stage.run("sync")
    empty(stage)
    stage.run("sync")

    (described,) = stage.run("held", "--json").json

    (delete,) = described["deletes"]
    assert (described["mirror"], delete["path"]) == ("site", "a.txt")
    assert described["reason"].startswith("the root holds no files")
    assert delete["file_id"].startswith("cloud://test-env.")
    assert delete["file_id"].endswith("/site/a.txt")
    assert delete["since"].endswith("+00:00")
    assert described["since"].endswith("+00:00")
    assert described["list"] == listing_of(["a.txt"])


@pytest.mark.parametrize("verb", ["failed", "held"])
def test_with_nothing_to_tell_json_is_an_empty_list(stage: Stage, verb: str) -> None:
    """No news is `[]`, never an empty output."""
    result = stage.run(verb, "--json")

    assert (result.code, result.json) == (exits.DONE, [])


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["status", "failed", "held", "plan", "url"])
def test_who_may_not_look_is_told_so(stage: Stage, verb: str) -> None:
    """A user who may not look into the state directory gets a sentence and exit 1, never "never ran"."""
    stage.write(a="a")
    stage.run("sync")
    stage.state_dir.chmod(0)

    result = stage.spawn(verb, *(["a.txt"] if verb == "url" else []), before=POWERLESS)

    stage.state_dir.chmod(0o700)
    assert result.code == exits.FAILED
    assert result.err == (
        f"tcbsync: the state directory {stage.state_dir} cannot be looked into: Permission denied"
        " (do this as the user that tcbsync runs as)\n"
    )


ODD_NAMES = {
    "a newline": "a\nsite: in_sync",
    "an escape sequence": "a\x1b[2Jbad",
    "a carriage return": "a\rbad",
    "text that runs backwards": "a\u202ebad",
    "no UTF-8": b"a\xff".decode("utf-8", "surrogateescape"),
}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_neither_break_lines_nor_steer_the_terminal(stage: Stage, name: str) -> None:
    """Whatever a file is called, plan, failed, held and sync print it escaped on one line, and as true JSON."""
    odd = ODD_NAMES[name]
    (stage.root / odd).write_bytes(b"odd")
    stage.cloud.install(Fault(call="uploadfile", kind="errcode", errcode=REFUSED.errcode, errmsg="no", key="*"))

    plan, sync, failed = stage.run("plan"), stage.run("sync"), stage.run("failed")
    rows = stage.run("failed", "--json").json

    shown = [plan.out, plan.err, sync.out, sync.err, failed.out]
    assert all(line.isprintable() for text in shown for line in text.split("\n"))
    assert len(plan.lines) == 2
    assert len(failed.lines) in (2, 3)
    assert [row["path"] for row in rows] == [odd]
