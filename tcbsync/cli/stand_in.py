"""`emulator` and `demo`: the stand-in cloud, and the whole thing on a sample tree with nothing to set up."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare
from tcbsync.cli.output import say
from tcbsync.core.errors import ConfigError, TcbsyncError


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    emulator = declare(
        verbs,
        "emulator",
        _emulator,
        "Stand in for the cloud, over real HTTP. Point service.api_base at it; objects lie as files below --data."
        " Takes any appid, secret and env unless they are narrowed.",
        needs_config=False,
    )
    emulator.add_argument(
        "--listen",
        type=_address,
        default="127.0.0.1:8070",
        metavar="HOST:PORT",
        help="default 127.0.0.1:8070; port 0 takes a free one",
    )
    emulator.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the objects lie")
    for name in ("appid", "secret", "env"):
        emulator.add_argument(f"--{name}", metavar=name.upper(), help=f"take only this {name}")
    emulator.add_argument("--latency", type=_latency, default=0.0, metavar="SECONDS", help="of every answer; default 0")
    emulator.add_argument(
        "--at-once", type=_count, metavar="N", help="refuse more requests at once than these; default any number"
    )
    emulator.add_argument("--faults", type=Path, metavar="FILE", help="faults to inject, as a JSON list")
    demo = declare(
        verbs,
        "demo",
        _demo,
        "See it work, with nothing to set up. Emulator and daemon on a sample tree: uploads, edits, renames, deletes,"
        " a killed daemon; after each step cloud and disk are compared byte for byte.",
        needs_config=False,
    )
    told = demo.add_mutually_exclusive_group()
    told.add_argument("--root", type=Path, metavar="DIR", help="mirror this folder instead; it is only read")
    told.add_argument(
        "--day", action="store_true", help="a day of troubles instead, in two minutes: what the operator sees of each"
    )
    demo.add_argument("--stay", action="store_true", help="keep running, and mirror what you change, until Ctrl-C")


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return text


def _latency(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 3600")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


async def _emulator(options: argparse.Namespace) -> int:
    from tcbsync.emulator.faults import Fault, from_json  # noqa: PLC0415 - a server nobody else needs
    from tcbsync.emulator.server import serve  # noqa: PLC0415
    from tcbsync.emulator.settings import Settings  # noqa: PLC0415

    faults: tuple[Fault, ...] = ()
    if options.faults:
        try:
            faults = from_json(json.loads(options.faults.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError(f"the faults in {options.faults} cannot be read: {error}") from None
    settings = Settings(
        data=options.data,
        listen=options.listen,
        appid=options.appid,
        secret=options.secret,
        env=options.env,
        latency_seconds=options.latency,
        at_once=options.at_once,
        faults=faults,
    )
    try:
        await serve(settings, lambda url: _announce(url, options.data))
    except OSError as error:
        where = f"on {options.listen} from {options.data}"
        raise TcbsyncError(f"the emulator cannot serve {where}: {error.strerror}") from error
    return exits.DONE


def _announce(url: str, data: Path) -> None:
    say(f"the emulator listens on {url}; objects lie in {data}")
    sys.stdout.flush()  # somebody may wait for this line at the other end of a pipe


def _demo(options: argparse.Namespace) -> int:
    from tcbsync.demo.story import tell  # noqa: PLC0415 - nobody else needs it

    return tell(options.root, is_day=options.day, stays=options.stay)
