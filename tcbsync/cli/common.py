"""What verbs share: how one is declared, the configuration, the mirrors that it speaks of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tcbsync import status
from tcbsync.cli.log import FORMATS
from tcbsync.cli.output import warn
from tcbsync.config.advice import warnings
from tcbsync.config.load import find_config, load
from tcbsync.core.errors import StateError
from tcbsync.daemon.assemble import chosen
from tcbsync.store.lock import holder

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable

    from tcbsync.config.schema import Config, MirrorConfig
    from tcbsync.store.report import Report

log = logging.getLogger(__name__)

Verbs = Any
"""What argparse calls a sub-parsers action; its class is private."""


class Reported(NamedTuple):
    """A mirror of the configuration, and its rows if there are any yet."""

    config: MirrorConfig
    report: Report | None


def declare(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], Any], text: str, *, needs_config: bool = True
) -> argparse.ArgumentParser:
    """Declare a verb; the first sentence of `text` is its line in the list of verbs."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=text.split(". ", maxsplit=1)[0].rstrip("."), description=text
    )
    if needs_config:
        verb.add_argument("-c", "--config", type=Path, metavar="CONFIG", help="the configuration file")
    verb.add_argument("-v", "--verbose", action="store_true", help="log every step, to standard error")
    verb.add_argument(
        "--log-format",
        choices=FORMATS,
        default="auto",
        help="how the log is written; auto: as fields under systemd's journal, else text for people",
    )
    # Whoever has a configuration has a state directory, which is nobody else's business, whatever the umask.
    verb.set_defaults(run=run, logs=False, is_private=needs_config)
    return verb


def takes_json(verb: argparse.ArgumentParser) -> None:
    """Let a verb report as JSON."""
    verb.add_argument("--json", action="store_true", help="report as JSON")


def takes_mirror(verb: argparse.ArgumentParser) -> None:
    """Let a verb speak of one mirror only; it may be given more than once."""
    verb.add_argument("--mirror", action="append", default=[], metavar="NAME", help="only this mirror (repeatable)")


def load_config(options: argparse.Namespace) -> Config:
    """Load the configuration that the options name, and warn of what should be mended. Raises ConfigError."""
    path = find_config(options.config)
    config = load(path)
    for warning in warnings(config, path):
        if options.logs:
            log.warning("%s", warning)
        else:
            warn(f"tcbsync: warning: {warning}")
    return config


def named(options: argparse.Namespace, config: Config) -> list[MirrorConfig]:
    """Give the mirrors that the options name, each once, or all. Raises ConfigError."""
    return chosen(config, list(dict.fromkeys(getattr(options, "mirror", []))))


def reported(options: argparse.Namespace, config: Config) -> list[Reported]:
    """Give the mirrors that the options name, or all, with their rows for reading. Raises ConfigError, StateError."""
    return [
        Reported(mirror, status.open_report(config.state_dir, mirror.name, mirror.env, mirror.prefix))
        for mirror in named(options, config)
    ]


def at_work(state_dir: Path) -> tuple[str, bool]:
    """Name the process that holds the state directory now, if any, and say whether it is a daemon, which answers."""
    process = holder(state_dir) or ""
    return process, process.startswith("tcbsync run ")


def needs_daemon(config: Config, otherwise: str) -> None:
    """See that a daemon holds the state directory now. Raises StateError, which says what to do `otherwise`."""
    process, is_daemon = at_work(config.state_dir)
    if is_daemon:
        return
    if process:
        raise StateError(
            f"{config.state_dir} is held by {process}, which takes no orders", hint="wait until it is done"
        )
    raise StateError(f"no daemon runs with {config.state_dir}", hint=otherwise)


async def ask_daemon(state_dir: Path, verb: str, **values: Any) -> Any:
    """Ask the daemon that holds the state directory. Raises StateError."""
    from tcbsync import control  # noqa: PLC0415 - what speaks HTTP takes longer to load than most verbs to run

    return await control.ask(state_dir, verb, **values)


def follow_daemon(config: Config, verb: str, **values: Any) -> AsyncIterator[Any]:
    """Ask it what takes a while: give its answers as they come. Raises StateError where it does not go on."""
    from tcbsync import control  # noqa: PLC0415 - see `ask_daemon`

    return control.follow(config.state_dir, verb, **values)
