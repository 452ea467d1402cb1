"""`plan`: what `sync` would do. Reads the disk and the manifest, and touches neither cloud nor manifest."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tcbsync import status
from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, load_config, named, takes_json, takes_mirror
from tcbsync.cli.output import as_json, plural, say, size, warn
from tcbsync.cloud.api import BATCH
from tcbsync.core.errors import LocalError
from tcbsync.core.ignore import IGNORE_FILE
from tcbsync.core.keys import normal
from tcbsync.core.model import Delete, Found, Plan, Problem, Skipped, State, Touch, Upload, covers
from tcbsync.core.plan import decide, fingerprint_of
from tcbsync.core.safety import WINDOW_SECONDS, Guard, away_reason, hold_reason, remounted
from tcbsync.engine.compare import Comparison, read_rules
from tcbsync.local.digest import OpenFile
from tcbsync.local.mounts import volumes
from tcbsync.local.scan import Disk
from tcbsync.store.database import open_database
from tcbsync.store.manifest import Manifest
from tcbsync.store.reader import Reader, open_reader
from tcbsync.store.report import Report, find_mirror

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tcbsync.config.schema import MirrorConfig
    from tcbsync.store.answers import Failure


@dataclass(slots=True)
class Forecast:
    """What `sync` would do for one mirror. `hold`: why deletes would be held, if they would."""

    name: str
    plan: Plan
    held: list[str] = field(default_factory=list)
    """Deletes that wait for approval already."""
    waiting: list[Failure] = field(default_factory=list)
    """What failed, and is parked or not due yet."""
    hold: str = ""


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    plan = declare(
        verbs,
        "plan",
        _plan,
        "Show what sync would do. A line for each path that is not simply unchanged, sorted by path: upload (new),"
        " replace (the cloud has an older version), touch (same bytes, new time: nothing is sent), delete, held (a"
        " delete that waits for approval), keep (gone here, and this mirror never deletes), wait (failed before; parked"
        " or not due yet), skip (a link, or a name that the cloud does not take), problem (cannot be looked at)."
        " Touches neither cloud nor manifest. Exit code 4 where deletes would be held, 3 where a path waits or is a"
        " problem.",
    )
    takes_mirror(plan)
    takes_json(plan)


def _plan(options: argparse.Namespace) -> int:
    config = load_config(options)
    forecasts = [_forecast(config.state_dir, mirror) for mirror in named(options, config)]
    if options.json:
        as_json({"mirrors": [_described(forecast) for forecast in forecasts]})
    else:
        for forecast in forecasts:
            _print(forecast)
    if any(forecast.hold for forecast in forecasts):
        return exits.HELD
    is_incomplete = any(forecast.plan.problems or forecast.waiting for forecast in forecasts)
    return exits.INCOMPLETE if is_incomplete else exits.DONE


def _forecast(state_dir: Path, mirror: MirrorConfig) -> Forecast:
    manifest, report = _open(state_dir, mirror)
    forecast = Forecast(mirror.name, _compared(mirror, manifest))
    plan = forecast.plan
    approved = _add_queued(forecast, manifest, report)
    reason = _hold_reason(mirror, plan, manifest, approved)
    root = next((problem.reason for problem in plan.problems if not problem.path), "")
    forecast.hold = root or reason or (report.hold() if forecast.held else "")
    _sort(forecast)
    return forecast


def _hold_reason(mirror: MirrorConfig, plan: Plan, manifest: Manifest, approved: int) -> str:
    """Say why the deletes would be held, as the engine's `holds` decides it; empty where they would not."""
    known = manifest.mirror().volumes
    if known and plan.deletes:
        away = remounted(json.loads(known), volumes(str(mirror.root)))
        if any(covers(normal(path), delete.path) for path in away for delete in plan.deletes):
            return away_reason(str(mirror.root), away)
    guard = Guard(None, None)
    if mirror.guard is not None:
        guard = Guard(mirror.guard.max_deletes, mirror.guard.max_delete_percent)
    deletes = len(plan.deletes) - approved
    if deletes > BATCH and guard.has_limits:
        deletes -= _moved(mirror.root, plan, manifest)
    now = time.time()
    recent = manifest.released(now - WINDOW_SECONDS, now + WINDOW_SECONDS)
    files = plan.unchanged + len(plan.uploads) + len(plan.touches)
    return hold_reason(guard, deletes=deletes, recent=recent, files=files) or ""


