"""The read-only view: what each mirror and the service are doing, in the words of the contract. Changes nothing.

A mirror's `state` is the first of these that is true: starting, scanning (its first look at the whole tree), held
(deletes wait for a person, or the root cannot be seen), paused (by hand), offline or paused (by the service), syncing,
in_sync. Without a daemon: stopped.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import StateError
from tcbsync.core.words import rate
from tcbsync.store.database import FILE_NAME
from tcbsync.store.reader import open_reader
from tcbsync.store.report import Report, find_mirror

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tcbsync.engine.mirror import Mirror
    from tcbsync.engine.pace import Pace
    from tcbsync.local.watch import WatchState
    from tcbsync.store.answers import Counts

SHOWN = 3
"""Of what is in flight, so many are named."""
STATES = ("starting", "scanning", "held", "offline", "paused", "syncing", "in_sync", "stopped")
PAUSED = ("paused", "blocked", "full")


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """One mirror, as `status --json` gives it. Times are ISO 8601 in UTC, or null."""

    name: str
    state: str
    files: int = 0
    pending_uploads: int = 0
    pending_deletes: int = 0
    failed: int = 0
    held_deletes: int = 0
    watch_mode: str = "none"
    last_scan_at: str | None = None
    last_proved_at: str | None = None
    kept: int = 0
    parked: int = 0
    """Of the failed ones: they wait for a person."""
    problems: int = 0
    skipped: int = 0
    """Names that were looked at and can never be mirrored."""
    drift: int = 0
    watch_reason: str = ""
    hold: str = ""
    """Why deletes wait for a person, or for the root to come back."""
    hold_since: str | None = None
    bytes: int = 0
    pending_bytes: int = 0
    oldest_pending_at: str | None = None
    """Since when the longest waiting change waits."""
    paused_at: str | None = None
    """Since when a person has stopped uploads and deletes; null: nobody has."""
    reason: str = ""
    """Why the state is not in_sync, in plain words, where something stands in the way."""
    in_flight: int = 0
    in_flight_paths: tuple[str, ...] = ()
    """Some of the paths that are being uploaded or deleted just now."""


def iso(seconds: float | None) -> str | None:
    """Write unix seconds as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def seconds_of(moment: str | None) -> float | None:
    """Read a time of the status as unix seconds."""
    return None if moment is None else datetime.fromisoformat(moment).timestamp()


def manifest_file(state_dir: Path) -> Path | None:
    """Say where the manifest is; None where there is none yet. Raises StateError where one may not even look."""
    path = state_dir / FILE_NAME
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(
            f"the state directory {state_dir} cannot be looked into: {error.strerror}",
            hint="do this as the user that tcbsync runs as",
        ) from error
    return path


def place(mirror: Mirror) -> tuple[str, str, str]:
    """Give by what the manifest tells mirrors apart: name, env, prefix. Each alone may come to be another's."""
    target = mirror.parts.target
    return mirror.name, target.env, target.prefix


def open_report(state_dir: Path, name: str, env: str, prefix: str) -> Report | None:
    """Open one mirror's rows for reading; None where nothing was written yet. Raises StateError."""
    path = manifest_file(state_dir)
    if path is None:
        return None
    reader = open_reader(path)
    number = find_mirror(reader, name, env, prefix)
    return None if number is None else Report(reader, number)


def idle_status(name: str, report: Report | None, process: str = "", *, paused_at: float | None = None) -> MirrorStatus:
    """Describe a mirror that no daemon looks after; `process` is what else is at work on it now, if anything is."""
    state, reason = ("syncing", f"{process} is at work") if process else ("stopped", "")
    halted = _halted(name, paused_at)
    if report is None:
        return MirrorStatus(name, state, paused_at=iso(paused_at), reason=reason or halted or "never ran")
    hold = _root_problem(report) or _hold(report)
    why = reason or hold or halted or report.restored()
    return _describe(name, state, report, hold=hold, paused_at=iso(paused_at), reason=why)


def live_status(mirror: Mirror, report: Report, watch: WatchState | None) -> MirrorStatus:
    """Describe a mirror of this process, and who watches it, if anybody does. Blocks: call it in a worker thread."""
    state, reason = _state(mirror, report)
    return _describe(
        mirror.name,
        state,
        report,
        watch_mode=watch.mode.value if watch else "none",
        watch_reason=watch.reason if watch else "",
        drift=mirror.drift,
        hold=mirror.looks.root_problem or _hold(report),
        paused_at=iso(mirror.parts.brake.paused_at),
        reason=reason,
        in_flight=len(mirror.parts.busy),
        in_flight_paths=mirror.parts.busy.some(SHOWN),
    )


