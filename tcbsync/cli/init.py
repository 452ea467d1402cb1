"""`init`: writes a configuration, by asking, or from options. The file is the example with its comments, filled in.

The rule: an answer is checked at once, in the words in which a configuration is refused. The refusal: no file that is
there is overwritten unasked, and a secret is never taken from the command line, where every process can read it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare
from tcbsync.cli.output import paper, printable, say, signed, warn, write
from tcbsync.cli.telling import command_line
from tcbsync.config.advice import warnings
from tcbsync.config.example import filled
from tcbsync.config.load import load_text
from tcbsync.core.errors import ConfigError, TcbsyncError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

MISTAKE = re.compile(r"answer:\d+: (?P<key>[^ ]+): (?P<what>.+)", re.DOTALL)
HERE = "here"


class Question(NamedTuple):
    """Something to ask. `key` says where in the configuration the answer goes, `option` which option holds it."""

    key: str
    option: str
    words: str
    default: Callable[[dict[str, str]], str] = lambda _answers: ""


def _name(root: str) -> str:
    """Give a mirror's name after its folder's, as far as that has letters for it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(root).name).strip("-._")[:64] or "site"


def _prefix(values: dict[str, str]) -> str:
    return f"{values['mirrors.name']}/" if "mirrors.name" in values else ""