def _moved(root: Path, plan: Plan, manifest: Manifest) -> int:
    """Count the deletes whose bytes are among the new files: these are read where the size is the same."""
    rows = [row for delete in plan.deletes if (row := manifest.record(delete.path)) is not None]
    gone = Counter(row.digest for row in rows if row.digest is not None)
    sizes = {row.size for row in rows}
    alike = (each.found for each in plan.uploads if each.found.fingerprint.size in sizes)
    come = Counter(read.digest or b"" for found in alike if (read := _read_through(root, found)) is not None)
    return (gone & come).total()


def _open(state_dir: Path, mirror: MirrorConfig) -> tuple[Manifest, Report]:
    path = status.manifest_file(state_dir)
    if path is not None:
        reader = open_reader(path)
        number = find_mirror(reader, mirror.name, mirror.env, mirror.prefix)
        if number is not None:
            return Manifest(reader, number), Report(reader, number)
    empty = open_database(":memory:")
    empty.execute("INSERT INTO mirror (id, name, env, prefix) VALUES (1, '', '', '')")
    return Manifest(Reader(empty), 1), Report(Reader(empty), 1)


def _compared(mirror: MirrorConfig, manifest: Manifest) -> Plan:
    """Compare the disk with the manifest, and read the files whose content may still be what the cloud holds."""
    plan = Plan()
    try:
        rules = read_rules(mirror.root, mirror.ignore)
    except OSError as error:
        return Plan(problems=[Problem("", f"the ignore rules cannot be read: {error}. Nothing is changed")])
    if rules.mistakes:
        plan.skipped.append(Skipped(IGNORE_FILE, f"not understood: {'; '.join(rules.mistakes)}"))
    disk = Disk(mirror.root, mirror.prefix, rules)
    for part in Comparison(disk, manifest, deletes=mirror.delete == "mirror").slices([""]):
        for upload in part.uploads:
            plan.add(_read(mirror.root, upload, manifest))
        plan.touches += part.touches
        plan.deletes += part.deletes
        plan.keeps += part.keeps
        plan.problems += part.problems
        plan.skipped += part.skipped
        plan.unchanged += part.unchanged
    return plan


def _read(root: Path, upload: Upload, manifest: Manifest) -> Upload | Touch | None:
    """Read a file whose content may still be what the cloud holds, and decide again."""
    record = manifest.record(upload.found.path) if upload.replaces else None
    if record is None or record.digest is None or record.size != upload.found.fingerprint.size:
        return upload
    read = _read_through(root, upload.found)
    return upload if read is None else decide(read, record)


def _read_through(root: Path, found: Found) -> Found | None:
    try:
        with OpenFile(root, found.path, found.local) as file:
            while file.read():
                pass
            return file.finish()
    except LocalError:
        return None


def _add_queued(forecast: Forecast, manifest: Manifest, report: Report) -> int:
    """Add what was decided before and is not done yet. Gives how many of the deletes are approved."""
    plan, now = forecast.plan, time.time()
    decided = {each.found.path for each in plan.uploads} | {each.found.path for each in plan.touches}
    decided |= {each.path for each in plan.deletes} | {each.path for each in plan.keeps}

    def is_open(path: str) -> bool:
        return path not in decided and not any(problem.covers(path) for problem in plan.problems)

    for job in manifest.jobs(State.UPLOAD, now, sys.maxsize):
        record = manifest.record(job.path)
        if record is not None and is_open(job.path):
            found = Found(job.path, fingerprint_of(record), job.local)
            plan.uploads.append(Upload(found, replaces=record.was_sent))
            plan.unchanged -= 1
    deletes = [job for job in manifest.jobs(State.DELETE, now, sys.maxsize) if is_open(job.path)]
    plan.deletes = [delete for delete in plan.deletes if delete.was_sent]  # of the others there is nothing to delete
    plan.deletes += [Delete(job.path, was_sent=True) for job in deletes]
    forecast.held = [each.path for each in report.held() if is_open(each.path)]
    for failure in report.failures():
        record = manifest.record(failure.path)
        if record is not None and is_open(failure.path) and (failure.next_at is None or failure.next_at > now):
            forecast.waiting.append(failure)
            plan.unchanged -= record.state == State.UPLOAD
    return sum(job.is_approved for job in deletes)


