"""The scene of most tests: the package installed, the stand-in cloud as a service beside it, one mirror, one secret."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.booted.rig import ENVIRONMENT, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.booted.rig import Guest

UNIT = "tcbsync.service"
ENV = "test2-4a89da"
PREFIX = "site/"
ROOT = "/srv/assets/site"
HANG = Path(__file__).parent / "hang.py"
WEBHOOK = Path(__file__).parent / "webhook.py"
WEBHOOK_PORT = 8072
STATE = "/var/lib/tcbsync"
SECRET = "0123456789abcdef0123456789abcdef"


class Stage:
    """A guest with everything set up but the service started."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.root = guest.root / ROOT.lstrip("/")
        self._tuned: set[str] = set()

    # -- setting up ---------------------------------------------------------------------------------------------------

    def install(self, package: Path) -> str:
        """Install a package as apt would. Gives what that prints."""
        place = self.guest.root / "srv" / package.name
        place.write_bytes(package.read_bytes())
        printed = self.guest.says("dpkg", "--install", f"/srv/{package.name}")
        place.unlink()
        return printed

    def prepare(self) -> None:
        """Do what an operator does after the installation, and serve the cloud."""
        self.root.mkdir(parents=True)
        self.set_secret(SECRET)
        self.serve(SECRET)
        self.configure()
        # systemd writes down what the daemon tells it.
        self.guest.run("systemctl", "log-level", "debug")

    def set_secret(self, secret: str, path: str = "/etc/tcbsync/secret") -> None:
        """Write the secret as the README says."""
        self.guest.write(path, secret + "\n", 0o600)

    def serve(self, secret: str = SECRET) -> None:
        """Let the emulator run, which takes this secret only; what it holds stays."""
        command = f"tcbsync emulator --listen 127.0.0.1:8070 --data /srv/objects --secret {secret}"
        self._run_beside("cloud.service", command, 8070)

    def listen(self) -> None:
        """Let a webhook listen, as plain HTTP."""
        self.guest.write("/srv/webhook.py", WEBHOOK.read_text())
        self._run_beside("webhook.service", f"python3 /srv/webhook.py {WEBHOOK_PORT} /srv/heard", WEBHOOK_PORT)

    def _run_beside(self, unit: str, command: str, port: int) -> None:
        """Run a server as a service, and wait until it listens."""
        self.guest.write(f"/etc/systemd/system/{unit}", f"[Service]\nExecStart=/usr/bin/env {command}\n")
        self.guest.run("systemctl", "daemon-reload")
        self.guest.run("systemctl", "restart", unit)
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        eventually(lambda: self.guest.run("python3", "-c", connect, check=False).returncode == 0)

    def configure(
        self,
        file: str = "config.yaml",
        state: str = STATE,
        notify: dict[str, Any] | None = None,
        **mirror: Any,
    ) -> None:
        """Write a configuration of one mirror; options are those of the mirror."""
        self._write(file, state, [mirror], notify)

    def configure_many(self, **roots: str) -> None:
        """Write a configuration of several mirrors, each with a prefix of its own name."""
        self._write("config.yaml", STATE, [{"name": n, "root": r, "prefix": f"{n}/"} for n, r in roots.items()])

    def _write(
        self, file: str, state: str, mirrors: list[dict[str, Any]], notify: dict[str, Any] | None = None
    ) -> None:
        usual = {
            "name": "site",
            "root": ROOT,
            "env": ENV,
            "prefix": PREFIX,
            "guard": None,
            "delete_grace_seconds": 0.3,
            "quiet_seconds": 0.3,
        }
        document = {
            "state_dir": state,
            "service": {"api_base": "http://127.0.0.1:8070", "retry_seconds": 0.1, "retry_max_seconds": 0.5},
            "credentials": {"appid": "wx0123456789abcdef", "secret_file": "${CREDENTIALS_DIRECTORY}/secret"},
            "mirrors": [{**usual, **mirror} for mirror in mirrors],
            **({"notify": notify} if notify else {}),  # a version before did not know it
        }
        self.guest.write(f"/etc/tcbsync/{file}", yaml.safe_dump(document))

    def tune(self, unit: str = UNIT, **lines: str) -> None:
        """Change lines of the unit by a drop-in, as `systemctl edit` does."""
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        self.guest.write(f"/etc/systemd/system/{unit}.d/tune.conf", f"[Service]\n{text}")
        self._tuned.add(unit)
        self.guest.run("systemctl", "daemon-reload")

    def restore(self) -> None:
        """Stop the service, and put back what tests have changed. The cloud and the manifest go on as they are."""
        self.guest.run("systemctl", "stop", UNIT, check=False)
        self.guest.run("systemctl", "reset-failed", check=False)
        for unit in self._tuned:
            (self.guest.root / f"etc/systemd/system/{unit}.d/tune.conf").unlink()
        self._tuned.clear()
        self.guest.run("systemctl", "daemon-reload")
        self.set_secret(SECRET)
        self.configure()

    # -- the service --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until disk and cloud are equal."""
        self.guest.run("systemctl", "start", UNIT)
        self.settle()

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until the daemon says that disk and cloud are equal, and see for ourselves."""

        def is_equal() -> bool:
            return "site: in_sync" in self.status_line() and self.cloud() == self.disk()

        try:
            eventually(is_equal, seconds)
        except AssertionError:
            cloud, disk = self.cloud(), self.disk()
            differ = sorted(path for path in cloud | disk if cloud.get(path) != disk.get(path))
            raise AssertionError(f"{self.status_line()}; differ: {differ}") from None

    def status_line(self) -> str:
        """Give what the daemon told systemd last."""
        return self.guest.show(UNIT, "StatusText")

    def pid(self) -> int:
        """Give the daemon's process, in the guest's numbers."""
        return int(self.guest.show(UNIT, "MainPID"))

    def kill(self, signal: str) -> None:
        """Send the daemon a signal."""
        self.guest.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", UNIT)

    def restarts(self) -> int:
        """Say how often systemd has started it anew since somebody did."""
        return int(self.guest.show(UNIT, "NRestarts"))

    @contextmanager
    def root_away(self) -> Iterator[None]:
        """Have the root lie elsewhere until the end of the block."""
        away = self.root.with_name("away")
        self.root.rename(away)
        try:
            yield
        finally:
            away.rename(self.root)

    @contextmanager
    def hanging(self, *paths: str) -> Iterator[None]:
        """Let whoever reads these files, or opens these folders, hang in the kernel until the end of the block."""
        self.guest.write("/srv/hang.py", HANG.read_text())
        command = self.guest.entering("python3", "/srv/hang.py", *paths)
        with subprocess.Popen(
            command, env=ENVIRONMENT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as hanging:
            assert hanging.stdin is not None
            assert hanging.stdout is not None
            assert hanging.stdout.readline() == "hanging\n"
            yield
            hanging.stdin.close()

    def journal(self, since: float = 0.0) -> str:
        """Give what it, and systemd about it, wrote since a moment."""
        return self.guest.journal(UNIT, since=since)

    def entries(self, *asked: str, since: float) -> list[dict[str, Any]]:
        """Give the fields of the journal's entries in its name since a moment, as `journalctl` is asked for them."""
        return self.guest.entries(f"--unit={UNIT}", *asked, since=since)

    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """Give what was posted to the webhook: to which path, and the message."""
        file = self.guest.root / "srv/heard"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(path, json.loads(message)) for path, _, message in (line.partition(" ") for line in lines)]

    def told(self, since: float) -> list[str]:
        """Give the messages of sd_notify(3) that systemd got from it since a moment, but for the watchdog's."""
        told = re.findall(r"Got notification message from PID \d+ \((.*)\)", self.journal(since))
        return [message for message in told if message != "WATCHDOG=1"]

    def uploads(self) -> int:
        """Count the files that were ever sent."""
        counters: dict[str, int] = self.guest.ask("counters")["calls"]
        return counters.get("cos", 0)

    def cloud(self, prefix: str = PREFIX) -> dict[str, bytes]:
        """Give the bytes of every object of a mirror, by path."""
        objects = {each["key"]: each["place"] for each in self.guest.ask(f"objects?env={ENV}")}
        data = self.guest.root / "srv/objects"
        mine = {key: place for key, place in objects.items() if key.startswith(prefix)}
        return {key.removeprefix(prefix): (data / place).read_bytes() for key, place in mine.items()}

    def disk(self) -> dict[str, bytes]:
        """Give the bytes of every file below the root, by path."""
        files = (file for file in self.root.rglob("*") if file.is_file())
        return {file.relative_to(self.root).as_posix(): file.read_bytes() for file in files}


def now() -> float:
    """Give the wall clock, for `journal` and `told`; the guest has the same."""
    return time.time()
