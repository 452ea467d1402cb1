"""`flush`: for build scripts. All that was saved before is in the cloud, or it says what is not, and why."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, follow_daemon, load_config, needs_daemon, takes_json
from tcbsync.cli.looked import looked
from tcbsync.cli.output import as_json, plural, say, warn
from tcbsync.cli.paths import scopes
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
        " code 0: it is; 1: the service lets nothing through; 3: some files are not, or PATH itself is never mirrored;"
        " 4: deletes are held, or the root cannot be seen; 75: the service is out of reach, or the mirror is paused. It"
        " waits no longer than a person is needed, or --timeout is over.",
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
    if refused := [result for scope in named if (result := _refused(config, options, scope))]:
        _report(options, refused)
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
    _report(options, results)
    return max(map(_code, results), key=exits.URGENCY.index)


def _report(options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    if options.json:
        as_json([_described(result) for result in results])
        return
    for result in results:
        _tell(result)


def _refused(config: Config, options: argparse.Namespace, scope: Scope) -> dict[str, Any] | None:
    """Give the result for a path that is not mirrored, which `explain` calls so too: to wait for it is a mistake.

    Beneath a directory such paths are no part of what is mirrored, and so of no result. Says where nothing is there.
    """
    found = looked(config, find_config(options.config), scope)
    if found.hurdle:
        return {"mirror": scope.mirror.name, "path": scope.path, "why": "not_mirrored", "reason": found.hurdle}
    if found.kind == "missing":
        warn(f"{scope}: there is nothing of that name on the disk; that it is gone from the cloud is what is proved")
    return None


def _progress(told: dict[str, Any]) -> str:
    left = told.get("uploads", 0) + told.get("deletes", 0)
    return f"{told['mirror']}: {'looking' if told['unseen'] else f'{left:,} to go'}"


def _described(result: dict[str, Any]) -> dict[str, Any]:
    named = result.get("files", ())
    files = [{**each, "next_at": iso(each["next_at"] or None), "since": iso(each["since"])} for each in named]
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
    if result["why"] == "not_mirrored":
        warn(f"{where}: {result['reason']}")
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