def _sort(forecast: Forecast) -> None:
    plan = forecast.plan
    plan.uploads.sort(key=lambda each: each.found.path)
    plan.touches.sort(key=lambda each: each.found.path)
    plan.deletes.sort(key=lambda each: each.path)
    plan.keeps.sort(key=lambda each: each.path)
    plan.skipped.sort(key=lambda each: each.path)
    plan.problems.sort(key=lambda each: each.path)
    forecast.waiting.sort(key=lambda each: each.path)
    forecast.held.sort()


def _described(forecast: Forecast) -> dict[str, Any]:
    plan = forecast.plan
    return {
        "name": forecast.name,
        "uploads": [{"path": each.found.path, "bytes": each.found.fingerprint.size} for each in plan.uploads],
        "touches": [each.found.path for each in plan.touches],
        "deletes": [each.path for each in plan.deletes],
        "keeps": [each.path for each in plan.keeps],
        "held": forecast.held,
        "waiting": [{"path": each.path, "reason": each.reason} for each in forecast.waiting],
        "skipped": [{"path": each.path, "reason": each.reason} for each in plan.skipped],
        "problems": [{"path": each.path, "reason": each.reason} for each in plan.problems],
        "unchanged": plan.unchanged,
        "hold": forecast.hold or None,
    }


def _lines(forecast: Forecast) -> list[tuple[str, str, str]]:
    """Give (path, word, detail) of everything that is not simply unchanged."""
    plan = forecast.plan
    lines = [
        (each.found.path, "replace" if each.replaces else "upload", size(each.found.fingerprint.size))
        for each in plan.uploads
    ]
    lines += [(each.found.path, "touch", "") for each in plan.touches]
    lines += [(each.path, "delete", "") for each in plan.deletes]
    lines += [(each.path, "keep", "") for each in plan.keeps]
    lines += [(path, "held", "") for path in forecast.held]
    lines += [(each.path, "wait", f"({each.reason})") for each in forecast.waiting]
    lines += [(each.path, "skip", f"({each.reason})") for each in plan.skipped]
    lines += [(each.path, "problem", f"({each.reason})") for each in plan.problems]
    return sorted(lines)


def _print(forecast: Forecast) -> None:
    plan = forecast.plan
    say(*(f"{word:8} {path or '(root)'}  {detail}".rstrip() for path, word, detail in _lines(forecast)))
    total = sum(upload.found.fingerprint.size for upload in plan.uploads)
    counts = {
        f"{plural(len(plan.uploads), 'upload')} ({size(total)})": plan.uploads,
        plural(len(plan.deletes), "delete"): plan.deletes,
        f"{len(plan.touches):,} touched": plan.touches,
        f"{len(plan.keeps):,} kept": plan.keeps,
        f"{len(forecast.held):,} held": forecast.held,
        f"{len(forecast.waiting):,} waiting": forecast.waiting,
        f"{len(plan.skipped):,} skipped": plan.skipped,
        plural(len(plan.problems), "problem"): plan.problems,
    }
    parts = [text for text, paths in counts.items() if paths]
    if not plan:
        parts.insert(0, "nothing to do")
    say(f"{forecast.name}: {', '.join([*parts, f'{plan.unchanged:,} unchanged'])}")
    if forecast.hold:
        warn(f"{forecast.name}: deletes {'are' if forecast.held else 'would be'} held: {forecast.hold}")
