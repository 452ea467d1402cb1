"""The operator's desk on a day in fast forward: what he reads there, and whether it is what he has to read.

On it lie `tcbsync status`, the log, the line that `systemctl status` would show (the desk hears the daemon as systemd
does, by sd_notify(3)), and the messages of a webhook.

Rule: a scene names the words that must be seen, each in its place. Where they do not come, the story fails.
"""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tcbsync.demo.accounts import Proofs, Sums
from tcbsync.demo.compare import Difference
from tcbsync.demo.processes import ask
from tcbsync.demo.stage import SECRET, StoryFailed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tcbsync.demo.inbox import Inbox
    from tcbsync.demo.stage import Stage
    from tcbsync.demo.voice import Voice

Seen = TypeVar("Seen")

CONFIG = """\
# Written by `tcbsync demo --day`. config.example.yaml explains every option.
state_dir: {state}
service:
  api_base: {url}
  uploads: {uploads}
  retry_seconds: 0.1           # 0.5 unless said otherwise: this day is short
  retry_max_seconds: 1         # 30 unless said otherwise
{service}credentials:
  appid: wx0123456789abcdef
  secret_file: {secret}
notify:
  settle_seconds: 0            # 90 unless said otherwise: what lasts so long is told
  webhooks: [{{url: "{hook}"}}]
web:
  listen: 127.0.0.1:0          # any port that is free; 8071 unless said otherwise
mirrors:
  - name: site
    root: {root}
    env: {env}
    delete_grace_seconds: 0.3  # a delete waits so long for the file to come back; 3 unless said otherwise
    quiet_seconds: 0.3         # a file that is being written has to be left alone so long; 2 unless said otherwise
"""
LETTER_BYTES = 64 * 1024
CLOCK = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
"""Before a line of the log where no journal adds it: it is of today, and not of the day that is told."""
WELL = "In sync."
SHOWN = 4
"""Of what a verb says at length, so many lines are shown at either end."""


class Answer(NamedTuple):
    """What a verb said."""

    code: int
    lines: list[str]


