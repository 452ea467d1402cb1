"""`retry` and `approve`: the verbs by which a person lets things go on. By the daemon, or in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync import control
from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, load_config, takes_json, takes_mirror
from tcbsync.cli.output import as_json, plural, say
from tcbsync.daemon.assemble import chosen
from tcbsync.store import rows
from tcbsync.store.lock import holder
from tcbsync.store.store import Store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from tcbsync.config.schema import Config


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    retry = declare(
        verbs,
        "retry",
        _retry,
        "Try again, now, what failed. Parked files and those that wait for their next attempt; the running daemon"
        " takes them up at once, else the next sync does.",
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
    for verb in (retry, approve):
        takes_json(verb)


async def _retry(options: argparse.Namespace) -> int:
    config = load_config(options)
    counts = await write(config, "retry", rows.retry, options.mirror)
    _tell(options, counts, "file", "will be tried again")
    return exits.DONE


async def _approve(options: argparse.Namespace) -> int:
    config = load_config(options)
    counts = await write(config, "approve", rows.approve, [options.mirror])
    _tell(options, counts, "delete", "approved")
    return exits.DONE


def _tell(options: argparse.Namespace, counts: dict[str, int], what: str, done: str) -> None:
    if options.json:
        as_json(counts)
    else:
        say(*(f"{name}: {plural(count, what)} {done}" for name, count in counts.items()))


async def write(config: Config, verb: str, command: Callable[..., int], names: Sequence[str]) -> dict[str, int]:
    """Have a command carried out for some mirrors, or all. Gives the rows it touched, by mirror. Raises StateError."""
    mirrors = chosen(config, names)
    if holder(config.state_dir):
        counts: dict[str, int] = {}
        for mirror in mirrors:
            counts |= await control.ask(config.state_dir, verb, mirror=mirror.name)
        return counts
    store = Store(config.state_dir, verb)
    try:
        manifests = {each.name: await store.manifest(each.name, each.env, each.prefix) for each in mirrors}
        return {name: await manifest.write(command) for name, manifest in manifests.items()}
    finally:
        await store.close()
