"""`flush`: for build scripts. All that was saved before is in the cloud, or it says what is not, and why."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, follow_daemon, load_config, needs_daemon, takes_json
from tcbsync.cli.explain import rule_of
from tcbsync.cli.output import as_json, plural, say, warn
from tcbsync.cli.paths import scopes
from tcbsync.cli.sentence import ignored
from tcbsync.config.load import find_config
from tcbsync.status import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.cli.paths import Scope
    from tcbsync.config.schema import Config

SECONDS = 600.0


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    flush = declare(
        verbs,
        "flush",
        _flush,
        "Say whether all that was saved before this call is proved in the cloud. With --wait, wait until it is. Exit"
        " code 0: it is; 3: some files are not; 4: deletes are held, or the root cannot be seen; 75: the service is out"
        " of reach, or the mirror is paused. It waits no longer than a person is needed, or --timeout is over.",
    )
    flush.add_argument("path", metavar="PATH", nargs="?", help="a path on this disk, or a mirror's name; else all")
    flush.add_argument("--wait", action="store_true", help="wait for the proof; else only for a look at the disk")
    flush.add_argument(
        "--timeout", type=_seconds, default=SECONDS, metavar="SECONDS", help=f"how long at most ({SECONDS:.0f})"
    )
    takes_json(flush)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


async def _flush(options: argparse.Namespace) -> int:
    config = load_config(options)
    named = scopes(config, options.path)
    needs_daemon(config, "`tcbsync sync` mirrors everything, and says the same by its exit code")
    hopeless = [scope for scope in named if _is_ignored(config, options, scope)]
    if hopeless:
        return exits.INCOMPLETE
    shows = sys.stderr.isatty() and not options.json
    results: list[dict[str, Any]] = []
    values = {
        "scopes": [[scope.mirror.name, scope.path] for scope in named],
        "waits": options.wait,
        "seconds": options.timeout,
    }
    async for told in follow_daemon(config, "flush", **values):
        results = told.get("result", results)
        if shows and "progress" in told:
            print(f"\r\033[K{'; '.join(map(_progress, told['progress']))}", end="", file=sys.stderr, flush=True)
    if shows:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    if options.json:
        as_json([_described(result) for result in results])
    else:
        for result in results:
            _tell(result)
    return max(map(_code, results), key=exits.URGENCY.index)


def _is_ignored(config: Config, options: argparse.Namespace, scope: Scope) -> bool:
    """Whether nothing of it is mirrored: to wait for it would be a mistake. Said, and also that it is not there."""
    place = scope.mirror.root / scope.path
    if rule := rule_of(config, find_config(options.config), scope, is_directory=place.is_dir()):
        warn(f"{scope}: {ignored(rule, scope.path)}")
    elif not os.path.lexists(place):
        warn(f"{scope}: there is nothing of that name on the disk; that it is gone from the cloud is what is proved")
    return rule is not None


def _progress(told: dict[str, Any]) -> str:
    left = told.get("uploads", 0) + told.get("deletes", 0)
    return f"{told['mirror']}: {'looking' if told['unseen'] else f'{left:,} to go'}"


def _described(result: dict[str, Any]) -> dict[str, Any]:
    files = [{**each, "next_at": iso(each["next_at"] or None), "since": iso(each["since"])} for each in result["files"]]
    return {"proved": not result["why"], **result, "files": files}


def _code(result: dict[str, Any]) -> int:
    match result["why"]:
        case "":
            return exits.DONE
        case "held":
            return exits.HELD
        case "paused" | "stopped":
            return exits.UNREACHABLE
        case "service":
            return {"blocked": exits.FAILED, "full": exits.INCOMPLETE}.get(result["service"], exits.UNREACHABLE)
    return exits.INCOMPLETE


WHY = {
    "held": "deletes are held",
    "paused": "it is paused",
    "stopped": "it was stopped",
    "service": "the service cannot be used",
    "failed": "some files could not be mirrored",
    "time": "not yet",
}


def _tell(result: dict[str, Any]) -> None:
    where = f"{result['mirror']}:{result['path']}" if result["path"] else result["mirror"]
    if not result["why"]:
        say(f"{where}: all that was saved is proved in the cloud")
        return
    warn(f"{where}: {WHY[result['why']]}{': ' if result['reason'] else ''}{result['reason']}")
    if left := ", ".join(_left(result)):
        warn(f"  {left}")
    for file in result["files"][:10]:
        warn(f"  {file['path']}: {file['code']}{': ' if file['reason'] else ''}{file['reason']}")
    if len(result["files"]) > 10:
        warn("  and more; `tcbsync failed` and `tcbsync status` tell of all")


def _left(result: dict[str, Any]) -> Iterator[str]:
    for name, words in (
        ("unseen", "not looked at yet"),
        ("uploads", "to upload"),
        ("deletes", "to delete"),
        ("parked", "parked"),
        ("held", "held"),
    ):
        if count := result.get(name):
            yield f"{plural(count, 'path')} {words}"
