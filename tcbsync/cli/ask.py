"""`status`, `failed`, `held`: the verbs that ask."""

from __future__ import annotations

import time
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
from tcbsync.cli.lines import Span
from tcbsync.cli.output import as_json, paper, plural, say, signed, table, warn, write
from tcbsync.cli.telling import command_line, status_lines
from tcbsync.config.load import find_config, state_dir_of
from tcbsync.core.errors import ConfigError, TcbsyncError
from tcbsync.core.safety import listing_of
from tcbsync.core.words import ago, span
from tcbsync.status import MirrorStatus, iso, seconds_of
from tcbsync.store.pauses import paused
from tcbsync.verdict import LET_GO, approval

if TYPE_CHECKING:
    import argparse

    from tcbsync.cli.lines import Tone
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
    form = ask.add_mutually_exclusive_group()
    form.add_argument("--watch", action="store_true", help="show it again every two seconds, until Ctrl-C")
    form.add_argument("--json", action="store_true", help="report as JSON")
    for verb in (failed, held):
        takes_json(verb)
    for verb in (ask, failed, held):
        takes_mirror(verb)


async def _status(options: argparse.Namespace) -> int:
    try:
        config = load_config(options)
    except ConfigError as error:
        return await _status_despite(options, error)
    if options.watch:
        from tcbsync.cli.watching import watch  # noqa: PLC0415 - only it does

        await watch(lambda: _answer(options, config))
        return exits.DONE
    answer = await _answer(options, config)
    _print_status(options, answer)
    if any(mirror["hold"] for mirror in answer["mirrors"]):
        return exits.HELD
    is_incomplete = any(mirror["failed"] or mirror["problems"] for mirror in answer["mirrors"])
    return exits.INCOMPLETE if is_incomplete else exits.DONE


async def _status_despite(options: argparse.Namespace, error: ConfigError) -> int:
    """Say what is wrong, and how the daemon goes on all the same, where one runs. Raises `error` where none does."""
    try:
        state_dir = state_dir_of(find_config(options.config))
        if state_dir is None or not at_work(state_dir)[1] or options.watch:
            raise error
        answer: dict[str, Any] = await ask_daemon(state_dir, "status")
    except TcbsyncError:
        raise error from None
    warn(f"tcbsync: {error}\nThe daemon goes on with what it read before:\n")
    asked = [mirror for mirror in answer["mirrors"] if mirror["name"] in options.mirror]
    _print_status(options, {**answer, "mirrors": asked or answer["mirrors"]})
    return exits.CONFIG


def _print_status(options: argparse.Namespace, answer: dict[str, Any]) -> None:
    if options.json:
        as_json(answer)
    else:
        write(status_lines(answer, time.time(), paper()))


async def _answer(options: argparse.Namespace, config: Config) -> dict[str, Any]:
    names = [mirror.name for mirror in named(options, config)]
    process, is_daemon = at_work(config.state_dir)
    if not is_daemon:
        known = reported(options, config)
        halted = paused(config.state_dir)
        mirrors = [
            status.idle_status(mirror.name, report, process, paused_at=halted.get(mirror.name))
            for mirror, report in known
        ]
        service = {"state": "unknown" if process else "stopped", "paused_until": None, "last_error": None}
        return status.as_json(mirrors, service)
    answer: dict[str, Any] = await ask_daemon(config.state_dir, "status")
    told = {mirror["name"]: mirror for mirror in answer["mirrors"]}
    strange = "the running daemon does not know this mirror: `tcbsync reload` makes it read the configuration again"
    unknown = [MirrorStatus(name, "stopped", reason=strange) for name in names]
    untold = {mirror["name"]: mirror for mirror in status.as_json(unknown, {})["mirrors"]}
    return {**answer, "mirrors": [told.get(name, untold[name]) for name in names]}


def _failed(options: argparse.Namespace) -> int:
    config = load_config(options)
    rows = [row for each in reported(options, config) for row in _failures(each)]
    if options.json:
        as_json(rows)
    elif not rows:
        say(signed("well", "nothing failed"))
    else:
        _print_failed(sorted(rows, key=lambda row: not row["blocks"]))
    return exits.INCOMPLETE if any(row["blocks"] for row in rows) else exits.DONE


def _print_failed(rows: list[dict[str, Any]]) -> None:
    now = time.time()
    table(
        [
            row["mirror"],
            Span(row["path"] or "(root)", "strong"),
            Span(row["code"], _tone(row)),
            _tries(row, now),
            row["reason"],
        ]
        for row in rows
    )
    parked = sum(row["parked"] for row in rows)
    later = sum(row["attempts"] > 0 for row in rows) - parked
    unseen = sum(row["code"] == "problem" for row in rows)
    if parked:
        what = "waits" if parked == 1 else "wait"
        told = f"{plural(parked, 'file')} {what} for `tcbsync retry`, or for a change of the file."
        say(signed("act", told), hang=2)
    if unseen:
        told = f"{plural(unseen, 'path')} cannot be looked at: nothing there is sent or deleted until that is mended."
        say(signed("act", told), hang=2)
    if later > 0:
        what = "is" if later == 1 else "are"
        say(signed("wait", f"{plural(later, 'file')} {what} tried again; `tcbsync retry` does so now."), hang=2)
    if skipped := len(rows) - parked - later - unseen:
        what = "is" if skipped == 1 else "are"
        say(f"  {plural(skipped, 'name')} {what} skipped, and can never be mirrored.", hang=2)


def _tone(row: dict[str, Any]) -> Tone:
    if row["parked"] or row["code"] == "problem":
        return "act"
    return "wait" if row["attempts"] else "quiet"


def _tries(row: dict[str, Any], now: float) -> str:
    if not row["attempts"]:
        return ""
    at = seconds_of(row["next_try_at"])
    later = "next now" if at is None or at <= now else f"next in {span(at - now)}"
    return f"{plural(row['attempts'], 'try')}, {'parked' if row['parked'] else later}"


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
        say(signed("well", "nothing is held"))
    else:
        for each in mirrors:
            _print_held(each, time.time())
    return exits.HELD if mirrors else exits.DONE


def _print_held(held: dict[str, Any], now: float) -> None:
    since = seconds_of(held["since"])
    waited = "" if since is None else f" (held for {span(now - since)})"
    say(signed("act", Span(f"{held['mirror']}: {held['reason']}", "strong"), waited), hang=2)
    table((f"  {each['path']}", Span(_since(each["since"], now), "quiet")) for each in held["deletes"])
    if held["deletes"]:
        say(f"  {LET_GO}", hang=2)
        write(command_line(approval(held["mirror"], held["list"]), paper()))


def _since(text: str, now: float) -> str:
    at = seconds_of(text)
    return "" if at is None else ago(now - at)
