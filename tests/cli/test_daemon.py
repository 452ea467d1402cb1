"""The verbs beside a running daemon: they ask it through its socket, and never work against it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tests.cli.stage import ENV, PREFIX, SECRET, SECRET_VARIABLE, eventually
from tests.cli.test_ask import STATUS_FIELDS

if TYPE_CHECKING:
    from tests.cli.stage import Stage

pytestmark = pytest.mark.slow


def state(stage: Stage) -> str:
    """Ask for the state of the mirror `site`."""
    result = stage.run("status", "--json")
    described = result.json["mirrors"][0] if result.out else {"state": ""}
    word: str = described["state"]
    return word


def in_sync(stage: Stage) -> bool:
    """Whether the daemon says that all is equal."""
    return state(stage) == "in_sync"


def test_status_comes_from_the_daemon(stage: Stage) -> None:
    """A running daemon says that it is in sync, what it watches with, and how the service is; all in the contract."""
    stage.write(a="a")
    with stage.daemon():
        eventually(lambda: in_sync(stage))

        plain, answer = stage.run("status"), stage.run("status", "--json").json

    (described,) = answer["mirrors"]
    assert plain.code == exits.DONE
    assert plain.lines[0] == "In sync."
    assert "site: in sync, 1 file in the cloud (1 byte)" in plain.lines
    assert described.keys() >= STATUS_FIELDS
    assert described["watch_mode"] == "inotify"
    service = {"state": "ok", "paused_until": None, "last_error": None, "blocked_by": None, "notice": None}
    limits = {"uploads_at_once": 32, "deletes_at_once": 4, "bandwidth": None, "bandwidth_until": None}
    assert answer["service"] == {**service, **limits, "uploads": 32, "deletes": 4}
    assert stage.objects() == {"a.txt": b"a"}


def test_what_is_saved_arrives(stage: Stage) -> None:
    """A file that is written, and one that is deleted, while the daemon runs, are so in the cloud."""
    stage.configure(delete_grace_seconds=0.1)
    stage.write(a="a", b="b")
    with stage.daemon():
        eventually(lambda: in_sync(stage))

        stage.write(new="new")
        (stage.root / "a.txt").unlink()

        eventually(lambda: stage.objects() == {"b.txt": b"b", "new.txt": b"new"})


def test_sync_keeps_out_of_the_daemons_way(stage: Stage) -> None:
    """Exit 1 for sync beside a daemon, which it names; the daemon goes on."""
    with stage.daemon() as daemon:
        eventually(lambda: in_sync(stage))

        result = stage.run("sync")

        assert result.code == exits.FAILED
        assert f"is in use by tcbsync run (process {daemon.process.pid})" in result.err
        assert "one process at a time: stop that one first, or let it do the work" in result.err
        assert in_sync(stage)


def test_a_second_daemon_keeps_out(stage: Stage) -> None:
    """Exit 1 for a second `run`, which names the first."""
    with stage.daemon() as daemon:
        result = stage.spawn("run")

    assert result.code == exits.FAILED
    assert f"is in use by tcbsync run (process {daemon.process.pid})" in result.err


def test_the_asking_verbs_work_beside_it(stage: Stage) -> None:
    """plan, failed, held, check, verify and url read beside a daemon, and say what is true."""
    stage.write(a="a", bad="bad")
    stage.refuse()
    with stage.daemon():
        eventually(lambda: stage.run("status").code == exits.INCOMPLETE)

        codes = {verb: stage.run(verb).code for verb in ("plan", "failed", "held", "check", "verify")}
        url = stage.run("url", "a.txt")

    assert codes == {
        "plan": exits.INCOMPLETE,
        "failed": exits.INCOMPLETE,
        "held": exits.DONE,
        "check": exits.DONE,
        "verify": exits.DONE,
    }
    assert url.out.strip().endswith("/site/a.txt")


def test_retry_sends_at_once(stage: Stage) -> None:
    """A parked file goes up as soon as retry is said, without a restart."""
    stage.write(bad="bad")
    stage.refuse()
    with stage.daemon():
        eventually(lambda: stage.run("failed").code == exits.INCOMPLETE)
        stage.cloud.clear_faults()

        result = stage.run("retry")

        assert (result.code, result.out) == (exits.DONE, "site: 1 file tried again by the daemon, now\n")
        eventually(lambda: stage.objects() == {"bad.txt": b"bad"})
        eventually(lambda: in_sync(stage))


def test_held_deletes_go_when_they_are_approved(stage: Stage) -> None:
    """An emptied root is held, with exit 4 from status and held, until approve; then the objects are gone."""
    stage.configure(delete_grace_seconds=0.1)
    stage.write(a="a", b="b")
    with stage.daemon():
        eventually(lambda: in_sync(stage))
        for path in stage.root.iterdir():
            path.unlink()
        eventually(lambda: state(stage) == "held")
        held = stage.run("held")
        status = stage.run("status")

        wrong = stage.run("approve", "site", "--list", "00000000")
        approved = stage.run("approve", "site", "--list", held.lines[-1].split()[-1])

        assert (wrong.code, "other deletes are held now" in wrong.err) == (exits.FAILED, True)
        assert (held.code, status.code) == (exits.HELD, exits.HELD)
        assert "  The root holds no files any more; 2 objects would be deleted. Put the files back" in status.out
        assert approved.out == "site: 2 deletes approved, carried out by the daemon, now\n"
        eventually(lambda: stage.objects() == {})


def test_a_root_that_goes_away_and_comes_back(stage: Stage) -> None:
    """Status is held with the reason while the root is missing, and in sync again when it is back, nothing deleted."""
    stage.configure(blind_rescan_seconds=1)
    stage.write(a="a")
    away = stage.root.with_name("away")
    with stage.daemon():
        eventually(lambda: in_sync(stage))

        stage.root.rename(away)
        eventually(lambda: state(stage) == "held")
        status = stage.run("status")
        away.rename(stage.root)

        assert status.code == exits.HELD
        assert any(f"Root {stage.root} is missing" in line for line in status.lines)
        eventually(lambda: in_sync(stage))
        assert set(stage.objects()) == {"a.txt"}


def test_it_starts_without_a_root_and_without_the_service(stage: Stage) -> None:
    """`run` stays up where the root is missing and nobody answers, and says both."""
    stage.root.rmdir()
    stage.close_cloud()
    with stage.daemon() as daemon:
        eventually(lambda: state(stage) == "held")
        eventually(lambda: "service" in stage.run("status").out)

        status = stage.run("status")

        assert daemon.process.poll() is None
        assert status.code == exits.HELD
        assert any(line.startswith("service: offline, next try ") for line in status.lines)


def test_a_mirror_that_the_daemon_does_not_know(stage: Stage) -> None:
    """A mirror that was added since the daemon started is told of, with what to do."""
    with stage.daemon():
        stage.configure(mirrors=[{"name": "new", "root": str(stage.root.with_name("new")), "env": ENV, "prefix": "n/"}])

        result = stage.run("status")

    assert result.lines[0] == "The running daemon does not know mirror new."
    assert result.lines[2] == "  \u2192 tcbsync reload"
    assert "new: stopped, 0 files in the cloud" in result.lines
    assert "the running daemon does not know this mirror: `tcbsync reload` makes it read the configuration again" in (
        result.out
    )


def test_repair_by_the_daemon(stage: Stage) -> None:
    """What verify finds missing, the daemon uploads again."""
    stage.write(a="a", b="b")
    with stage.daemon():
        eventually(lambda: in_sync(stage))
        stored = stage.cloud._service.storage.objects.pop((ENV, f"{PREFIX}a.txt"))
        stage.cloud._service.storage.path(stored).unlink()

        result = stage.run("verify", "--repair")

        assert result.code == exits.DONE
        assert result.err == "site: 1 file will be uploaded again by the daemon, now\n"
        eventually(lambda: set(stage.objects()) == {"a.txt", "b.txt"})


def test_repair_of_more_than_one_request_holds(stage: Stage) -> None:
    """Paths for a mebibyte and more reach the daemon, in portions."""
    folder = "/".join(["\u6587" * 80, "\u6587" * 80, "\u6587" * 80, "\u6587" * 30])  # in JSON, six bytes each
    names = [f"{folder}/{number:04}.txt" for number in range(700)]
    (stage.root / folder).mkdir(parents=True)
    for name in names:
        (stage.root / name).touch()
    with stage.daemon():
        eventually(lambda: in_sync(stage), 100)
        stage.cloud._service.storage.clear()

        result = stage.run("verify", "--repair")

        assert result.err == "site: 700 files will be uploaded again by the daemon, now\n"
        eventually(lambda: len(stage.objects()) == 700, 100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it(stage: Stage, number: signal.Signals) -> None:
    """Exit 0, with the socket gone and the state free; then status is that of the manifest."""
    stage.write(a="a")
    with stage.daemon() as daemon:
        eventually(lambda: in_sync(stage))

        daemon.process.send_signal(number)

        assert daemon.process.wait(60) == exits.DONE
        assert "Traceback" not in daemon.log
    assert not (stage.state_dir / "control.sock").exists()
    assert "site: stopped, 1 file in the cloud (1 byte)" in stage.run("status").lines


def test_after_a_kill_the_state_is_free(stage: Stage) -> None:
    """A daemon that was killed leaves its socket behind, and nobody is fooled by it: sync and a new daemon work."""
    stage.write(a="a")
    with stage.daemon() as daemon:
        eventually(lambda: in_sync(stage))
        daemon.process.kill()
        daemon.process.wait(60)
    is_left = (stage.state_dir / "control.sock").exists()

    status, sync = stage.run("status"), stage.run("sync")

    assert is_left
    assert "site: stopped, 1 file in the cloud (1 byte)" in status.lines
    assert sync.out.startswith("site: nothing to do, 1 file in the cloud")
    with stage.daemon():
        eventually(lambda: in_sync(stage))


def test_a_wrong_secret_ends_the_start(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 78 where the service does not take the secret, so that systemd does not restart in a loop."""
    stage.config.write_text(stage.config.read_text("utf-8").replace(SECRET_VARIABLE, "TCBSYNC_OTHER_SECRET"), "utf-8")
    monkeypatch.setenv("TCBSYNC_OTHER_SECRET", "x")  # which the environment of `spawn` leaves out

    missing = stage.spawn("run")
    stage.configure(credentials={"appid": "wx-test", "secret": SECRET[::-1]})
    wrong = stage.spawn("run")

    assert (missing.code, wrong.code) == (exits.CONFIG, exits.CONFIG)
    assert "the secret is empty or missing: the environment variable TCBSYNC_OTHER_SECRET" in missing.err
    assert "check credentials.appid and the secret" in wrong.err
    assert SECRET[::-1] not in wrong.err
    assert "Traceback" not in missing.err + wrong.err


def test_a_secret_that_is_refused_once_is_asked_about_again(stage: Stage) -> None:
    """One damaged token call is no wrong configuration: nothing would ever start the daemon again."""
    stage.write(a="a")
    stage.cloud.install(Fault(call="token", kind="errcode", errcode=40125, count=1))

    with stage.daemon() as daemon:
        eventually(lambda: stage.objects() == {"a.txt": b"a"} or daemon.process.poll() is not None)

        assert daemon.process.poll() is None
