"""The verbs that steer a daemon, as a person says them: what they print, and their exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tcbsync import control
from tcbsync.cli import exits
from tcbsync.cli.main import main
from tcbsync.cli.steer import line
from tcbsync.core.errors import StateError
from tcbsync.core.events import KINDS, name_of
from tcbsync.emulator.server import Fault
from tests.cli.stage import ENV, environment, eventually
from tests.cli.test_daemon import in_sync

if TYPE_CHECKING:
    from tests.cli.stage import Stage


def add_fonts(stage: Stage) -> None:
    """Put a second mirror into the configuration."""
    fonts = stage.root.with_name("fonts")
    fonts.mkdir(exist_ok=True)
    (fonts / "a.woff").write_text("woff")
    stage.configure(mirrors=[{"name": "fonts", "root": str(fonts), "env": ENV, "prefix": "fonts/"}])


WITHOUT = {
    "reload": ("reload",),
    "rescan": ("rescan",),
    "flush": ("flush", "--wait"),
    "events": ("events", "--follow"),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_a_daemon(stage: Stage, name: str) -> None:
    """Exit 1, and what to do instead."""
    result = stage.run(*WITHOUT[name])

    assert (result.code, result.out) == (exits.FAILED, "")
    assert f"no daemon runs with {stage.state_dir} (" in result.err


@pytest.mark.slow
def test_reload_says_what_it_changes(stage: Stage) -> None:
    """A new mirror is shown by --dry-run, added by reload, and then nothing is different any more."""
    stage.write(a="a")
    with stage.daemon() as daemon:
        eventually(lambda: in_sync(stage))
        add_fonts(stage)

        shown, done, again = stage.run("reload", "--dry-run"), stage.run("reload"), stage.run("reload")

        added = f"mirror fonts: added ({stage.root.with_name('fonts')} to {ENV}/fonts/)"
        assert shown.lines == [added, "1 change; nothing is applied yet (--dry-run)"]
        assert done.lines == [added, "1 change applied"]
        assert again.lines == ["nothing is different"]
        assert {shown.code, done.code, again.code} == {exits.DONE}
        eventually(lambda: (ENV, "fonts/a.woff") in stage.cloud.objects())
        assert daemon.process.poll() is None


@pytest.mark.slow
def test_a_wrong_file_is_refused_with_every_mistake(stage: Stage) -> None:
    """Exit 78 with each mistake; by a signal, log and status say so; the daemon goes on, and status says that too."""
    with stage.daemon() as daemon:
        eventually(lambda: in_sync(stage))
        good = stage.config.read_text("utf-8")
        stage.configure(quiet_seconds=-1, colour="red")

        result = stage.run("reload")
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "the one before stays in force" in daemon.log)
        despite, of_it = stage.run("status"), stage.run("status", "--json")
        stage.config.write_text(good, "utf-8")
        status = stage.run("status")
        stage.write(a="a")

        assert result.code == exits.CONFIG
        assert "mirrors[0].colour: unknown key" in result.err
        assert (despite.code, of_it.code) == (exits.CONFIG, exits.CONFIG)
        assert "mirrors[0].colour: unknown key" in despite.err
        assert "The daemon goes on with what it read before:" in despite.err
        assert despite.lines[0] == "In sync."
        assert of_it.json["mirrors"][0]["state"] == "in_sync"
        assert "mirrors[0].quiet_seconds: must be at least 0" in result.err
        assert status.lines[1].startswith("  The configuration was not reloaded (")
        eventually(lambda: stage.objects() == {"a.txt": b"a"})
        assert stage.run("reload").code == exits.DONE
        assert "not reloaded" not in stage.run("status").out


@pytest.mark.slow
def test_pause_and_resume_beside_a_daemon(stage: Stage) -> None:
    """What they did is said, and that it was so already; status tells; flush does not wait for a person."""
    with stage.daemon():
        eventually(lambda: in_sync(stage))

        lines = [stage.run("pause", "site").out, stage.run("pause").out]
        stage.write(a="a")
        flushed = stage.run("flush", "--wait")
        status = stage.run("status")
        lines += [stage.run("resume").out, stage.run("resume", "site").out]

        assert lines == ["site: paused\n", "site: paused already\n", "site: goes on\n", "site: was not paused\n"]
        assert "site: paused, 0 files in the cloud" in status.lines
        assert (flushed.code, flushed.err.splitlines()[0]) == (
            exits.UNREACHABLE,
            "site: it is paused: `tcbsync resume site` lets it go on",
        )
        eventually(lambda: stage.objects() == {"a.txt": b"a"})


@pytest.mark.slow
def test_retry_while_nothing_may_be_sent(stage: Stage) -> None:
    """During a quota's pause nothing has failed: retry says that there is one, and until when; the same of a pause."""
    with stage.daemon():
        eventually(lambda: in_sync(stage))
        stage.cloud.install(Fault(call="uploadfile", kind="errcode", errcode=45009))
        stage.write(a="a")
        eventually(lambda: stage.run("status", "--json").json["service"]["state"] == "paused")
        stage.run("pause")

        retried = stage.run("retry")

        assert retried.code == exits.DONE
        assert retried.lines[:2] == ["site: nothing failed", "The service asked for a pause."]
        assert re.match(r"  It goes on by itself, next try in (30|29) min\. .*45009", retried.lines[2])
        assert retried.lines[3] == "Mirror site is paused by hand."
        assert set(stage.run("retry", "--json").json) == {"site"}


