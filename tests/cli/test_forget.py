"""`forget`, as a person says it: it tells what it would do, asks, and never touches a mirror that lives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import main
from tcbsync.emulator.server import Fault
from tests.cli.stage import eventually
from tests.cli.test_daemon import in_sync

if TYPE_CHECKING:
    from tests.cli.stage import Stage


def move(stage: Stage, prefix: str = "elsewhere/") -> None:
    """Mirror two files, and then give the mirror another prefix."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.configure(prefix=prefix)


def keys(stage: Stage) -> set[str]:
    """Give every key that the cloud holds."""
    return {key for _, key in stage.cloud.objects()}


def test_it_tells_and_does_nothing_by_itself(stage: Stage) -> None:
    """Where nobody can be asked, exit 2, and what it would have done; `check` names the verb."""
    move(stage)

    plain, deleting = stage.run("forget", "site"), stage.run("forget", "site", "--delete-remote")
    check = stage.run("check", "--offline")

    assert (plain.code, deleting.code) == (exits.USAGE, exits.USAGE)
    assert "site: 2 objects in the cloud (env test-env, prefix 'site/') will be forgotten" in plain.lines[0]
    assert plain.lines[1] == "keep a list first: tcbsync manifest export --mirror site > site.jsonl"
    assert deleting.lines[0].endswith("will be deleted, and forgotten. Files on disk stay")
    assert "nothing was done; --yes does it without asking" in plain.err
    assert keys(stage) == {"site/a.txt", "site/b.txt"}
    assert "tcbsync forget site --delete-remote" in check.out


def test_with_the_objects(stage: Stage) -> None:
    """They are gone from the cloud, and nothing is left that `check` would name; the living mirror goes on."""
    move(stage)
    stage.run("sync")

    result = stage.run("forget", "site", "--delete-remote", "--yes")

    assert (result.code, result.lines[-1]) == (exits.DONE, "site: 2 rows forgotten, 2 objects deleted")
    assert keys(stage) == {"elsewhere/a.txt", "elsewhere/b.txt"}
    assert stage.run("check", "--offline").code == exits.DONE
    assert stage.run("sync").out.startswith("site: nothing to do, 2 files in the cloud")


def test_without_them(stage: Stage) -> None:
    """The rows go; the objects stay; no call is made."""
    move(stage)
    before = stage.calls

    result = stage.run("forget", "site", "--yes")

    assert (result.code, result.lines[-1]) == (exits.DONE, "site: 2 rows forgotten")
    assert keys(stage) == {"site/a.txt", "site/b.txt"}
    assert stage.calls == before


def test_a_former_mirror_is_exported(stage: Stage) -> None:
    """`manifest export` knows a mirror that the configuration does not name any more."""
    stage.write(a="a")
    stage.run("sync")
    stage.configure(name="other", prefix="other/")

    code = main(["manifest", "export", "-c", str(stage.config), "--mirror", "site"])
    rows = [json.loads(line) for line in stage._capsys.readouterr().out.splitlines()]

    assert code == exits.DONE
    assert [row["path"] for row in rows[1:]] == ["a.txt"]


def test_which_of_two(stage: Stage) -> None:
    """Two former places of one name: it names both, and takes the one that is meant."""
    move(stage, "second/")
    stage.run("sync")
    stage.configure(prefix="third/")

    unclear = stage.run("forget", "site", "--yes")
    one = stage.run("forget", "site", "--prefix", "second/", "--delete-remote", "--yes")

    assert unclear.code == exits.FAILED
    assert "--env test-env --prefix 'second/'; --env test-env --prefix 'site/'" in unclear.err or (
        "--env test-env --prefix 'site/'; --env test-env --prefix 'second/'" in unclear.err
    )
    assert one.code == exits.DONE
    assert keys(stage) == {"site/a.txt", "site/b.txt"}


def test_a_mirror_that_lives(stage: Stage) -> None:
    """It is in the configuration, and nothing else is known by its name: exit 1, and what to do first."""
    stage.write(a="a")
    stage.run("sync")

    result = stage.run("forget", "site", "--delete-remote", "--yes")

    assert result.code == exits.FAILED
    assert "mirror site is in the configuration" in result.err
    assert keys(stage) == {"site/a.txt"}


def test_one_that_nobody_knows(stage: Stage) -> None:
    """Exit 1, with those that there are."""
    move(stage)

    result = stage.run("forget", "sight", "--yes")

    assert result.code == exits.FAILED
    assert "no former mirror sight has objects in the cloud (known are: site)" in result.err


def test_the_service_is_away(stage: Stage) -> None:
    """Exit 75, and everything is known still."""
    move(stage)
    stage.close_cloud()

    result = stage.run("forget", "site", "--delete-remote", "--yes")

    assert result.code == exits.UNREACHABLE
    assert "former mirror site: 2 objects" in stage.run("check", "--offline").out


def test_what_is_refused_is_named(stage: Stage) -> None:
    """Exit 3, and the object stays known."""
    move(stage)
    stage.cloud.install(
        Fault(call="batchdeletefile", kind="item_error", errcode=-501020, errmsg="no", key="site/a.txt")
    )

    result = stage.run("forget", "site", "--delete-remote", "--yes", "--json")

    assert result.code == exits.INCOMPLETE
    assert (result.json["deleted"], result.json["refused"], result.json["refusals"][0]["path"]) == (1, 1, "a.txt")


@pytest.mark.slow
def test_beside_a_daemon(stage: Stage) -> None:
    """The daemon does it, and goes on mirroring."""
    move(stage)
    with stage.daemon():
        eventually(lambda: in_sync(stage))

        result = stage.run("forget", "site", "--delete-remote", "--yes")
        stage.write(c="c")

        assert (result.code, result.lines[-1]) == (exits.DONE, "site: 2 rows forgotten, 2 objects deleted")
        eventually(lambda: keys(stage) == {"elsewhere/a.txt", "elsewhere/b.txt", "elsewhere/c.txt"})


@pytest.mark.slow
def test_a_mirror_that_the_daemon_still_has(stage: Stage) -> None:
    """The file does not name it any more, and the daemon was not told: exit 78, nothing happens."""
    stage.write(a="a")
    with stage.daemon():
        eventually(lambda: in_sync(stage))
        stage.configure(prefix="elsewhere/")

        result = stage.run("forget", "site", "--delete-remote", "--yes")

        assert result.code == exits.CONFIG
        assert "mirror site is looked after" in result.err
        assert keys(stage) == {"site/a.txt"}