def service_status(pace: Pace, notice: str = "") -> dict[str, Any]:
    """Describe the service as this process sees it. `notice`: what works, and should be mended all the same.

    `blocked_by`: what has to be mended where it is blocked, the `service` or the `state_dir`, which takes no more.
    `uploads_at_once` and `deletes_at_once` are less than configured (`uploads`, `deletes`) while the service asks for
    fewer. `bandwidth` is the limit that holds now, in bytes a second, until `bandwidth_until` by the local clock.
    """
    gate = pace.first_closed()
    is_stalled = gate is not None and isinstance(gate.error, StateError)
    return {
        "state": gate.state if gate else "ok",
        "paused_until": iso(gate.until) if gate else None,
        "last_error": gate.reason if gate else pace.last_error or None,
        "blocked_by": None if gate is None or gate.state != "blocked" else "state_dir" if is_stalled else "service",
        "notice": notice or None,
        "uploads_at_once": min(pace.link_slots.limit, pace.upload_slots.limit),
        "deletes_at_once": pace.delete_slots.limit,
        "uploads": pace.upload_slots.most,
        "deletes": pace.delete_slots.most,
        "bandwidth": pace.bandwidth.limit(),
        "bandwidth_until": pace.bandwidth.until(),
    }


def line(mirror: MirrorStatus) -> str:
    """Describe a mirror in one line, as systemd shows it."""
    counts = {
        "in the cloud": mirror.files,
        "to upload": mirror.pending_uploads,
        "to delete": mirror.pending_deletes,
        "failed": mirror.failed,
        "held": mirror.held_deletes,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count or what == "in the cloud")
    return f"{mirror.name}: {mirror.state}, {told}{f' ({mirror.reason})' if mirror.reason else ''}"


def limits(service: Mapping[str, Any]) -> list[str]:
    """Say what holds uploads and deletes back, as a person would: a line each, from what `service_status` gave."""
    lines = []
    bandwidth, until = service.get("bandwidth"), service.get("bandwidth_until")
    if bandwidth is not None or until is not None:
        lines.append(f"bandwidth {rate(bandwidth)}" + (f" until {until}" if until else ""))
    for what in ("uploads", "deletes"):
        now, most = service.get(f"{what}_at_once"), service.get(what)
        if now is not None and most is not None and now < most:
            lines.append(f"{what} lowered to {now} of {most}: the service said too many at once")
    return lines


def as_json(mirrors: list[MirrorStatus], service: dict[str, Any]) -> dict[str, Any]:
    """Put the status together as the contract has it."""
    return {"mirrors": [asdict(mirror) for mirror in mirrors], "service": service}


def _halted(name: str, paused_at: float | None) -> str:
    return "" if paused_at is None else f"paused by hand since {iso(paused_at)}; `tcbsync resume {name}` lets it go on"


def _state(mirror: Mirror, report: Report) -> tuple[str, str]:
    looks, paused_at = mirror.looks, mirror.parts.brake.paused_at
    # In the order in which a change goes on its way: read the other way round, one might slip past unseen.
    is_noticed = len(mirror.settle) > 0 or (looks.is_looking and not looks.is_scanning)
    counts = report.counts()
    is_working = is_noticed or counts.pending_uploads or counts.pending_deletes or len(mirror.parts.busy)
    gate = mirror.parts.pace.closed(mirror.parts.target.env)
    restored = report.restored()
    told = (
        (bool(looks.root_problem), "held", looks.root_problem),
        (not looks.has_scanned, "scanning" if looks.is_scanning else "starting", ""),
        (counts.held_deletes > 0, "held", report.hold()),
        (paused_at is not None, "paused", _halted(mirror.name, paused_at)),
        (gate is not None, "paused" if gate and gate.state in PAUSED else "offline", gate.reason if gate else ""),
        (bool(restored), "syncing", restored),
        (bool(is_working), "syncing", ""),
        (counts.failed > 0, "syncing", "some files could not be mirrored; `tcbsync failed` lists them"),
        (report.blocking_problems() > 0, "syncing", "some paths cannot be looked at; `tcbsync failed` lists them"),
    )
    return next(((state, reason) for is_true, state, reason in told if is_true), ("in_sync", ""))


def _hold(report: Report) -> str:
    return report.hold() if report.counts().held_deletes else ""


def _root_problem(report: Report) -> str:
    return next((reason for path, reason, blocks, _ in report.problems() if blocks and not path), "")


def _describe(name: str, state: str, report: Report, *, hold: str, **more: Any) -> MirrorStatus:
    counts: Counts = report.counts()
    last_scan_at, last_equal_at = report.times()
    return MirrorStatus(
        name=name,
        state=state,
        files=counts.files,
        pending_uploads=counts.pending_uploads,
        pending_deletes=counts.pending_deletes,
        failed=counts.failed,
        held_deletes=counts.held_deletes,
        kept=counts.kept,
        parked=counts.parked,
        bytes=counts.bytes,
        pending_bytes=counts.pending_bytes,
        oldest_pending_at=iso(counts.oldest_pending),
        problems=report.blocking_problems(),
        skipped=report.skipped(),
        last_scan_at=iso(last_scan_at),
        last_proved_at=iso(last_equal_at),
        hold=hold,
        hold_since=iso(report.hold_since()) if hold else None,
        **more,
    )
