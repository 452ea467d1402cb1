"""`check`: names each thing that is not as it must be, with the next step."""

from __future__ import annotations

import os
import pwd
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.cli.check import clock
from tcbsync.cli.steps import PROXIES
from tcbsync.emulator.server import Fault
from tcbsync.store.lock import StateLock
from tests.cli.checking import points, wrong
from tests.cli.stage import ENV, POWERLESS, SECRET_VARIABLE

if TYPE_CHECKING:
    from tests.cli.stage import Stage

NAMESPACE = ["unshare", "--user", "--map-root-user"]
LIMIT = Path("/proc/sys/user/max_inotify_watches")


def test_all_is_well(stage: Stage) -> None:
    """Exit 0 with a line for each point, after one real token call and no other."""
    stage.write(a="a", sub__b="b")

    result = stage.run("check")

    kinds = [line.partition(":")[0] for line in result.lines[:-1]]
    assert result.code == exits.DONE
    assert kinds == [
        "ok    configuration",
        "ok    mirror site",
        "ok    watch limit",
        "ok    state directory",
        "ok    clock",
        "ok    credentials",
    ]
    assert result.lines[-1] == "all is as it must be"
    assert result.lines[1].endswith(f"root {stage.root}: 2 files in 2 directories")
    assert dict(stage.cloud.counters.calls) == {"token": 1}


def test_the_points_as_json(stage: Stage) -> None:
    """Each point says what was checked, whether it is right, what was found, and the code that it stands for."""
    result = stage.run("check", "--json")

    assert set(points(result)) == {
        "configuration",
        "mirror site",
        "watch limit",
        "state directory",
        "clock",
        "credentials",
    }
    for point in result.json:
        assert point.keys() == {"what", "is_right", "found", "advice", "code"}
        assert (point["is_right"], point["code"], point["advice"]) == (True, exits.DONE, "")


def test_it_changes_nothing(stage: Stage) -> None:
    """No state directory is made, and nothing is uploaded."""
    stage.write(a="a")

    stage.run("check")

    assert not stage.state_dir.exists()
    assert stage.objects() == {}


def test_offline_calls_nobody(stage: Stage) -> None:
    """With --offline the service may be down, and is not asked."""
    stage.close_cloud()

    result = stage.run("check", "--offline")

    assert result.code == exits.DONE
    assert "ok    credentials: there; not tried (--offline)" in result.lines


def test_everything_wrong_at_once_is_named_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong point is followed by its next step, and the most urgent code counts."""
    monkeypatch.delenv(SECRET_VARIABLE)
    stage.root.rmdir()
    stage.state_dir.write_text("not a directory")

    result = stage.run("check")

    bad = [number for number, line in enumerate(result.lines) if line.startswith("WRONG")]
    assert result.code == exits.CONFIG
    assert [result.lines[number].split(":")[0] for number in bad] == [
        "WRONG mirror site",
        "WRONG state directory",
        "WRONG credentials",
    ]
    assert all(result.lines[number + 1].startswith("      ") for number in bad)


@pytest.mark.slow
@pytest.mark.skipif(not LIMIT.exists(), reason="needs a limit of watches by user namespace")
@pytest.mark.parametrize(("limit", "is_right"), [(5, False), (6, True)])
def test_the_watch_limit(stage: Stage, limit: int, is_right: bool) -> None:
    """A limit below twice the number of directories is wrong, with the very line for sysctl that mends it."""
    stage.write(a__b__c="c", d="d")
    script = f'echo {limit} > {LIMIT} && exec "$@"'

    result = stage.spawn("check", before=[*NAMESPACE, "sh", "-c", script, "sh"])

    if "unshare" in result.err:
        pytest.skip("may not make a user namespace here")
    (number,) = [number for number, line in enumerate(result.lines) if " watch limit: " in line]
    assert result.lines[number].endswith(f"user.max_inotify_watches is {limit}, for 3 directories")
    assert result.lines[number].startswith("ok" if is_right else "WRONG")
    if not is_right:
        advice = "      put `user.max_inotify_watches = 524288` into /etc/sysctl.d/60-tcbsync.conf, then run `sysctl"
        assert result.lines[number + 1].startswith(advice)
    assert result.code == (exits.DONE if is_right else exits.FAILED)


@pytest.mark.slow
@pytest.mark.skipif(not LIMIT.exists(), reason="needs a limit of instances by user namespace")
def test_no_inotify_to_be_had(stage: Stage) -> None:
    """Where not even one descriptor of inotify is left, the limit to raise is named."""
    script = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'

    result = stage.spawn("check", before=[*NAMESPACE, "sh", "-c", script, "sh"])

    if "unshare" in result.err:
        pytest.skip("may not make a user namespace here")
    (number,) = [number for number, line in enumerate(result.lines) if line.startswith("WRONG watch limit")]
    assert "inotify cannot be used: " in result.lines[number]
    assert "fs.inotify.max_user_instances" in result.lines[number + 1]


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [True, False], ids=["there", "to be made"])
def test_a_state_directory_that_may_not_be_written(stage: Stage, is_there: bool) -> None:
    """The directory, or the one that it would be made in, must be writable, and the advice is to whom to give it."""
    stage.state_dir.mkdir()
    stage.state_dir.chmod(0o500)
    if not is_there:
        stage.config.write_text(stage.config.read_text().replace(str(stage.state_dir), f"{stage.state_dir}/below"))

    result = stage.spawn("check", before=POWERLESS)

    stage.state_dir.chmod(0o700)
    assert result.code == exits.FAILED
    name = pwd.getpwuid(os.geteuid()).pw_name
    made = f"install -d -m 700 -o {name} {stage.state_dir}/below"
    line = f"chown -R {name} {stage.state_dir}" if is_there else made
    assert f"WRONG state directory: {stage.state_dir} is not writable for {name}" in result.lines
    assert any(each.endswith(f"that tcbsync runs as: `{line}`") for each in result.lines)


@pytest.mark.slow
def test_a_state_directory_that_may_not_be_looked_into(stage: Stage) -> None:
    """Then check is not done as the user that tcbsync runs as, and it says so."""
    stage.state_dir.mkdir(mode=0)

    result = stage.spawn("check", before=POWERLESS)

    stage.state_dir.chmod(0o700)
    assert result.code == exits.FAILED
    assert (
        f"WRONG state directory: the state directory {stage.state_dir} cannot be looked into: Permission" in result.out
    )
    assert "      do this as the user that tcbsync runs as" in result.lines


def test_a_state_directory_that_is_a_file(stage: Stage) -> None:
    """A file in its place is named."""
    stage.state_dir.write_text("a file")

    code, found, _ = wrong(stage, "state directory")

    assert (code, found) == (exits.FAILED, f"{stage.state_dir} is not a directory")


def test_a_manifest_that_is_damaged(stage: Stage) -> None:
    """A manifest that is no database is a point of its own, with the advice not to delete it; the rest is checked."""
    stage.state_dir.mkdir()
    (stage.state_dir / "manifest.db").write_bytes(b"no database" * 1000)

    code, found, advice = wrong(stage, "manifest")

    assert code == exits.FAILED
    assert f"the manifest {stage.state_dir}/manifest.db cannot be used: " in found
    assert "do not delete it" in advice


def test_who_works_here_is_named(stage: Stage) -> None:
    """A state directory in use is right; by whom is said."""
    lock = StateLock(stage.state_dir, "run")

    found = points(stage.run("check", "--json"))["state directory"]

    lock.close()
    assert found["is_right"]
    assert f"{stage.state_dir}, in use by tcbsync run (process " in found["found"]


def test_objects_of_a_former_mirror(stage: Stage) -> None:
    """Objects of a mirror that the configuration no longer has would be forgotten: they are counted and located."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.configure(prefix="elsewhere/")

    code, found, advice = wrong(stage, "former mirror site")

    assert (code, found) == (exits.FAILED, f"2 objects of env {ENV}, prefix 'site/', in the cloud")
    assert "put the mirror back" in advice