def test_pause_without_a_daemon_holds_for_sync(stage: Stage) -> None:
    """The next sync looks and sends nothing, with exit 3; status says why; after resume it does all."""
    stage.write(a="a")

    paused = stage.run("pause")
    sync, status = stage.run("sync"), stage.run("status")
    resumed = stage.run("resume", "--json")
    again = stage.run("sync")

    assert (paused.code, sync.code, again.code) == (exits.DONE, exits.INCOMPLETE, exits.DONE)
    assert "site: paused by hand" in sync.err
    assert "site: stopped, 0 files in the cloud" in status.lines
    assert any("paused by hand since " in line for line in status.lines)
    assert resumed.json == {"site": {"changed": True, "in_flight": 0}}
    assert stage.objects() == {"a.txt": b"a"}


def test_pause_of_no_mirror(stage: Stage) -> None:
    """Exit 78, as for every verb that names one."""
    result = stage.run("pause", "sight")

    assert result.code == exits.CONFIG
    assert "there is no mirror sight (the configuration has site)" in result.err


@pytest.mark.slow
def test_flush_for_a_build_script(stage: Stage) -> None:
    """A path as the script knows it, absolute or not, or the mirror's name: exit 0, and the files are there."""
    (stage.root / "dist").mkdir()
    with stage.daemon():
        eventually(lambda: in_sync(stage))
        stage.write(dist__app="1")

        by_path = stage.run("flush", stage.root / "dist", "--wait", "--timeout", "30")
        there = stage.objects()
        stage.write(dist__app="2")
        by_name = stage.run("flush", "site", "--wait", "--json")

        assert (by_path.code, by_path.out) == (exits.DONE, "site:dist: all that was saved is proved in the cloud\n")
        assert there == {"dist/app.txt": b"1"}
        assert (by_name.code, by_name.json[0]["proved"]) == (exits.DONE, True)
        assert stage.objects() == {"dist/app.txt": b"2"}


@pytest.mark.slow
def test_flush_says_what_is_not_there(stage: Stage) -> None:
    """A refused file: exit 3 with its name, code and reason; an ignored path is no success either."""
    stage.refuse()
    stage.write(bad="bad")
    (stage.root / "x.tmp").touch()
    with stage.daemon():
        refused = stage.run("flush", "--wait")
        as_json = stage.run("flush", "--wait", "--json").json
        ignored = stage.run("flush", stage.root / "x.tmp", "--wait")
        missing = stage.run("flush", stage.root / "dsit", "--wait")

        assert refused.code == exits.INCOMPLETE
        assert refused.err.splitlines()[:2] == ["site: some files could not be mirrored", "  1 path parked"]
        assert "  bad.txt: 40097: " in refused.err
        assert (as_json[0]["why"], as_json[0]["files"][0]["path"]) == ("failed", "bad.txt")
        assert (ignored.code, "is not mirrored: the rule *.tmp in the defaults" in ignored.err) == (
            exits.INCOMPLETE,
            True,
        )
        assert (missing.code, "there is nothing of that name on the disk" in missing.err) == (exits.DONE, True)


@pytest.mark.slow
def test_flush_of_what_is_never_mirrored(stage: Stage) -> None:
    """A link, a FIFO, a name that the cloud refuses: asked for by name it is a mistake, exit 3, in explain's words."""
    (stage.root / "dist").mkdir()
    (stage.root / "dist/link").symlink_to("nowhere")
    (stage.root / "behind").symlink_to("dist")
    os.mkfifo(stage.root / "dist/fifo")
    for name in ("a\\b", "dist/\x18"):
        (stage.root / name).touch()
    paths = [stage.root / name for name in ("dist/link", "behind", "dist/fifo", "a\\b", "dist/\x18")]
    with stage.daemon():
        eventually(lambda: in_sync(stage))

        told = [stage.run("flush", path, "--wait") for path in paths]
        as_json = stage.run("flush", paths[0], "--wait", "--json").json
        above = stage.run("flush", stage.root / "dist", "--wait")
        explained = [stage.run("explain", path).lines[0] for path in paths]

        assert [result.code for result in told] == [exits.INCOMPLETE] * 5
        assert [result.err.strip() for result in told] == explained
        assert (as_json[0]["proved"], as_json[0]["why"]) == (False, "not_mirrored")
        assert (above.code, above.out) == (exits.DONE, "site:dist: all that was saved is proved in the cloud\n")


