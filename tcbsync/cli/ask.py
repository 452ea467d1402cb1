"""`status`, `failed`, `held`: the verbs that ask."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tcbsync import status
from tcbsync.cli import exits
from tcbsync.cli.common import (
    Reported,
    Verbs,
    ask_daemon,
    at_work,
    declare,
    load_config,
    named,
    reported,
    takes_json,
    takes_mirror,
)
from tcbsync.cli.output import as_json, plural, say, seconds, table
from tcbsync.core.safety import listing_of
from tcbsync.status import MirrorStatus, iso
from tcbsync.store.pauses import paused

if TYPE_CHECKING:
    import argparse

    from tcbsync.config.schema import Config


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    ask = declare(
        verbs,
        "status",
        _status,
        "Say whether each mirror is in sync. From the running daemon, or else from the manifest, that is, as of the"
        " last run; exit code 4 where deletes are held or the root cannot be seen, 3 where files could not be"
        " mirrored.",
    )
    failed = declare(
        verbs,
        "failed",
        _failed,
        "List what could not be mirrored, and why. Failed files with code, reason, attempts and next try, and paths"
        " that cannot be looked at: exit code 3 where there are any. Names that can never be mirrored, such as links,"
        " are listed as skipped.",
    )
    held = declare(
        verbs,
        "held",
        _held,
        "List the deletes that wait for approval. With the reason; exit code 4 where there are any, or where the root"
        " cannot be seen.",
    )
    for verb in (ask, failed, held):
        takes_json(verb)
        takes_mirror(verb)


async def _status(options: argparse.Namespace) -> int:
    config = load_config(options)
    answer = await _answer(options, config)
    if options.json:
        as_json(answer)
    else:
        _print_status(answer)
    if any(mirror["hold"] for mirror in answer["mirrors"]):
        return exits.HELD
    is_incomplete = any(mirror["failed"] or mirror["problems"] for mirror in answer["mirrors"])
    return exits.INCOMPLETE if is_incomplete else exits.DONE


async def _answer(options: argparse.Namespace, config: Config) -> dict[str, Any]:
    names = [mirror.name for mirror in named(options, config)]
    process, is_daemon = at_work(config)
    if not is_daemon:
        known = reported(options, config)
        halted = paused(config.state_dir)
        mirrors = [
            status.idle_status(mirror.name, report, process, paused_at=halted.get(mirror.name))
            for mirror, report in known
        ]
        service = {"state": "unknown" if process else "stopped", "paused_until": None, "last_error": None}
        return status.as_json(mirrors, service)
    answer: dict[str, Any] = await ask_daemon(config, "status")
    told = {mirror["name"]: mirror for mirror in answer["mirrors"]}
    strange = "the running daemon does not know this mirror: `tcbsync reload` makes it read the configuration again"
    unknown = [MirrorStatus(name, "stopped", reason=strange) for name in names]
    untold = {mirror["name"]: mirror for mirror in status.as_json(unknown, {})["mirrors"]}
    return {**answer, "mirrors": [told.get(name, untold[name]) for name in names]}


def _print_status(answer: dict[str, Any]) -> None:
    for mirror in answer["mirrors"]:
        say(f"{mirror['name']}: {mirror['state']}, {plural(mirror['files'], 'file')} in the cloud")
        counts = {
            "to upload": mirror["pending_uploads"],
            "to delete": mirror["pending_deletes"],
            "failed (see `tcbsync failed`)": mirror["failed"],
            "held (see `tcbsync held`)": mirror["held_deletes"],
            "kept though gone here": mirror["kept"],
            "cannot be looked at (see `tcbsync failed`)": mirror["problems"],
            "changed without an event, found by rescans": mirror["drift"],
        }
        if any(counts.values()):
            say(f"  {', '.join(f'{count:,} {what}' for what, count in counts.items() if count)}")
        if mirror["reason"]:
            say(f"  {mirror['reason']}")
        if mirror["watch_reason"]:
            say(f"  watching ({mirror['watch_mode']}): {mirror['watch_reason']}")
        if mirror["last_scan_at"]:
            say(f"  last full scan {_ago(mirror['last_scan_at'])}, last known equal {_ago(mirror['last_proved_at'])}")
    service = answer["service"]
    if service["state"] not in ("ok", "stopped", "unknown"):
        until = f", next try {service['paused_until']}" if service["paused_until"] else ""
        say(f"service: {service['state']}{until}: {service['last_error']}")
    say(*status.limits(service))
    if notice := service.get("notice"):
        say(f"notice: {notice}")


def _ago(moment: str | None) -> str:
    if moment is None:
        return "never"
    passed = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    return f"{moment} ({seconds(max(0.0, passed))} ago)"


def _failed(options: argparse.Namespace) -> int:
    config = load_config(options)
    rows = [row for each in reported(options, config) for row in _failures(each)]
    if options.json:
        as_json(rows)
    elif not rows:
        say("nothing failed")
    else:
        table(
            [row["mirror"], row["path"] or "(root)", row["code"], _tries(row), row["reason"]]
            for row in sorted(rows, key=lambda row: not row["blocks"])
        )
        if any(row["parked"] for row in rows):
            say("what is parked waits for `tcbsync retry`, or for a change of the file")
    return exits.INCOMPLETE if any(row["blocks"] for row in rows) else exits.DONE


def _tries(row: dict[str, Any]) -> str:
    if not row["attempts"]:
        return ""
    when = "parked" if row["parked"] else f"next {row['next_try_at'] or 'now'}"
    return f"{plural(row['attempts'], 'try')}, {when}"


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
            "next_try_at": iso(failure.next_at or None),
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
        told = status.idle_status(mirror.name, report)
        if report and told.hold:
            held = report.held()
            mirrors.append(
                {
                    "mirror": mirror.name,
                    "reason": told.hold,
                    "since": told.hold_since,
                    "list": listing_of(each.path for each in held) if held else None,
                    "deletes": [
                        {"path": each.path, "file_id": each.file_id, "since": iso(each.since)} for each in held
                    ],
                }
            )
    if options.json:
        as_json(mirrors)
    elif not mirrors:
        say("nothing is held")
    else:
        for each in mirrors:
            _print_held(each)
    return exits.HELD if mirrors else exits.DONE


def _print_held(held: dict[str, Any]) -> None:
    say(f"{held['mirror']}: {held['reason']}", f"held since {_ago(held['since'])}")
    table([f"  {each['path']}", f"since {each['since']}"] for each in held["deletes"])
    if held["deletes"]:
        say(f"put the files back, or let exactly these go with: tcbsync approve {held['mirror']} --list {held['list']}")
