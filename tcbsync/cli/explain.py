"""`explain PATH`: what is known of one path, by disk, rules, manifest and daemon. A sentence comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync import status
from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, ask_daemon, at_work, declare, load_config, takes_json
from tcbsync.cli.looked import looked
from tcbsync.cli.output import as_json, plural, say, size, table
from tcbsync.cli.paths import scopes
from tcbsync.cli.sentence import Facts, sentence
from tcbsync.config.load import find_config
from tcbsync.core.keys import normal
from tcbsync.status import iso
from tcbsync.store.pauses import paused

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tcbsync.cli.paths import Scope
    from tcbsync.config.schema import Config


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    explain = declare(
        verbs,
        "explain",
        _explain,
        "Say what becomes of one path, and why. Whether it is mirrored, under which key, which ignore rule of which"
        " file and line, what the manifest says, what failed and when it is tried again, what the daemon does with it"
        " now. Works without a daemon. Exit code 0 where the cloud holds it as the disk does, or neither has it; 3"
        " where that is not so, or not yet.",
    )
    explain.add_argument("path", metavar="PATH")
    takes_json(explain)


async def _explain(options: argparse.Namespace) -> int:
    config = load_config(options)
    scope = scopes(config, options.path)[0]
    facts = _facts(config, find_config(options.config), scope)
    if at_work(config.state_dir)[1]:
        told = await ask_daemon(config.state_dir, "explain", mirror=scope.mirror.name, path=scope.path)
        facts = facts._replace(live=told, paused_at=told.get("paused_at", facts.paused_at))
    words, is_right = sentence(facts)
    if options.json:
        as_json({"sentence": words, "agrees": is_right, **_described(facts)})
    else:
        say(f"{facts.where}: {words}")
        table([f"  {name}", text] for name, text in _lines(facts))
    return exits.DONE if is_right else exits.INCOMPLETE


def _facts(config: Config, file: Path, scope: Scope) -> Facts:
    mirror, local = scope
    path = normal(local)
    report = status.open_report(config.state_dir, mirror.name, mirror.env, mirror.prefix)
    found = looked(config, file, scope)
    problems = report.problems_about(path, blocking=found.kind == "directory") if report else []
    return Facts(
        mirror=mirror.name,
        path=path,
        key=mirror.prefix + path,
        looked=found,
        row=report.row(path) if report and path else None,
        hold=report.hold() if report else "",
        problem=problems[0] if problems else "",
        deletes=mirror.delete == "mirror",
        paused_at=paused(config.state_dir).get(mirror.name),
        beneath=report.wanting(path, 1e18, 1e18) if report and found.kind == "directory" else None,
    )


def _described(facts: Facts) -> dict[str, Any]:
    row, found = facts.row, facts.looked
    return {
        "mirror": facts.mirror,
        "path": facts.path,
        "key": facts.key,
        "disk": {"kind": found.kind, "fingerprint": found.fingerprint._asdict() if found.fingerprint else None},
        "refusal": found.refusal or None,
        "ignored_by": found.rule,
        "problem": facts.problem or None,
        "row": row
        and {
            **row._asdict(),
            "state": row.state.name.lower(),
            "fingerprint": row.fingerprint._asdict(),
            "digest": row.digest.hex() if row.digest else None,
            "since": iso(row.since),
            "due_at": iso(row.due_at or None),
        },
        "paused_at": iso(facts.paused_at),
        "beneath": facts.beneath and facts.beneath._asdict(),
        "daemon": facts.live,
    }


def _lines(facts: Facts) -> list[tuple[str, str]]:
    found = facts.looked
    disk = found.kind
    if (print_of := found.fingerprint) is not None:
        disk = f"{size(print_of.size)}, changed {iso(print_of.mtime_ns / 1e9)}, inode {print_of.inode}"
    lines = [("mirror", facts.mirror), ("key", facts.key), ("disk", disk)]
    if rule := found.rule:
        at = f":{rule['line']}" if rule["line"] else ""
        lines.append(("ignored by", f"{rule['rule']} ({rule['file']}{at})"))
    if facts.problem or found.refusal:
        lines.append(("problem", facts.problem or found.refusal))
    if (row := facts.row) is not None:
        doubt = ", the cloud may hold other bytes, or none" if row.file_id else ""
        md5 = f", MD5 {row.digest.hex()}" if row.digest else doubt
        lines.append(
            ("manifest", f"{row.state.name.lower()} since {iso(row.since)}, {size(row.fingerprint.size)}{md5}")
        )
        lines.append(("file_id", row.file_id or "nothing was ever sent"))
        if row.attempts:
            when = "parked" if row.is_parked else f"next {iso(row.due_at)}"
            lines.append(("failed", f"{plural(row.attempts, 'time')}, {when}: {row.code}: {row.reason}"))
    else:
        lines.append(("manifest", "no row" if found.kind != "directory" else _beneath(facts)))
    lines.append(("daemon", _live(facts.live)))
    return lines


def _beneath(facts: Facts) -> str:
    if facts.beneath is None:
        return "never looked at"
    counts = facts.beneath._asdict()
    left = [
        f"{counts[name]:,} {what}"
        for name, what in (("uploads", "to upload"), ("deletes", "to delete"), ("parked", "parked"), ("held", "held"))
        if counts[name]
    ]
    return ", ".join(left) or "nothing beneath it wants anything"


def _live(live: dict[str, Any] | None) -> str:
    if live is None:
        return "none runs"
    told = (
        (live["is_busy"], "is working on it now"),
        (live["settles_for"] is not None, f"looks at it in {live['settles_for'] or 0:.1f} s"),
        (live["is_looking"], "is looking at the disk now"),
    )
    return next((words for is_true, words in told if is_true), "does nothing with it now")