@pytest.mark.slow
def test_flush_codes_for_hold_and_outage(stage: Stage) -> None:
    """4 where deletes are held, 75 where the service is out of reach when the time is over."""
    stage.write(a="a", b="b")
    with stage.daemon():
        eventually(lambda: in_sync(stage))
        for path in stage.root.iterdir():
            path.unlink()

        held = stage.run("flush", "--wait")
        stage.cloud.install(Fault(call="uploadfile", kind="cut_before"))
        stage.write(**{f"c{number}": "c" for number in range(12)})
        outage = stage.run("flush", "--wait", "--timeout", "4")

        assert (held.code, "deletes are held: the root holds no files any more" in held.err) == (exits.HELD, True)
        assert (outage.code, "the service cannot be used" in outage.err) == (exits.UNREACHABLE, True)


@pytest.mark.parametrize("text", ["x", "-1", "nan", "1e12"])
def test_flush_takes_a_time(stage: Stage, text: str) -> None:
    """What is no number of seconds is wrong usage."""
    with pytest.raises(SystemExit) as caught:
        stage.run("flush", "--timeout", text)

    assert caught.value.code == exits.USAGE


@pytest.mark.slow
def test_a_daemon_that_is_killed_amid_a_flush(stage: Stage) -> None:
    """Nobody is told that all is proved: whoever waits hears that the answer was cut off."""
    stage.cloud.install(Fault(call="cos", kind="stall", seconds=30.0))
    values = {"scopes": [["site", ""]], "waits": True, "seconds": 60}
    with stage.daemon() as daemon:
        stage.write(a="a")

        async def flush() -> None:
            async for told in control.follow(stage.state_dir, "flush", **values):
                assert "result" not in told
                daemon.process.kill()

        with pytest.raises(StateError, match="cannot be asked: its answer was cut off"):
            asyncio.run(flush())


@pytest.mark.slow
def test_events_are_followed(stage: Stage) -> None:
    """A line for each event, as JSON too; when the daemon ends, so does the verb, with exit 1."""
    with stage.daemon() as daemon:
        eventually(lambda: in_sync(stage))
        command = stage.command("events", "--follow", "--json")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as follow:
            assert follow.stdout is not None
            first = json.loads(follow.stdout.readline())
            stage.write(a="a")
            eventually(lambda: stage.objects() == {"a.txt": b"a"})
            plain = stage.run("events", "--last", "500")
            daemon.process.send_signal(signal.SIGTERM)
            rest, err = follow.communicate(timeout=60)

    told = [json.loads(each) for each in rest.splitlines()]
    assert first["event"] == "started"
    assert "uploaded" in [each["event"] for each in told]
    assert told[-1]["event"] == "stopping"
    assert follow.returncode == exits.FAILED
    assert b"daemon" in err
    assert any(re.fullmatch(r"\S+  site  uploaded  a\.txt  size=1  md5=\w+", each) for each in plain.lines)


def test_an_event_as_a_line() -> None:
    """When, which mirror, what, which file; then its other fields, but for those that say nothing."""
    told = {"at": "2026-01-02T03:04:05.678+00:00", "event": "failed", "mirror": "site", "path": "a b"}

    text = line({**told, "action": "upload", "code": "40097", "reason": "no", "is_parked": False})

    assert text == "2026-01-02T03:04:05  site  failed  a b  action=upload  code=40097  reason=no"


def test_the_events_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a daemon and without a configuration: each with its level, its fields and its meaning, as JSON too."""
    codes = [main(["events", "--list"]), main(["events", "--list", "--json"])]

    text, _, listed = capsys.readouterr().out.partition("\n[\n")
    events = json.loads(f"[{listed}")
    assert codes == [exits.DONE, exits.DONE]
    assert [event["name"] for event in events] == [name_of(kind) for kind in KINDS]
    assert "deleted  debug  path (str)\n    The cloud has confirmed" in text
    assert all(set(event) == {"name", "level", "fields", "meaning"} for event in events)
