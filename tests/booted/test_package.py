"""The Debian package, from its installation to its purge, and an upgrade from the version before while that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.booted.rig import eventually
from tests.booted.stage import SECRET, UNIT, Stage, now

if TYPE_CHECKING:
    from pathlib import Path

    from tests.booted.rig import Guest

STATE = "var/lib/tcbsync"


def schema(guest: Guest) -> int:
    """Read the manifest's version."""
    script = (
        f"import sqlite3; print(*sqlite3.connect('/{STATE}/manifest.db').execute('PRAGMA user_version').fetchone())"
    )
    return int(guest.says("python3", "-c", script))


def test_it_installs_and_waits_to_be_configured(clean: Guest, new_package: Path) -> None:
    """A user, units, a configuration, limits; and nothing runs before somebody has said what is to be mirrored."""
    stage = Stage(clean)

    printed = stage.install(new_package)

    assert "systemctl enable --now tcbsync" in printed
    assert clean.says("getent", "passwd", "tcbsync").endswith(":/var/lib/tcbsync:/usr/sbin/nologin")
    assert clean.run("systemctl", "is-enabled", UNIT, check=False).stdout.strip() == "disabled"
    assert clean.show(UNIT, "ActiveState") == "inactive"
    assert clean.says("tcbsync", "--version").startswith("tcbsync ")
    limits = (clean.root / "usr/lib/sysctl.d/60-tcbsync.conf").read_text()
    assert "fs.inotify.max_user_watches = 524288" in limits
    assert clean.says("dpkg", "--verify", "tcbsync") == ""


def test_its_configuration_is_right_but_for_what_only_the_operator_knows(clean: Guest, new_package: Path) -> None:
    """What it comes with takes the secret from systemd. With a secret and the folder, `check` finds no mistake."""
    stage = Stage(clean)
    stage.install(new_package)
    stage.set_secret(SECRET)
    (clean.root / "srv/assets/site").mkdir(parents=True)

    checked = clean.run("env", "CREDENTIALS_DIRECTORY=/etc/tcbsync", "tcbsync", "check", "--offline", check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_upgrade_while_it_runs(clean: Guest, old_package: Path, new_package: Path) -> None:
    """From the version before, with a manifest of the old schema and work left to do: nothing is lost or sent again.

    Nobody is asked anything either, though the configuration was edited, and the one that the package brings is new.
    """
    stage = Stage(clean)
    stage.install(old_package)
    stage.prepare()
    for number in range(200):
        file = stage.root / f"{number % 7}/{number}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"file {number}")
    clean.run("systemctl", "enable", "--now", UNIT)
    eventually(lambda: len(stage.cloud()) == 200 and stage.status_line() == "site: in_sync")
    before = schema(clean)
    config = (clean.root / "etc/tcbsync/config.yaml").read_text()
    brought = (clean.root / "usr/share/tcbsync/config.yaml").read_text()
    clean.run("systemctl", "stop", "cloud.service")
    (stage.root / "new").write_text("while the cloud was away")
    (stage.root / "0/0").unlink()
    since = now()

    stage.install(new_package)
    stage.serve()
    stage.settle()

    assert before == 1
    assert schema(clean) > before
    assert stage.cloud().keys() >= {"new"}
    assert stage.uploads() == 1  # since the cloud is back: what was there is not sent again
    assert (clean.root / "etc/tcbsync/config.yaml").read_text() == config
    assert (clean.root / "usr/share/tcbsync/config.yaml").read_text() != brought
    assert clean.says("systemctl", "is-enabled", UNIT) == "enabled"
    assert any("READY=1" in message for message in stage.told(since))


def test_it_is_removed_and_purged_but_for_the_manifest(clean: Guest, new_package: Path) -> None:
    """Remove: it stops, and all that is yours stays. Purge: secrets go too; the manifest stays, and it is said."""
    stage = Stage(clean)
    stage.install(new_package)
    stage.prepare()
    for secret in ("webhook", "heartbeat", "shop.secret"):
        stage.set_secret("http://127.0.0.1/key", f"/etc/tcbsync/{secret}")
    (stage.root / "hello.txt").write_text("hello")
    clean.run("systemctl", "enable", "--now", UNIT)
    stage.settle()

    clean.run("dpkg", "--remove", "tcbsync")
    removed = clean.run("systemctl", "is-active", UNIT, check=False).stdout.strip()
    kept = [(clean.root / file).exists() for file in ("etc/tcbsync/config.yaml", "etc/tcbsync/secret", STATE)]
    stage.install(new_package)
    stage.serve()
    clean.run("systemctl", "start", UNIT)
    stage.settle()
    sent = stage.uploads()
    printed = clean.says("dpkg", "--purge", "tcbsync")

    assert removed == "inactive"
    assert kept == [True, True, True]
    assert sent == 0  # the emulator's counters began anew with it
    assert "/var/lib/tcbsync is kept: its manifest is the only record of what is in the cloud." in printed
    assert (clean.root / STATE / "manifest.db").exists()
    left = ["etc/tcbsync", "opt/tcbsync", "usr/lib/systemd/system/tcbsync.service", "usr/bin/tcbsync"]
    assert not any((clean.root / path).exists() for path in left)
    assert not list((clean.root / "etc/systemd/system/multi-user.target.wants").glob("tcbsync*"))


def test_what_was_never_used_is_purged_without_a_trace(clean: Guest, new_package: Path) -> None:
    """Where there is no manifest, there is nothing to keep."""
    stage = Stage(clean)
    stage.install(new_package)

    printed = clean.says("dpkg", "--purge", "tcbsync")

    assert "is kept" not in printed
    assert not (clean.root / STATE).exists()
    assert not (clean.root / "etc/tcbsync").exists()
