"""The figures for Prometheus, by its conventions: base units, `_total` for what only grows. Only this module knows it.

An overview becomes metric families when it is asked for; nothing is counted here. Labels are the mirror's name, a word
of a fixed list, or an error class of `core.errors`: never a path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

from tcbsync import __version__
from tcbsync.engine.gate import FIRST_PROBE_SECONDS
from tcbsync.local.watch import WatchMode
from tcbsync.status import STATES, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from tcbsync.web.view import MirrorView, Overview

    Reading = Callable[[MirrorView, float], float | None]
    """What a mirror has of something at a time (unix seconds); None: it has none."""

SERVICE = ("ok", "paused", *FIRST_PROBE_SECONDS)

VERSION = re.compile(r"(\d{1,3}(\.\d{1,3}){0,2})?")
"""Of a format. The library compares it with numbers, and repeats it in its answer."""

GAUGES: dict[str, tuple[str, Reading]] = {
    "files": ("Files that the cloud surely holds.", lambda mirror, _: mirror.status.files),
    "stored_bytes": ("Size of these files.", lambda mirror, _: mirror.status.bytes),
    "pending_uploads": ("Files to be uploaded.", lambda mirror, _: mirror.status.pending_uploads),
    "pending_upload_bytes": ("Size of these files.", lambda mirror, _: mirror.status.pending_bytes),
    "pending_deletes": ("Objects to be deleted.", lambda mirror, _: mirror.status.pending_deletes),
    "uploads_in_flight": ("Uploads under way.", lambda mirror, _: len(mirror.tally.flights)),
    "failed_files": ("Files that failed, parked or to be tried again.", lambda mirror, _: mirror.status.failed),
    "parked_files": ("Files that wait for a person, of those that failed.", lambda mirror, _: mirror.status.parked),
    "blocked_paths": ("Paths that cannot be looked at.", lambda mirror, _: mirror.status.problems),
    "held_deletes": ("Deletes that wait for a person.", lambda mirror, _: mirror.status.held_deletes),
    "held_since_timestamp_seconds": (
        "Since when deletes wait for a person, or the folder cannot be seen (unix time); no sample where neither is.",
        lambda mirror, _: seconds_of(mirror.status.hold_since),
    ),
    "paused_since_timestamp_seconds": (
        "Since when a person has paused it (unix time); no sample where nobody has.",
        lambda mirror, _: seconds_of(mirror.status.paused_at),
    ),
    "kept_files": ("Files of the cloud that are kept though gone here.", lambda mirror, _: mirror.status.kept),
    "oldest_pending_seconds": (
        "Age of the oldest change that is not in the cloud yet, parked ones aside; 0 where there is none.",
        lambda mirror, now: _age(mirror.status.oldest_pending_at, now) or 0.0,
    ),
    "unproved_seconds": (
        "Seconds since disk and cloud were last known to be equal; 0 while they are.",
        lambda mirror, now: None if mirror.proved_at is None else max(0.0, now - mirror.proved_at),
    ),
    "last_scan_timestamp_seconds": (
        "When the whole folder was last compared (unix time).",
        lambda mirror, _: seconds_of(mirror.status.last_scan_at),
    ),
    "watches": ("Directories that are watched.", lambda mirror, _: mirror.watch.watches),
}
COUNTERS: dict[str, tuple[str, Reading]] = {
    "uploads_total": ("Files uploaded and proved.", lambda mirror, _: mirror.tally.uploads),
    "upload_bytes_total": ("Size of these files.", lambda mirror, _: mirror.tally.upload_bytes),
    "touches_total": ("Files found to be in the cloud already.", lambda mirror, _: mirror.tally.touches),
    "deletes_total": ("Objects deleted.", lambda mirror, _: mirror.tally.deletes),
    "failures_total": ("Attempts given up for a while, or for good.", lambda mirror, _: mirror.tally.failures),
    "drift_changes_total": ("Changes found by rescans that no event told of.", lambda mirror, _: mirror.drift),
    "watch_overflows_total": ("How often the kernel lost events.", lambda mirror, _: mirror.watch.overflows),
}


def _age(moment: str | None, now: float) -> float | None:
    at = seconds_of(moment)
    return None if at is None else max(0.0, now - at)


def families(overview: Overview) -> Iterator[Metric]:
    """Give every metric of an overview."""
    build = GaugeMetricFamily("tcbsync_build_info", "Always 1; the label says which version runs.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    for name, (told, reading) in GAUGES.items():
        yield _filled(GaugeMetricFamily(f"tcbsync_{name}", told, labels=["mirror"]), overview, reading)
    for name, (told, reading) in COUNTERS.items():
        yield _filled(CounterMetricFamily(f"tcbsync_{name}", told, labels=["mirror"]), overview, reading)
    yield from _labelled(overview)
    yield from _service(overview)
    yield from _notified(overview)


def _filled(
    family: GaugeMetricFamily | CounterMetricFamily, overview: Overview, reading: Reading
) -> GaugeMetricFamily | CounterMetricFamily:
    for mirror in overview.mirrors:
        if (value := reading(mirror, overview.at)) is not None:
            family.add_metric([mirror.name], value)
    return family


def _labelled(overview: Overview) -> Iterator[Metric]:
    state = GaugeMetricFamily("tcbsync_mirror_state", "1 for the state it is in.", labels=["mirror", "state"])
    mode = GaugeMetricFamily("tcbsync_watch_mode", "1 for how changes are noticed.", labels=["mirror", "mode"])
    retries = CounterMetricFamily(
        "tcbsync_retries_total", "Attempts that failed and were repeated.", labels=["mirror", "class"]
    )
    scans = SummaryMetricFamily("tcbsync_scan_seconds", "Time to compare the whole folder.", labels=["mirror"])
    for mirror in overview.mirrors:
        _enumerate(state, mirror.name, STATES, mirror.status.state)
        _enumerate(mode, mirror.name, (each.value for each in WatchMode), mirror.watch.mode.value)
        for kind, count in sorted(mirror.tally.retries.items()):
            retries.add_metric([mirror.name, kind], count)
        scans.add_metric([mirror.name], count_value=mirror.tally.scans, sum_value=mirror.tally.scan_seconds)
    yield from (state, mode, retries, scans)


def _enumerate(family: GaugeMetricFamily, mirror: str, words: Iterable[str], word: str) -> None:
    for each in words:
        family.add_metric([mirror, each], each == word)


def _service(overview: Overview) -> Iterator[Metric]:
    state = GaugeMetricFamily("tcbsync_service_state", "1 for the state that the service is in.", labels=["state"])
    pauses = CounterMetricFamily(
        "tcbsync_service_pauses_total",
        "How often the service was not called for a while; state paused: because of its rate limits.",
        labels=["state"],
    )
    for each in SERVICE:
        state.add_metric([each], each == overview.service["state"])
        if each != "ok":
            pauses.add_metric([each], overview.pauses.get(each, 0))
    slots = GaugeMetricFamily("tcbsync_upload_slots", "How many uploads the service lets run at once.")
    slots.add_metric([], overview.service["uploads_at_once"])
    yield from (state, pauses, slots)


def _notified(overview: Overview) -> Iterator[Metric]:
    messages = CounterMetricFamily(
        "tcbsync_notifications_total", "Messages to webhooks that are done with.", labels=["outcome"]
    )
    for outcome in ("sent", "given_up"):
        messages.add_metric([outcome], overview.notified.get(outcome, 0))
    failures = CounterMetricFamily("tcbsync_notification_failures_total", "Tries that a webhook did not take.")
    failures.add_metric([], overview.notified.get("failed", 0))
    yield from (messages, failures)


class _Shown:
    """What the encoder takes: everything that is to be shown."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def collect(self) -> Iterable[Metric]:
        """Give the metrics of the overview, and those of the process."""
        yield from families(self._overview)
        yield from PROCESS_COLLECTOR.collect()


def exposition(overview: Overview, accept: str) -> tuple[str, bytes]:
    """Give content type and text, in the format that the `Accept` header asks for; plain where it asks for nonsense."""
    versions = re.findall(r"version=([^;,]*)", accept)
    is_sound = all(VERSION.fullmatch(version.strip()) for version in versions)
    encode, content_type = choose_encoder(accept if is_sound else "")
    return content_type, encode(_Shown(overview))
