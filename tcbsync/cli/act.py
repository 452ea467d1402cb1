"""`retry` and `approve`: the verbs by which a person lets things go on. By the daemon, or in the manifest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, ask_daemon, at_work, declare, load_config, named, takes_json, takes_mirror
from tcbsync.cli.output import as_json, paper, plural, say, write
from tcbsync.cli.telling import verdict_lines
from tcbsync.daemon.assemble import chosen
from tcbsync.store import rows
from tcbsync.store.store import Store
from tcbsync.verdict import hindrances

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from tcbsync.config.schema import Config, MirrorConfig


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    retry = declare(
        verbs,
        "retry",
        _retry,
        "Try again, now, what failed. Parked files and those that wait for their next attempt; the running daemon"
        " takes them up at once, else the next sync does. Says what keeps them back, if that is no fault of theirs.",
    )
    takes_mirror(retry)
    approve = declare(
        verbs,
        "approve",
        _approve,
        "Let the held deletes of a mirror go. Exactly those that `tcbsync held` lists; each is looked at on disk once"
        " more, and one whose file is back is called off.",
    )
    approve.add_argument("mirror", metavar="MIRROR")
    approve.add_argument(
        "--list", default="", metavar="ID", help="only if the held deletes are still those that `held` listed as ID"
    )
    for verb in (retry, approve):
        takes_json(verb)


async def _retry(options: argparse.Namespace) -> int:
    config = load_config(options)
    counts, when = await _write(config, "retry", rows.retry, named(options, config))
    _tell(options, counts, f"tried again {when}", "file", "nothing failed")
    if at_work(config.state_dir)[1] and not options.json:
        answer = await ask_daemon(config.state_dir, "status")
        meant = [mirror for mirror in answer["mirrors"] if mirror["name"] in counts]
        for verdict in hindrances({**answer, "mirrors": meant}, time.time()):
            write(verdict_lines(verdict, paper()))
    return exits.DONE


async def _approve(options: argparse.Namespace) -> int:
    config = load_config(options)
    mirrors = chosen(config, [options.mirror])
    counts, when = await _write(config, "approve", rows.approve, mirrors, listing=options.list)
    _tell(options, counts, f"approved, carried out {when}", "delete", "nothing is held")
    return exits.DONE


def _tell(options: argparse.Namespace, counts: dict[str, int], done: str, what: str, nothing: str) -> None:
    if options.json:
        as_json(counts)
    else:
        say(*(f"{name}: {f'{plural(count, what)} {done}' if count else nothing}" for name, count in counts.items()))


async def _write(
    config: Config, verb: str, command: Callable[..., int], mirrors: Sequence[MirrorConfig], **values: str
) -> tuple[dict[str, int], str]:
    """Have a command carried out. Gives the rows that it touched, by mirror, and when they move. Raises StateError."""
    _, is_daemon = at_work(config.state_dir)
    counts: dict[str, int] = {}
    if is_daemon:
        for mirror in mirrors:
            counts |= await ask_daemon(config.state_dir, verb, mirror=mirror.name, **values)
        return counts, "by the daemon, now"
    store = Store(config.state_dir, verb)
    try:
        for mirror in mirrors:
            manifest = await store.manifest(mirror.name, mirror.env, mirror.prefix)
            counts[mirror.name] = await manifest.write(command, **values)
    finally:
        await store.close()
    return counts, "with the next sync"
