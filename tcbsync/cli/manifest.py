"""`manifest export` and `manifest import`: what is known of the cloud, as text that outlives this program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync import status
from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, load_config, takes_json
from tcbsync.cli.output import as_json, plural, say, warn
from tcbsync.core.errors import StateError
from tcbsync.daemon.assemble import chosen
from tcbsync.store import portable
from tcbsync.store.reader import open_reader
from tcbsync.store.report import leftovers
from tcbsync.store.store import Store

if TYPE_CHECKING:
    import argparse

TEXT = "Write the manifest out, or take one in: to keep it, to read it, to move to another host."


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room, and its two parts."""
    manifest = verbs.add_parser("manifest", help=TEXT.rstrip("."), description=TEXT)
    parts = manifest.add_subparsers(metavar="WHAT", required=True, help="which of the two; each has its own --help")
    export = declare(
        parts,
        "export",
        _export,
        "Write the manifest to standard output, as JSON lines. One for each file, after a first one that says how many"
        " there are. Works beside a running daemon.",
    )
    export.add_argument("--mirror", metavar="NAME", default="", help="only this mirror, or former mirror")
    taken = declare(
        parts,
        "import",
        _import,
        "Take in what an export has and the manifest lacks. What is here already stays. A file that the export calls"
        " proved counts as proved; all else is proved anew by the next sync. Nothing is taken if any line is wrong."
        " Not beside a running daemon.",
    )
    taken.add_argument("file", metavar="FILE", type=Path)
    takes_json(taken)


def _export(options: argparse.Namespace) -> int:
    config = load_config(options)
    path = status.manifest_file(config.state_dir)
    is_former = path is not None and options.mirror in {each.name for each in leftovers(open_reader(path), set())}
    if options.mirror and not is_former:
        chosen(config, [options.mirror])
    if path is None:
        raise StateError(f"there is no manifest in {config.state_dir} yet", hint="`tcbsync sync` makes one")
    for line in portable.export(path, options.mirror):
        sys.stdout.write(line + "\n")
    return exits.DONE


async def _import(options: argparse.Namespace) -> int:
    config = load_config(options)
    portable.check(options.file)
    store = Store(config.state_dir, "manifest import")
    try:
        merged = await store.merge(options.file)
        await store.copy_if_due()
    finally:
        await store.close()
    others = merged.mirrors - {(mirror.name, mirror.env, mirror.prefix) for mirror in config.mirrors}
    for name, env, prefix in sorted(others):
        warn(f"tcbsync: warning: the configuration has no mirror {name} to {env}/{prefix}; its rows stay as they are")
    if options.json:
        counts = {"proved": merged.proved, "in_doubt": merged.doubtful, "known": merged.known, "empty": merged.empty}
        as_json(counts)
    else:
        say(
            f"{plural(merged.proved, 'file')} taken in as proved, {merged.doubtful:,} in doubt; {merged.known:,} were"
            f" here already, and for {merged.empty:,} nothing was ever sent"
        )
        if merged.proved or merged.doubtful:
            say("`tcbsync sync` compares them with the disk: what it finds equal is not sent again")
    return exits.DONE
