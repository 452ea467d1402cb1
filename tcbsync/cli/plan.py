"""`plan`: what `sync` would do. Reads the disk and the manifest, and touches neither cloud nor manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, load_config, takes_json, takes_mirror
from tcbsync.cli.output import as_json, plural, printable, say, size, warn
from tcbsync.core.errors import LocalError
from tcbsync.core.model import Plan, Touch, Upload
from tcbsync.core.plan import decide
from tcbsync.core.safety import Guard, hold_reason
from tcbsync.daemon.assemble import chosen
from tcbsync.engine.compare import Comparison, read_rules
from tcbsync.local.digest import OpenFile
from tcbsync.local.scan import Disk
from tcbsync.store.database import FILE_NAME, open_database
from tcbsync.store.manifest import Manifest
from tcbsync.store.reader import Reader, open_reader
from tcbsync.store.report import find_mirror

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tcbsync.config.schema import MirrorConfig


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    plan = declare(
        verbs,
        "plan",
        _plan,
        "Show what sync would do. Every upload, delete, skipped and troubled path, a line each; touches neither cloud"
        " nor manifest. Files whose time changed are read, to tell a touch from an upload.",
    )
    takes_mirror(plan)
    takes_json(plan)


def _plan(options: argparse.Namespace) -> int:
    config = load_config(options)
    found = {mirror.name: (mirror, *_look(config.state_dir, mirror)) for mirror in chosen(config, options.mirror)}
    if options.json:
        as_json({"mirrors": [_described(name, plan, reason) for name, (_, plan, reason) in found.items()]})
    else:
        for name, (_, plan, reason) in found.items():
            _print(name, plan, reason)
    return exits.HELD if any(reason for _, _, reason in found.values()) else exits.DONE


def _look(state_dir: Path, config: MirrorConfig) -> tuple[Plan, str]:
    """Give the plan of one mirror, and why deletes would be held, if they would."""
    manifest = _manifest(state_dir, config)
    disk = Disk(config.root, config.prefix, read_rules(config.root, config.ignore))
    plan = Plan()
    for part in Comparison(disk, manifest, deletes=config.delete == "mirror").slices([""]):
        for upload in part.uploads:
            plan.add(_read(config.root, upload, manifest))
        plan.touches += part.touches
        plan.deletes += part.deletes
        plan.keeps += part.keeps
        plan.problems += part.problems
        plan.skipped += part.skipped
        plan.unchanged += part.unchanged
    root = next((problem.reason for problem in plan.problems if not problem.path), "")
    files = plan.unchanged + len(plan.uploads) + len(plan.touches)
    guard = config.guard and Guard(config.guard.max_deletes, config.guard.max_delete_percent)
    deletes = sum(delete.was_sent for delete in plan.deletes)
    return plan, root or hold_reason(guard or Guard(None, None), deletes=deletes, recent=0, files=files) or ""


def _manifest(state_dir: Path, config: MirrorConfig) -> Manifest:
    if (state_dir / FILE_NAME).exists():
        reader = open_reader(state_dir / FILE_NAME)
        number = find_mirror(reader, config.name, config.env, config.prefix)
        if number is not None:
            return Manifest(reader, number)
    empty = open_database(":memory:")
    empty.execute("INSERT INTO mirror (id, name, env, prefix) VALUES (1, '', '', '')")
    return Manifest(Reader(empty), 1)


def _read(root: Path, upload: Upload, manifest: Manifest) -> Upload | Touch | None:
    """Read a file whose content may still be what the cloud holds, and decide again."""
    record = manifest.record(upload.found.path) if upload.replaces else None
    if record is None or record.digest is None or record.size != upload.found.fingerprint.size:
        return upload
    try:
        with OpenFile(root, upload.found.path, upload.found.local) as file:
            while file.read():
                pass
            return decide(file.finish(), record)
    except LocalError:
        return upload


def _described(name: str, plan: Plan, reason: str) -> dict[str, Any]:
    return {
        "name": name,
        "uploads": [{"path": each.found.path, "bytes": each.found.fingerprint.size} for each in plan.uploads],
        "touches": [each.found.path for each in plan.touches],
        "deletes": [each.path for each in plan.deletes],
        "keeps": [each.path for each in plan.keeps],
        "skipped": [{"path": each.path, "reason": each.reason} for each in plan.skipped],
        "problems": [{"path": each.path, "reason": each.reason} for each in plan.problems],
        "unchanged": plan.unchanged,
        "hold": reason or None,
    }


def _print(name: str, plan: Plan, reason: str) -> None:
    for upload in plan.uploads:
        word = "replace" if upload.replaces else "upload"
        say(f"{word:8} {printable(upload.found.path)}  {size(upload.found.fingerprint.size)}")
    say(*(f"touch    {printable(touch.found.path)}" for touch in plan.touches))
    say(*(f"delete   {printable(delete.path)}" for delete in plan.deletes))
    say(*(f"keep     {printable(keep.path)}" for keep in plan.keeps))
    say(*(f"skip     {printable(skipped.path)}  ({skipped.reason})" for skipped in plan.skipped))
    say(*(f"problem  {printable(problem.path) or '(root)'}  ({problem.reason})" for problem in plan.problems))
    total = sum(upload.found.fingerprint.size for upload in plan.uploads)
    say(
        f"{name}: {plural(len(plan.uploads), 'upload')} ({size(total)}), {plural(len(plan.deletes), 'delete')},"
        f" {len(plan.touches)} touched, {len(plan.skipped)} skipped, {plural(len(plan.problems), 'problem')},"
        f" {plan.unchanged:,} unchanged"
    )
    if reason:
        warn(f"{name}: deletes would be held: {reason}")