class Unit:
    """The place of systemd: hears what the daemon tells it, and keeps the last STATUS."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("")  # unix(7), autobind: a name in the abstract namespace that is free, and no file
        self.address = "@" + self._socket.getsockname()[1:].decode()
        self._line = ""

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def line(self) -> str:
        """Give what `systemctl status` would show now after "Status:"."""
        with contextlib.suppress(BlockingIOError):
            while letter := self._socket.recv(LETTER_BYTES).decode("utf-8", "replace"):
                said = [line.removeprefix("STATUS=") for line in letter.split("\n") if line.startswith("STATUS=")]
                self._line = said[-1] if said else self._line
        return self._line


class Desk:
    """What the operator sees of one stage, and what he types."""

    def __init__(self, stage: Stage, voice: Voice, unit: Unit, inbox: Inbox) -> None:
        self.stage = stage
        self.voice = voice
        self.unit = unit
        self.inbox = inbox
        self.sums = Sums(stage)
        self.proofs = Proofs(stage)
        self._secret = stage.place / "secret"
        self._clock = ""
        self._scene_at = 0
        """The log's size when the scene began."""
        self._read_at = 0
        """And when it was last printed."""
        self._scene_told = 0
        """So many messages had come when the scene began."""
        self._told = 0
        """And so many have been printed."""

    # -- what is done --------------------------------------------------------------------------------------------------

    def scene(self, clock: str, text: str) -> None:
        """Begin a scene: what happens, and when. What the log has said before is not of it."""
        self._clock = clock
        self._scene_at = self._log_end()
        self._scene_told = len(self.inbox.messages)
        self.voice.scene(clock, text)

    def keep_secret(self, secret: str = SECRET) -> None:
        """Put a secret where the daemon reads it."""
        self._secret.touch(mode=0o600)
        self._secret.write_text(secret, "utf-8")

    def configure(self, service: str = "") -> None:
        """Write the configuration; `service` is one more line of that section."""
        more = f"  {service}\n" if service else ""
        self.stage.configure(CONFIG, secret=quoted(str(self._secret)), service=more, hook=self.inbox.url)
        self.stage.config.chmod(0o600)  # whoever knows a webhook's address may post to it

    def start(self, **environment: str) -> None:
        """Start the daemon, as systemd does."""
        self.stage.start_daemon(NOTIFY_SOCKET=self.unit.address, **environment)

    def does(self, words: str) -> None:
        """Say what somebody does about it, by other means than a verb."""
        self.voice.sights({"done": [words]})

    def says(self, typed: str, *, code: int = 0, words: str = "") -> str:
        """Type a verb of tcbsync, and print what it says. Raises StoryFailed where code or words are others."""
        answer = self._ask(*typed.split())
        self.voice.sights({"typed": [f"tcbsync {typed}"]} | _sight("says", answer.code, _shortened(answer.lines)))
        if answer.code != code or words not in (said := "\n".join(answer.lines)):
            raise StoryFailed(f"{self._clock}: `tcbsync {typed}` should end with {code}, and say {words!r}")
        return said

    # -- what is seen --------------------------------------------------------------------------------------------------

    def sees(self, verdict: str, *more: str, code: int = 0, log: str = "", unit: str = "", told: str = "") -> None:
        """Wait until all that has to be read is to be read, and print it.

        `verdict` and `more` by `tcbsync status`, which ends with `code`; `log` in it since the scene began; `unit` by
        systemd; `told` in a message of the webhook since then. Raises StoryFailed with what was missing, Interrupted.
        """
        self._until(lambda: unit in self.unit.line(), f"systemd to show {unit!r}")
        self._hears(log)
        self._until(lambda: told in "\n".join(self.inbox.messages[self._scene_told :]), f"a message that says {told!r}")
        words = (verdict, *more)
        answer = self._until(lambda: self._status(code, words), f"status to say {words}, and to end with {code}")
        first = answer.lines.index("") if "" in answer.lines else len(answer.lines)
        shown = answer.lines[:first] + [line for line in answer.lines[first:] if any(word in line for word in more)]
        heard = [self.unit.line()] if unit else []
        self.voice.sights(
            _sight("status", code, shown) | {"systemd": heard, "log": self._news(), "webhook": self._messages()}
        )

    def over(self, *more: str, log: str = "", told: str = "") -> None:
        """See that it is over: all is well again by every sign, and every byte of both sides is equal."""
        self._hears(log)
        # What systemd shows costs nothing to read: as long as it says otherwise, nothing is compared.
        self._until(
            lambda: "site: in_sync, " in self.unit.line() and self.stage.is_alike(), "disk and cloud to be equal"
        )
        files = len(self.stage.folder.look().files)
        self.sees(WELL, *more, log=log, unit=f"site: in_sync, {files:,} in the cloud", told=told)
        proof = self.stage.until_equal()
        self.proofs.proved(proof.tree)
        self.voice.sights(
            {"equal": [f"{proof.files:,} files, {proof.size:,} bytes; {proof.sent} sent, {proof.gone} gone"]}
        )
        self.sums.scrape()

    def _hears(self, words: str) -> None:
        self._until(lambda: words in "\n".join(self._log(self._scene_at)), f"the log to say {words!r}")

    def _until(self, seen: Callable[[], Seen | None], what: str) -> Seen:
        """Wait for something to be read. Raises StoryFailed with all that is to be read instead."""
        try:
            return self.stage.until(seen, f"at {self._clock} the operator waits for {what}")
        except StoryFailed as error:
            status = [Difference("status", line) for line in self._ask("status").lines]
            instead = [*status, Difference("systemd", self.unit.line())]
            raise StoryFailed(str(error), instead) from None

    def _status(self, code: int, words: Sequence[str]) -> Answer | None:
        answer = self._ask("status")
        said = "\n".join(answer.lines)
        return answer if answer.code == code and all(word in said for word in words) else None

    def _ask(self, verb: str, *arguments: str) -> Answer:
        code, printed = ask(verb, "-c", str(self.stage.config), *arguments, has_errors=True)
        return Answer(code, printed.splitlines())

    def _log_end(self) -> int:
        log = self.stage.daemon_log
        return log.stat().st_size if log.exists() else 0

    def _log(self, begin: int) -> list[str]:
        """Give the log from a byte on, without its clock."""
        log = self.stage.daemon_log
        written = log.read_bytes()[begin:] if log.exists() else b""
        return [CLOCK.sub("", line) for line in written.decode("utf-8", "replace").splitlines()]

    def _news(self) -> list[str]:
        """Give what the log has said since this was last asked."""
        begin, self._read_at = self._read_at, self._log_end()
        return self._log(begin)

    def _messages(self) -> list[str]:
        """Give what the inbox was told since this was last asked."""
        begin, self._told = self._told, len(self.inbox.messages)
        return self.inbox.messages[begin:]


def _shortened(lines: Sequence[str]) -> Sequence[str]:
    """Leave out the middle of what is long."""
    left_out = len(lines) - 2 * SHOWN
    return lines if left_out < 2 else [*lines[:SHOWN], f"  … {left_out} lines more …", *lines[-SHOWN:]]


def _sight(place: str, code: int, lines: Sequence[str]) -> dict[str, Sequence[str]]:
    return {place: lines[:1], f"exit {code}": lines[1:] or [""]}