def _state_dir(_values: dict[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/tcbsync"
    return str(Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "tcbsync")


QUESTIONS = (
    Question("mirrors.root", "root", "folder to mirror", lambda _: str(Path.cwd())),
    Question("mirrors.env", "env", "environment of CloudBase to mirror it to (its ID)"),
    Question("mirrors.prefix", "prefix", "what stands before every path there", _prefix),
    Question("credentials.appid", "appid", "AppID of the mini program"),
    Question("secret", "secret", "its secret: a variable's NAME, a file's /PATH, or here", lambda _: "TCBSYNC_SECRET"),
    Question("state_dir", "state_dir", "directory for what is known of the cloud", _state_dir),
)


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    init = declare(
        verbs,
        "init",
        _init,
        "Write a configuration, by asking. Every answer is checked at once; what an option gives is not asked, and with"
        " --yes nothing is: the rest has its default. The file names every other option with its meaning and default."
        " It is readable for its owner alone where it holds a secret.",
    )
    for name, what in (
        ("root", "the folder to mirror"),
        ("env", "the environment's ID"),
        ("prefix", "what stands before every path in the cloud (the folder's name)"),
        ("appid", "the mini program's AppID"),
        ("state-dir", "where the manifest lives"),
        ("name", "what the mirror is called (the folder's name)"),
    ):
        init.add_argument(f"--{name}", metavar="DIR" if name in ("root", "state-dir") else name.upper(), help=what)
    source = init.add_mutually_exclusive_group()
    source.add_argument("--secret-env", metavar="VARIABLE", help="the secret is in this variable (TCBSYNC_SECRET)")
    source.add_argument("--secret-file", metavar="FILE", help="the secret is in this file")
    init.add_argument("--yes", action="store_true", help="ask nothing")
    init.add_argument("--force", action="store_true", help="overwrite a file that is there")


def _init(options: argparse.Namespace) -> int:
    path = options.config or Path(os.environ.get("TCBSYNC_CONFIG") or "config.yaml")
    if path.exists() and not options.force:
        raise _there(path)
    asks = not options.yes
    if asks and not sys.stdin.isatty():
        warn("tcbsync: nobody is there to be asked: --yes takes the defaults, and --help lists the options")
        return exits.USAGE
    try:
        values = _values(options, asks=asks)
    except EOFError:
        raise TcbsyncError("nothing was written", hint="the questions were not answered") from None
    text = filled(values)
    config = load_text(text, str(path))
    _write(path, text, is_secret="credentials.secret" in values, may_replace=options.force)
    say(signed("well", f"written to {path}"))
    for warning in warnings(config, path):
        warn(f"tcbsync: warning: {warning}")
    say("  Is all as it must be? The next step:")
    write(command_line(f"tcbsync check -c {path}", paper()))
    return exits.DONE


def _values(options: argparse.Namespace, *, asks: bool) -> dict[str, str]:
    """Give what goes into the file, by key. Raises ConfigError, EOFError."""
    values: dict[str, str] = {}
    given = vars(options) | {"secret": options.secret_env or options.secret_file}
    missing = []
    for question in QUESTIONS:
        answer = given[question.option]
        default = question.default(values)
        if answer is None and asks:
            values |= _asked(question, default, values, options.name)
            continue
        if answer is None and not default:
            missing.append(f"--{question.option.replace('_', '-')}")
            continue
        values |= _placed(question, default if answer is None else answer, options.name, is_file=options.secret_file)
        if problem := _problem(question, values):
            raise ConfigError(f"--{question.option.replace('_', '-')}: {problem}")
    if missing:
        raise ConfigError(f"{' and '.join(missing)} must be given", hint="without --yes they are asked for")
    return values


def _asked(question: Question, default: str, values: dict[str, str], name: str | None) -> dict[str, str]:
    """Ask until the answer is right."""
    while True:
        shown = f" [{default}]" if default else ""
        answer = input(printable(f"{question.words}{shown}: ")).strip() or default
        placed = _placed(question, answer, name)
        if problem := _problem(question, values | placed):
            say(signed("act", problem, plain="  "), hang=2)
            continue
        if question.key == "mirrors.root" and not Path(placed["mirrors.root"]).is_dir():
            say(signed("wait", "there is no such folder now: `run` waits for it, and mirrors it once it is there"))
        return placed


def _placed(question: Question, answer: str, name: str | None, *, is_file: bool = False) -> dict[str, str]:
    """Say where in the configuration an answer goes."""
    match question.key:
        case "mirrors.root":
            root = str(Path(answer).expanduser().absolute()) if answer else ""
            return {"mirrors.root": root, "mirrors.name": name or _name(root)}
        case "state_dir":
            return {"state_dir": str(Path(answer).expanduser().absolute()) if answer else ""}
        case "secret" if answer == HERE:
            return {"credentials.secret": getpass.getpass("secret (not shown): ").strip()}
        case "secret" if is_file or "/" in answer:
            return {"credentials.secret_file": answer}
        case "secret":
            return {"credentials.secret_env": answer}
    return {question.key: answer}


def _problem(question: Question, values: dict[str, str]) -> str:
    """Say what is wrong with the last answer, in the words of the configuration's own checks; empty if nothing is."""
    if question.key in ("mirrors.root", "state_dir", "credentials.appid") and not values[question.key]:
        return "must not be empty"
    known = {"credentials.secret_env": "TCBSYNC_SECRET"} if not any("secret" in key for key in values) else {}
    try:
        load_text(filled(known | values), "answer")
    except ConfigError as error:
        told = [found for mistake in error.mistakes if (found := MISTAKE.fullmatch(mistake))]
        mine = [found["what"] for found in told if found["key"].replace("[0]", "") in values]
        return mine[0] if mine else str(error)
    return ""


def _write(path: Path, text: str, *, is_secret: bool, may_replace: bool) -> None:
    """Write the file; one that is there by now stays unless it `may_replace` it, and then as a whole or not at all.

    A directory that root makes for it is everybody's to enter, as /etc is: the service's user has to. Raises
    TcbsyncError.
    """
    written = path.with_name(f".{path.name}.{os.getpid()}") if may_replace else path
    is_begun = False
    try:
        _make(path.parent, 0o755 if os.geteuid() == 0 else 0o700)
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        is_begun = True
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o600 if is_secret else 0o644)
        if may_replace:
            written.replace(path)
    except FileExistsError as error:
        raise _there(Path(error.filename)) from error
    except OSError as error:
        if is_begun:
            with contextlib.suppress(OSError):
                written.unlink()
        raise TcbsyncError(f"{path} cannot be written: {error.strerror}") from error


def _make(folder: Path, mode: int) -> None:
    """Make a directory and those above it that are not there, whatever the umask."""
    if not folder.is_dir():
        _make(folder.parent, mode)
        folder.mkdir()
        folder.chmod(mode)


def _there(path: Path) -> TcbsyncError:
    return TcbsyncError(f"{path} is there already", hint="--force overwrites it, -c names another file")
