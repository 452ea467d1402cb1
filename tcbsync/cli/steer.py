"""`reload`, `pause`, `resume`, `rescan`, `events`: how a person steers a running daemon, and hears of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, ask_daemon, at_work, declare, follow_daemon, load_config, needs_daemon, takes_json
from tcbsync.cli.lines import Span
from tcbsync.cli.output import as_json, plural, printable, say, warn
from tcbsync.cli.paths import scopes
from tcbsync.core.events import KINDS, documented
from tcbsync.daemon.assemble import chosen
from tcbsync.store import pauses
from tcbsync.store.lock import StateLock

if TYPE_CHECKING:
    from tcbsync.config.schema import Config
    from tcbsync.core.events import Documented


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    reload = declare(
        verbs,
        "reload",
        _reload,
        "Have the running daemon read its configuration again. Says what is different and applies it: mirrors come, go"
        " and change, time limits, numbers and credentials, and a secret whose file has changed. What is in flight"
        " lands; mirrors that are the same go on. Where anything is wrong, everything stays as it was, and exit is 78."
        " Objects of a mirror that was taken out stay in the cloud: see `forget`. SIGHUP does the same.",
    )
    reload.add_argument("--dry-run", action="store_true", help="only say what would change")
    pause = declare(
        verbs,
        "pause",
        _pause,
        "Stop uploads and deletes, of one mirror or all. What is in flight lands; looks go on, so that nothing is"
        " missed. It stays so, over restarts and for `sync` too, until `resume`.",
    )
    resume = declare(
        verbs, "resume", _resume, "Let uploads and deletes go on, of one mirror or all. What has waited goes at once."
    )
    for verb in (pause, resume):
        verb.add_argument("mirror", metavar="MIRROR", nargs="?", help="all mirrors, where none is named")
    rescan = declare(
        verbs,
        "rescan",
        _rescan,
        "Have the running daemon look at a path now, or at everything. Comes back at once; `flush` waits.",
    )
    rescan.add_argument("path", metavar="PATH", nargs="?", help="a path on this disk, or a mirror's name")
    events = declare(
        verbs,
        "events",
        _events,
        "Show what the running daemon does, a line for each event. Uploads, deletes, failures, holds, changes of state;"
        " with --json objects, one a line; --list documents them all. Ends with exit 1 where the daemon ends.",
    )
    events.add_argument("--follow", "-f", action="store_true", help="go on, until Ctrl-C")
    events.add_argument("--list", action="store_true", help="list every event with its level, fields and meaning")
    events.add_argument("--last", type=_count, default=20, metavar="N", help="how many of the newest ones first (20)")
    for verb in (reload, pause, resume, rescan, events):
        takes_json(verb)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number up to 1000")
    return int(text)


async def _reload(options: argparse.Namespace) -> int:
    config = load_config(options)
    needs_daemon(config, "`tcbsync run` reads the configuration when it starts; was state_dir changed?")
    answer: dict[str, Any] = {}
    async for told in follow_daemon(config, "reload", dry_run=options.dry_run):
        answer = told
    if options.json:
        as_json(answer)
    else:
        say(*(change["words"] for change in answer["changes"]))
        what = plural(len(answer["changes"]), "change")
        if not answer["changes"]:
            say("nothing is different")
        else:
            say(f"{what} applied" if answer["applied"] else f"{what}; nothing is applied yet (--dry-run)")
    return exits.DONE


async def _pause(options: argparse.Namespace) -> int:
    config = load_config(options)
    _tell_halted(options, await _halt(config, "pause", options.mirror), "paused", "paused already")
    return exits.DONE


async def _resume(options: argparse.Namespace) -> int:
    config = load_config(options)
    _tell_halted(options, await _halt(config, "resume", options.mirror), "goes on", "was not paused")
    return exits.DONE


async def _halt(config: Config, verb: str, name: str | None) -> dict[str, Any]:
    """Have mirrors paused or resumed: by the daemon, or where none runs, for the next run. Raises StateError."""
    names = [mirror.name for mirror in chosen(config, [name] if name else [])]
    if at_work(config.state_dir)[1]:
        answer: dict[str, Any] = await ask_daemon(config.state_dir, verb, mirror=name or "")
        return answer
    lock = await asyncio.to_thread(StateLock, config.state_dir, verb)
    with contextlib.closing(lock):
        if verb == "pause":
            changed = pauses.pause(config.state_dir, names, time.time())
        else:
            changed = pauses.resume(config.state_dir, names)
    return {each: {"was": each in changed, "in_flight": 0} for each in names}


def _tell_halted(options: argparse.Namespace, answer: dict[str, Any], done: str, nothing: str) -> None:
    if options.json:
        as_json({name: {"changed": each["was"], "in_flight": each["in_flight"]} for name, each in answer.items()})
        return
    for name, each in answer.items():
        left = f"; up to {plural(each['in_flight'], 'file')} in flight will land" if each["in_flight"] else ""
        say(f"{name}: {(done if each['was'] else nothing)}{left if done == 'paused' else ''}")


async def _rescan(options: argparse.Namespace) -> int:
    config = load_config(options)
    named = scopes(config, options.path)
    needs_daemon(config, "`tcbsync sync` looks at everything, and mirrors it")
    pairs = [[scope.mirror.name, scope.path] for scope in named]
    answer = await ask_daemon(config.state_dir, "rescan", scopes=pairs)
    if options.json:
        as_json(answer)
    else:
        say(*(f"{scope}: looked at now" for scope in named))
    return exits.DONE


async def _events(options: argparse.Namespace) -> int:
    if options.list:
        _list([documented(kind) for kind in KINDS], is_json=options.json)
        return exits.DONE
    config = load_config(options)
    needs_daemon(config, "its log tells what happened before: `journalctl -u tcbsync`")
    values = {"follow": options.follow, "last": options.last}
    try:
        async for told in follow_daemon(config, "events", **values):
            print(json.dumps(told) if options.json else printable(line(told)), flush=True)
    except asyncio.CancelledError:  # Ctrl-C is how one stops to follow
        return exits.DONE
    if options.follow:
        warn("the daemon has ended")
        return exits.FAILED
    return exits.DONE


def _list(events: list[Documented], *, is_json: bool) -> None:
    if is_json:
        as_json([event._asdict() for event in events])
        return
    for event in events:
        fields = ", ".join(f"{name} ({kind})" for name, kind in event.fields.items())
        say([Span(event.name, "strong"), f"  {event.level}", f"  {fields}" if fields else ""], hang=4)
        say(f"    {event.meaning}", hang=4)


def line(told: dict[str, Any]) -> str:
    """Write an event for people: when, which mirror, what, and its fields."""
    fields = {name: value for name, value in told.items() if name not in ("at", "event", "mirror", "path")}
    words = [told["at"][:19], *filter(None, (told["mirror"], told["event"].replace("_", " "), told.get("path")))]
    return "  ".join(
        [*words, *(f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", False))]
    )


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
