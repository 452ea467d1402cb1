"""`forget`: gives up a mirror that is not in the configuration any more, with its objects in the cloud or without."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tcbsync import status
from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, at_work, declare, follow_daemon, load_config, takes_json
from tcbsync.cli.output import as_json, plural, say, warn
from tcbsync.core.errors import TcbsyncError
from tcbsync.daemon.assemble import assembled
from tcbsync.daemon.forget import forget
from tcbsync.store.forgetting import Living
from tcbsync.store.reader import open_reader
from tcbsync.store.report import leftovers

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from tcbsync.config.schema import Config
    from tcbsync.store.answers import Leftover


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    verb = declare(
        verbs,
        "forget",
        _forget,
        "Give up a former mirror: one that was taken out of the configuration, or whose env or prefix was changed."
        " `check` names them. Without --delete-remote its objects stay in the cloud and nobody knows of them any more;"
        " with it they are deleted first, and a row goes only when the cloud has confirmed. It may be cut off and said"
        " again. Says what it will do, and asks; exit code 3 where objects are left, 75 where the service is out of"
        " reach.",
    )
    verb.add_argument("mirror", metavar="MIRROR")
    verb.add_argument("--delete-remote", action="store_true", help="delete its objects in the cloud, too")
    verb.add_argument("--env", metavar="ENV", help="only the one that went to this environment")
    verb.add_argument("--prefix", metavar="PREFIX", help="only the one with this prefix")
    verb.add_argument("--yes", action="store_true", help="do not ask")
    takes_json(verb)


async def _forget(options: argparse.Namespace) -> int:
    config = load_config(options)
    former = _former(options, config)
    if not options.json:
        _announce(options, former)
    if not options.yes and not _agreed(former):
        warn("tcbsync: nothing was done; --yes does it without asking")
        return exits.USAGE
    counts: dict[str, Any] = {}
    async for counts in _counts(options, config, Living(*former[:3])):
        if sys.stderr.isatty() and not options.json:
            print(f"\r\033[K{counts['deleted']:,} of {former.objects:,} deleted", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty() and not options.json:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if options.json:
        as_json({"mirror": former.name, "env": former.env, "prefix": former.prefix, **counts})
    else:
        _tell(former, counts)
    return exits.INCOMPLETE if counts["refused"] or counts["shielded"] else exits.DONE


def _former(options: argparse.Namespace, config: Config) -> Leftover:
    """Find the one that is meant. Raises TcbsyncError where there is none, or more than one."""
    path = status.manifest_file(config.state_dir)
    living = {(mirror.name, mirror.env, mirror.prefix) for mirror in config.mirrors}
    known = leftovers(open_reader(path), living) if path else []
    meant = [
        each
        for each in known
        if each.name == options.mirror and options.env in (None, each.env) and options.prefix in (None, each.prefix)
    ]
    if len(meant) == 1:
        return meant[0]
    if meant:
        places = "; ".join(f"--env {each.env} --prefix '{each.prefix}'" for each in meant)
        raise TcbsyncError(f"there are {len(meant)} former mirrors {options.mirror}", hint=f"say which: {places}")
    if any(mirror.name == options.mirror for mirror in config.mirrors):
        hint = "take it out first; beside a daemon, then `tcbsync reload`"
        raise TcbsyncError(
            f"mirror {options.mirror} is in the configuration, and nothing else is known by it", hint=hint
        )
    names = ", ".join(sorted({each.name for each in known})) or "none"
    raise TcbsyncError(f"no former mirror {options.mirror} has objects in the cloud", hint=f"known are: {names}")


def _announce(options: argparse.Namespace, former: Leftover) -> None:
    what = plural(former.objects, "object")
    where = f"env {former.env}, prefix '{former.prefix}'"
    if options.delete_remote:
        say(f"{former.name}: {what} in the cloud ({where}) will be deleted, and forgotten. Files on disk stay")
    else:
        say(
            f"{former.name}: {what} in the cloud ({where}) will be forgotten. They stay, and nothing can list them",
            f"keep a list first: tcbsync manifest export --mirror {former.name} > {former.name}.jsonl",
        )


def _agreed(former: Leftover) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"forget {former.name}? Type its name to go on: ").strip() == former.name


async def _counts(options: argparse.Namespace, config: Config, former: Living) -> AsyncIterator[dict[str, Any]]:
    """Have it done: by the daemon, or here."""
    if at_work(config.state_dir)[1]:
        values = {**former._asdict(), "deletes": options.delete_remote}
        values["mirror"] = values.pop("name")
        async for told in follow_daemon(config, "forget", **values):
            yield told
    else:
        async with assembled(config, "forget", grace=False) as assembly:
            async for told in forget(assembly, config, former, deletes=options.delete_remote):
                yield told


def _tell(former: Leftover, counts: dict[str, Any]) -> None:
    rows = plural(counts["rows"], "row")
    deleted = f", {plural(counts['deleted'], 'object')} deleted" if counts["deleted"] else ""
    say(f"{former.name}: {rows} forgotten{deleted}")
    if counts["refused"]:
        warn(f"{plural(counts['refused'], 'object')} could not be deleted, and stay known; say it again later")
        for each in counts["refusals"][:10]:
            warn(f"  {each['path']}: {each['reason']}")
    if counts["shielded"]:
        warn(
            f"{plural(counts['shielded'], 'object')} lie where a mirror of the configuration puts its own, and stay"
            " known; without --delete-remote they are forgotten"
        )
