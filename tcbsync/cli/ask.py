"""`status`, `failed`, `held`, `url`: the verbs that ask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcbsync import control, status
from tcbsync.cli import exits
from tcbsync.cli.common import Reported, Verbs, declare, load_config, reported, takes_json, takes_mirror
from tcbsync.cli.output import as_json, plural, printable, say, table, warn
from tcbsync.cloud.api import BATCH
from tcbsync.core.batch import batches
from tcbsync.core.keys import normal
from tcbsync.daemon.assemble import connect
from tcbsync.status import iso
from tcbsync.store.lock import holder

if TYPE_CHECKING:
    import argparse


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    ask = declare(
        verbs,
        "status",
        _status,
        "Say whether each mirror is in sync. From the running daemon, or else from the manifest; exit code 4 where"
        " deletes are held, 3 where files could not be mirrored.",
    )
    failed = declare(
        verbs,
        "failed",
        _failed,
        "List what could not be mirrored, and why. Failed files with code, reason, attempts and next try, and paths"
        " that cannot be looked at or mirrored at all; exit code 3 where there are any.",
    )
    held = declare(
        verbs,
        "held",
        _held,
        "List the deletes that wait for approval. With the reason; exit code 4 where there are any.",
    )
    url = declare(
        verbs,
        "url",
        _url,
        "Print download links of mirrored files. A path is one on this disk, or one in a mirror.",
    )
    url.add_argument("paths", nargs="+", metavar="PATH")
    url.add_argument("--max-age", type=int, default=7200, metavar="SECONDS", help="how long the links hold (7200)")
    for verb in (ask, failed, held, url):
        takes_json(verb)
        takes_mirror(verb)


async def _status(options: argparse.Namespace) -> int:
    config = load_config(options)
    if holder(config.state_dir):
        answer = await control.ask(config.state_dir, "status")
    else:
        mirrors = [status.stopped_status(mirror.name, report) for mirror, report in reported(options, config)]
        answer = status.as_json(mirrors, {"state": "stopped", "paused_until": None, "last_error": None})
    wanted = options.mirror or [mirror["name"] for mirror in answer["mirrors"]]
    answer["mirrors"] = [mirror for mirror in answer["mirrors"] if mirror["name"] in wanted]
    if options.json:
        as_json(answer)
    else:
        _print_status(answer)
    if any(mirror["held_deletes"] or mirror["state"] == "held" for mirror in answer["mirrors"]):
        return exits.HELD
    is_incomplete = any(mirror["failed"] or mirror["problems"] for mirror in answer["mirrors"])
    return exits.INCOMPLETE if is_incomplete else exits.DONE


def _print_status(answer: dict[str, Any]) -> None:
    for mirror in answer["mirrors"]:
        say(f"{mirror['name']}: {mirror['state']}, {plural(mirror['files'], 'file')} in the cloud")
        waiting = {
            "to upload": mirror["pending_uploads"],
            "to delete": mirror["pending_deletes"],
            "failed": mirror["failed"],
            "held": mirror["held_deletes"],
            "kept though gone here": mirror["kept"],
            "not to be judged": mirror["problems"],
            "drifted unseen": mirror["drift"],
        }
        if any(waiting.values()):
            say(f"  {', '.join(f'{count:,} {what}' for what, count in waiting.items() if count)}")
        if mirror["reason"]:
            say(f"  {mirror['reason']}")
        if mirror["watch_reason"]:
            say(f"  watching ({mirror['watch_mode']}): {mirror['watch_reason']}")
        say(f"  last scan {mirror['last_scan_at'] or 'never'}, last known equal {mirror['last_proved_at'] or 'never'}")
    service = answer["service"]
    if service["state"] not in ("ok", "stopped"):
        until = f" until {service['paused_until']}" if service["paused_until"] else ""
        say(f"service: {service['state']}{until}: {service['last_error']}")


def _failed(options: argparse.Namespace) -> int:
    config = load_config(options)
    rows = [row for each in reported(options, config) for row in _failures(each)]
    if options.json:
        as_json(rows)
    else:
        table(
            [
                row["mirror"],
                row["path"] or "(root)",
                row["code"],
                f"{row['attempts']} x" if row["attempts"] else "",
                "parked" if row["parked"] else f"again {row['next_try_at']}" if row["next_try_at"] else "",
                row["reason"],
            ]
            for row in rows
        )
    return exits.INCOMPLETE if any(row["blocks"] for row in rows) else exits.DONE


def _failures(mirror: Reported) -> list[dict[str, Any]]:
    if mirror.report is None:
        return []
    failures = [
        {
            "mirror": mirror.config.name,
            "path": failure.path,
            "code": failure.code,
            "reason": failure.reason,
            "attempts": failure.attempts,
            "parked": failure.next_at is None,
            "next_try_at": iso(failure.next_at) if failure.next_at else None,
            "blocks": True,
        }
        for failure in mirror.report.failures()
    ]
    problems = [
        {
            "mirror": mirror.config.name,
            "path": path,
            "code": "problem" if blocks else "skipped",
            "reason": reason,
            "attempts": 0,
            "parked": False,
            "next_try_at": None,
            "blocks": blocks,
        }
        for path, reason, blocks, _ in mirror.report.problems()
    ]
    return failures + problems


def _held(options: argparse.Namespace) -> int:
    config = load_config(options)
    mirrors: list[dict[str, Any]] = []
    for mirror, report in reported(options, config):
        deletes = report.held() if report else []
        if report and (deletes or report.hold()):
            listed = [{"path": each.path, "file_id": each.file_id, "since": iso(each.since)} for each in deletes]
            mirrors.append({"mirror": mirror.name, "reason": report.hold(), "deletes": listed})
    if options.json:
        as_json(mirrors)
    else:
        for held in mirrors:
            say(f"{held['mirror']}: {held['reason']}")
            table([f"  {each['path']}", f"since {each['since']}"] for each in held["deletes"])
            say(f"let them go with: tcbsync approve {held['mirror']}")
    return exits.HELD if mirrors else exits.DONE


async def _url(options: argparse.Namespace) -> int:
    config = load_config(options)
    mirrors = reported(options, config)
    found = {given: _file_id(mirrors, given) for given in options.paths}
    links: dict[str, str] = {}
    cloud = connect(config)
    try:
        for env in {env for env, _ in filter(None, found.values())}:
            ids = [file_id for where, file_id in filter(None, found.values()) if where == env]
            for batch in batches(ids, BATCH):
                downloads = await cloud.downloads(env, batch, options.max_age)
                links.update((download.file_id, download.url) for download in downloads)
    finally:
        await cloud.close()
    answer = {given: links.get(place[1]) or None if place else None for given, place in found.items()}
    if options.json:
        as_json(answer)
    else:
        say(*(link for link in answer.values() if link))
    for given in (given for given, link in answer.items() if link is None):
        warn(f"{printable(given)}: not in the cloud, as far as is known; `tcbsync plan` shows what is missing")
    return exits.DONE if all(answer.values()) else exits.INCOMPLETE


def _file_id(mirrors: list[Reported], given: str) -> tuple[str, str] | None:
    """Find (env, file_id) of a path on this disk, or of one in a mirror."""
    local = Path(os.path.abspath(given))  # noqa: PTH100 - links stay links
    for mirror, report in mirrors:
        is_inside = local.is_relative_to(mirror.root)
        paths = [local.relative_to(mirror.root).as_posix()] if is_inside else [given]
        for path in paths:
            if report and (file_id := report.file_id(normal(path))):
                return mirror.env, file_id
    return None
