"""Makes a small Debian once, keeps it, and boots it in seconds as often as a test wants one; nothing in it is kept.

Needs root, debootstrap and systemd-nspawn, and the mirror that this host's own apt uses. The tree is made in about a
minute, and kept in `$TCBSYNC_BOOTED`, or else in /var/cache/tcbsync-booted; a folder that is removed is made anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

SUITE = "bookworm"
SERIES = (3, 11)
"""The suite's Python: the package is built by the same."""
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv"
CACHE = Path(os.environ.get("TCBSYNC_BOOTED", "/var/cache/tcbsync-booted"))
HOUSE = Path(__file__).parent.parent.parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
COMMANDS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "dpkg-deb": "dpkg",
    "nsenter": "util-linux",
    "mkfs.ext4": "e2fsprogs",
}
OVERLAY = ("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc:/usr", "/mnt")
APART = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--net", "--fork")
CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
ASK = """\
import sys, urllib.request
url, *document = sys.argv[1:]
print(urllib.request.urlopen(urllib.request.Request(url, *map(str.encode, document))).read().decode())
"""


def missing() -> str:
    """Say why nothing can be booted here; empty where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root can boot a Debian in a container"
    absent = [package for command, package in COMMANDS.items() if shutil.which(command) is None]
    if absent:
        return f"apt-get install {' '.join(absent)}"
    if sys.version_info[:2] != SERIES:
        return f"{SUITE} has Python {'.'.join(map(str, SERIES))}, and the package is for that which builds it"
    return _refused() or ("" if _mirror() else "apt has no Debian mirror here")


def _refused() -> str:
    """Say which of the things that systemd-nspawn does the kernel, or a sandbox, does not let us do."""
    tried = subprocess.run([*APART, *OVERLAY], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"this host lets nobody make a container: {tried.stderr.strip()}"
    hierarchies = [Path(folder) for folder in CGROUPS if (Path(folder) / "cgroup.procs").exists()]
    if not any(os.access(folder, os.W_OK) for folder in hierarchies):
        return "this host lets nobody make a control group"
    return ""


def _mirror() -> str:
    """Give the address that this host's apt has Debian's packages from."""
    if shutil.which("apt-get") is None or platform.freedesktop_os_release().get("ID") != "debian":
        return ""
    host = platform.freedesktop_os_release().get("VERSION_CODENAME", SUITE)
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    targets = [line.split(" ", 2) for line in listed.stdout.splitlines()]
    return next((uri for release, component, uri in targets if (release, component) == (host, "main")), "")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time make what is kept in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def base() -> Path:
    """Give the tree that guests are booted from, and make it where there is none."""
    tree, unfinished = CACHE / SUITE, CACHE / f"{SUITE}.unfinished"
    with alone(CACHE):
        if not tree.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(unfinished), _mirror()]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            assert made.returncode == 0, made.stdout[-2000:] + made.stderr
            for file in (unfinished / "var/cache/apt/archives").glob("*.deb"):
                file.unlink()
            for unit in ("console-getty.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
                (unfinished / "etc/systemd/system" / unit).symlink_to("/dev/null")
            unfinished.rename(tree)
    return tree


def package(folder: Path, source: Path = HOUSE, version: str = "") -> Path:
    """Build the Debian package of a tree."""
    command = [str(HOUSE / "systemd/debian/build"), str(folder), str(source), *([version] if version else [])]
    built = subprocess.run(
        command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return Path(built.stdout.strip())


def package_of(folder: Path, commit: str, version: str) -> Path:
    """Build the package of an older state of this project, as this tree builds packages."""
    source = folder / "source"
    source.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=HOUSE, capture_output=True, check=True)
    subprocess.run(["tar", "x", "-C", str(source)], input=archive.stdout, check=True)
    return package(folder, source, version)


class Guest:
    """A booted Debian: what can be done in it and asked of it, from outside."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self.root = Path(f"/proc/{leader}/root")
        """Its files, as it sees them."""

    def entering(self, *command: str) -> list[str]:
        """Give the command that carries out `command` as its root, who may do more there than its services may."""
        return ["nsenter", "--target", str(self._leader), "--all", *command]

    def run(self, *command: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Carry out a command as its root."""
        done = subprocess.run(
            self.entering(*command),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def says(self, *command: str) -> str:
        """Carry out a command, and give what it prints."""
        return self.run(*command).stdout.strip()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, with the directories that it needs."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def show(self, unit: str, name: str) -> str:
        """Give a property of a unit."""
        return self.says("systemctl", "show", "-P", name, unit)

    def journal(self, *units: str, since: float = 0.0) -> str:
        """Give what was written in the name of units since a moment (unix seconds), by them and by systemd."""
        return self._journal("cat", *(f"--unit={unit}" for unit in units), since=since)

    def entries(self, *asked: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Give the fields of the entries that `journalctl` has when it is asked so, since a moment."""
        return [json.loads(line) for line in self._journal("json", *asked, since=since).splitlines()]

    def _journal(self, form: str, *asked: str, since: float) -> str:
        self.run("journalctl", "--sync")
        return self.says("journalctl", f"--output={form}", "--no-pager", f"--since=@{since:.3f}", *asked)

    def ask(self, question: str, *document: Any, port: int = 8070) -> Any:
        """Ask or command the emulator that runs in it."""
        url = f"http://127.0.0.1:{port}/_emulator/{question}"
        return json.loads(self.says("python3", "-c", ASK, url, *map(json.dumps, document)) or "null")


@contextmanager
def booted(console: Path) -> Iterator[Guest]:
    """Boot one, with no network but its own loopback, and a root file system that is forgotten at the end."""
    command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--volatile=overlay"]
    with console.open("w") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command, "--boot", "--directory", str(base())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield _arrived(process, console)
    finally:
        process.terminate()  # systemd-nspawn(1): an orderly shutdown
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _arrived(process: subprocess.Popen[bytes], console: Path) -> Guest:
    def leader() -> Guest | None:
        assert process.poll() is None, f"it did not boot: {console.read_text(errors='replace')}"
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            guest = Guest(int(child))
            state = guest.run("systemctl", "is-system-running", check=False).stdout.strip()
            if state in ("running", "degraded"):
                return guest
        return None

    return eventually(leader)


def eventually(condition: Callable[[], T | None], seconds: float = 60.0, every: float = 0.1) -> T:
    """Wait until the condition gives something true, and give that; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(every)
    return found