def test_a_clock_that_went_back(stage: Stage) -> None:
    """When the manifest has seen a later time than it is now, the clock is wrong."""
    stage.write(a="a")
    stage.run("sync")
    with sqlite3.connect(stage.state_dir / "manifest.db") as connection:
        connection.execute("UPDATE mirror SET last_scan_at = ?", (time.time() + 86_400,))
    connection.close()

    code, found, advice = wrong(stage, "clock")

    assert code == exits.FAILED
    assert found.endswith(", and something happened here 24.0 h later than that")
    assert "timedatectl set-ntp true" in advice


@pytest.mark.parametrize(
    ("now", "installed_at", "moments", "is_right"),
    [
        (1000.0, 900.0, [], True),
        (1000.0, 900.0, [950.0, 1050.0], True),  # a clock that is corrected by seconds is nobody's trouble
        (1000.0, 5000.0, [], False),
        (1000.0, 900.0, [950.0, 2000.0], False),
    ],
    ids=["later", "a little earlier", "before the installation", "before the last scan"],
)
def test_the_clock_is_behind_what_happened(
    now: float, installed_at: float, moments: list[float], is_right: bool
) -> None:
    """It cannot be earlier than this program was installed, nor than what the manifest notes."""
    point = clock(now, installed_at, moments)

    assert point.is_right is is_right


def test_no_secret(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not there is a wrong configuration, code 78, and the variable is named."""
    monkeypatch.delenv(SECRET_VARIABLE)

    code, found, _ = wrong(stage, "credentials")

    assert code == exits.CONFIG
    assert SECRET_VARIABLE in found


@pytest.mark.parametrize(
    ("errcode", "code", "found", "advice"),
    [
        (40125, exits.CONFIG, "invalid secret", "check credentials.appid and the secret"),
        (40164, exits.FAILED, "this server's IP is not allowed", "add the IP to the IP whitelist"),
        (45009, exits.UNREACHABLE, "today's quota of calls is used up", "clear or raise it"),
        (-1, exits.UNREACHABLE, "the system is busy", "is it up, and may this host reach it?"),
    ],
)
def test_what_the_service_says(stage: Stage, errcode: int, code: int, found: str, advice: str) -> None:
    """The answer to the token call decides the code; its words are shown, and apart from them the next step."""
    stage.cloud.install(Fault(call="token", kind="errcode", errcode=errcode, errmsg="as it says"))

    told = wrong(stage, "credentials")

    assert told[0] == code
    assert f"{found} [{errcode}]: as it says" in told[1]
    assert advice in told[2]


def test_a_service_that_is_down(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 75, with who did not answer."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    stage.close_cloud()

    code, found, advice = wrong(stage, "credentials")

    assert code == exits.UNREACHABLE
    assert stage.cloud.url.removeprefix("http://") in found
    assert advice == "is it up, and may this host reach it?"
