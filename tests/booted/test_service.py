"""tcbsync.service under a real systemd: its life, its secret, its rights."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.booted.rig import eventually
from tests.booted.stage import ROOT, SECRET, UNIT, WEBHOOK_PORT, now

if TYPE_CHECKING:
    from tests.booted.stage import Stage

UNITS = {name: f"/usr/lib/systemd/system/{name}" for name in ("tcbsync.service", "tcbsync@.service")}


def entry(priority: int, event: str, **fields: str) -> dict[str, str]:
    """Give what an entry of the journal must have: by whom, over the journal's own protocol, how urgent, of what."""
    own = {f"TCBSYNC_{name.upper()}": value for name, value in {"event": event, **fields}.items()}
    whose = {"_SYSTEMD_UNIT": UNIT, "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "tcbsync"}
    return {**whose, "PRIORITY": str(priority), **own}


def test_it_starts_says_so_and_stops(stage: Stage) -> None:
    """Type=notify: READY when it watches, the state and its counts as STATUS, STOPPING at the end; and exit 0."""
    (stage.root / "hello.txt").write_text("hello")
    since = now()

    stage.start()
    status = stage.status_line()
    asked = stage.guest.says("runuser", "-u", "tcbsync", "--", "tcbsync", "status")
    shown = stage.guest.says("systemctl", "status", "--no-pager", UNIT)
    stage.guest.run("systemctl", "stop", UNIT)

    told = stage.told(since)
    assert told[0].startswith("READY=1, STATUS=")
    assert told[-1] == "STOPPING=1, STATUS=stopping"
    assert status == "site: in_sync, 1 in the cloud"
    assert "site: in sync, 1 file in the cloud" in asked
    assert 'Status: "site: in_sync, 1 in the cloud"' in shown
    assert stage.guest.show(UNIT, "Result") == "success"
    assert stage.guest.show(UNIT, "ExecMainStatus") == "0"


def test_a_restart_repeats_nothing(stage: Stage) -> None:
    """Stop and start with nothing changed: no file is sent again."""
    stage.start()
    sent = stage.uploads()

    stage.guest.run("systemctl", "restart", UNIT)
    stage.settle()

    assert stage.uploads() == sent


def test_killed_it_comes_back(stage: Stage) -> None:
    """SIGKILL at some moment: systemd starts it anew, and what was changed meanwhile is mirrored."""
    stage.tune(RestartSec="1")
    stage.start()

    stage.kill("KILL")
    (stage.root / "while it was dead").write_text("changed")
    eventually(lambda: stage.restarts() == 1)
    stage.settle()

    assert "while it was dead" in stage.cloud()


def test_fifty_kills_in_a_row_lose_nothing(stage: Stage) -> None:
    """Files are written, renamed and deleted while the daemon is killed fifty times, wherever it may be just then."""
    stage.tune(RestartSec="50ms")
    stage.start()

    for kill in range(50):
        folder = stage.root / f"kills/{kill % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(20):
            (folder / f"{number}").write_bytes(b"%d of %d" % (number, kill) * 500)
        if kill % 3 == 0:
            (folder / "0").replace(folder / f"renamed {kill}")
        if kill % 4 == 0:
            (folder / "1").unlink()
        pid = stage.pid()
        stage.kill("KILL")
        eventually(lambda pid=pid: stage.pid() not in (0, pid), every=0.02)  # type: ignore[misc]
        if kill % 2:
            eventually(lambda: stage.guest.show(UNIT, "ActiveState") == "active", every=0.02)
    stage.settle(120)

    assert stage.restarts() == 50
    assert stage.cloud() == stage.disk()  # and so no object is there that nobody knows of


@pytest.mark.parametrize("secret", ["not the secret", ""], ids=["wrong", "empty"])
def test_a_wrong_secret_ends_it_for_good(stage: Stage, secret: str) -> None:
    """78 is a configuration that is wrong: it is said, with advice, and systemd does not try again."""
    stage.set_secret(secret)
    stage.tune(RestartSec="1")
    since = now()

    stage.guest.run("systemctl", "start", UNIT, check=False)
    eventually(lambda: stage.guest.show(UNIT, "ActiveState") == "failed")
    stage.guest.run("sleep", "2")

    assert stage.guest.show(UNIT, "ExecMainStatus") == "78"
    assert stage.guest.show(UNIT, "ActiveState") == "failed"
    assert stage.restarts() == 0
    assert not secret or "invalid secret [40125]" in stage.status_line()
    journal = stage.journal(since)
    assert "ends: " in journal
    assert SECRET not in journal
    assert not secret or secret not in journal


def test_a_missing_secret_is_not_tried_again(stage: Stage) -> None:
    """What is not there systemd cannot hand over (243/CREDENTIALS); trying again would not bring it."""
    (stage.guest.root / "etc/tcbsync/secret").unlink()
    stage.tune(RestartSec="1")

    stage.guest.run("systemctl", "start", UNIT, check=False)
    stage.guest.run("sleep", "2")

    assert stage.guest.show(UNIT, "ActiveState") == "failed"
    assert stage.guest.show(UNIT, "ExecMainStatus") == "243"
    assert stage.restarts() == 0


def test_a_new_secret_is_taken_by_a_restart(stage: Stage) -> None:
    """Rotation: the new secret is written, the old one revoked, and the service restarted."""
    new = SECRET[::-1]
    stage.start()

    stage.set_secret(new)
    stage.serve(new)
    try:
        stage.guest.run("systemctl", "restart", UNIT)
        (stage.root / "after the rotation").write_text("new")
        stage.settle()
    finally:
        stage.serve(SECRET)

    assert "after the rotation" in stage.cloud()


def test_the_secret_is_where_only_the_service_reads_it(stage: Stage) -> None:
    """Not in its environment, not in its arguments, not in its log; its user cannot read root's file."""
    since = now()
    stage.start()
    process = stage.guest.root / f"proc/{stage.pid()}"

    visible = (process / "environ").read_text() + (process / "cmdline").read_text() + stage.journal(since)
    denied = stage.guest.run("runuser", "-u", "tcbsync", "--", "cat", "/etc/tcbsync/secret", check=False)

    assert SECRET not in visible
    assert "Permission denied" in denied.stderr


def test_the_journal_has_priorities_and_fields(stage: Stage) -> None:
    """What it tells is found by its event and its priority: entries of the journal's own protocol, not lines."""
    since = now()
    stage.start()

    with stage.root_away():
        eventually(lambda: stage.entries("TCBSYNC_EVENT=held", since=since))
    eventually(lambda: stage.entries("TCBSYNC_EVENT=released", since=since))

    (started,) = stage.entries("TCBSYNC_EVENT=started", since=since)
    (held,) = stage.entries("--priority=err", since=since)
    (released,) = stage.entries("TCBSYNC_EVENT=released", since=since)
    assert started.items() >= entry(5, "started", mirrors="site").items()
    assert started["MESSAGE"] == "started: site"
    assert started["CODE_FILE"].startswith("/opt/tcbsync/")
    assert held.items() >= entry(3, "held", mirror="site", is_approvable="false").items()
    assert held["MESSAGE"].startswith(f"site: held: root {ROOT} is missing")
    assert released.items() >= entry(5, "released", mirror="site").items()
    assert stage.entries("_TRANSPORT=stdout", since=since) == []


def test_it_tells_a_webhook(stage: Stage) -> None:
    """As the README has it: an address that its group may read, a test, a reload; then trouble, and that it is over."""
    stage.listen()
    since = now()
    stage.start()
    address = f"http://127.0.0.1:{WEBHOOK_PORT}/hush"
    stage.guest.run("sh", "-c", f"echo {address} | install -m 640 -g tcbsync /dev/stdin /etc/tcbsync/webhook")
    stage.configure(notify={"settle_seconds": 1, "webhooks": [{"url_file": "/etc/tcbsync/webhook", "format": "json"}]})

    tried = stage.guest.run("runuser", "-u", "tcbsync", "--", "tcbsync", "check", "--notify", check=False)
    stage.guest.run("systemctl", "reload", UNIT)
    with stage.root_away():
        eventually(lambda: len(stage.heard()) > 1)
        time.sleep(3)  # long enough for another, if it told more than once
    eventually(lambda: len(stage.heard()) > 2)
    stage.settle()

    assert f"webhook 1: {address.removesuffix('/hush')} took a test message" in tried.stdout
    assert {path for path, _ in stage.heard()} == {"/hush"}
    told = [(message["what"], message["over"], message["mirror"]) for _, message in stage.heard()]
    assert told == [("test", None, None), ("held", None, "site"), ("recovered", "held", "site")]
    assert "hush" not in tried.stdout + tried.stderr + stage.journal(since)


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_the_unit_is_what_systemd_understands(stage: Stage, unit: str) -> None:
    """`systemd-analyze verify` finds nothing to say."""
    done = stage.guest.run("systemd-analyze", "verify", "--man=no", unit)

    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("unit", ["tcbsync.service", "tcbsync@shop.service"])
def test_little_is_exposed(stage: Stage, unit: str) -> None:
    """`systemd-analyze security`: 2.0 at most, of 10."""
    printed = stage.guest.says("systemd-analyze", "security", "--no-pager", unit)

    (score,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", printed)
    assert float(score) <= 2.0


def test_it_writes_nowhere_but_to_its_state(stage: Stage) -> None:
    """A folder that its user may write to is still read-only for the service."""
    stage.guest.run("chown", "tcbsync", ROOT)
    stage.start()
    inside = ["nsenter", "--target", str(stage.pid()), "--mount", "--setuid=0"]

    denied = stage.guest.run(*inside, "touch", f"{ROOT}/not-ours", "/etc/not-ours", "/usr/not-ours", check=False)
    allowed = stage.guest.run(*inside, "touch", "/var/lib/tcbsync/ours", check=False)

    assert denied.stderr.count("Read-only file system") == 3
    assert allowed.returncode == 0
    state = stage.guest.root / "var/lib/tcbsync"
    assert (state.stat().st_mode & 0o777, (state / "manifest.db").stat().st_mode & 0o777) == (0o700, 0o600)
    (state / "ours").unlink()
    stage.guest.run("chown", "root", ROOT)


def test_it_reads_what_its_groups_may_read(stage: Stage) -> None:
    """A folder of a group: held, and said, until a drop-in gives it the group."""
    (stage.root / "shared.txt").write_text("shared")
    stage.guest.run("groupadd", "--force", "designers")
    stage.guest.run("chgrp", "designers", ROOT)
    stage.guest.run("chmod", "0750", ROOT)

    stage.guest.run("systemctl", "start", UNIT)
    eventually(lambda: "site: held" in stage.status_line())
    line = stage.status_line()
    stage.tune(SupplementaryGroups="designers")
    stage.guest.run("systemctl", "restart", UNIT)
    stage.settle()

    assert line.startswith("The folder of site cannot be seen. site: held, ")
    assert "cannot be looked at: " in line
    assert "Permission denied. Nothing is deleted" in line
    assert "shared.txt" in stage.cloud()
    stage.guest.run("chmod", "0755", ROOT)


def test_an_instance_has_all_of_its_own(stage: Stage) -> None:
    """tcbsync@shop: its own configuration, secret and state, beside the service without a name."""
    stage.configure("shop.yaml", "/var/lib/tcbsync-shop", root="/srv/assets/shop", prefix="shop/", name="shop")
    stage.set_secret(SECRET, "/etc/tcbsync/shop.secret")
    stage.guest.write("/srv/assets/shop/price.json", "{}")
    stage.guest.run("systemctl", "start", UNIT)

    stage.guest.run("systemctl", "start", "tcbsync@shop.service")
    eventually(lambda: stage.guest.show("tcbsync@shop.service", "StatusText") == "shop: in_sync, 1 in the cloud")
    mode = (stage.guest.root / "var/lib/tcbsync-shop").stat().st_mode & 0o777
    stage.guest.run("systemctl", "stop", "tcbsync@shop.service")

    assert mode == 0o700
    assert stage.guest.show(UNIT, "ActiveState") == "active"
