"""The metrics: every figure there, by Prometheus' conventions, and what alerts and dashboard ask for exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tcbsync import __version__
from tcbsync.core.errors import CloudError
from tcbsync.engine.tally import Flight, Tally
from tcbsync.status import STATES, iso
from tcbsync.web.metrics import exposition, families
from tests.web.viewing import NOW, mirror, overview, served_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.web.view import Overview

MONITORING = Path(__file__).parent.parent.parent / "systemd" / "monitoring"


def tally() -> Tally:
    """Give one in which every figure is another."""
    made = Tally(uploads=11, upload_bytes=12, touches=13, deletes=14, failures=15, scans=2, scan_seconds=0.5)
    made.retries.update({"NoAnswer": 3, "Busy": 4})
    made.flights["a"] = Flight(1, NOW)
    return made


def samples(**told: Any) -> dict[tuple[str, str], float]:
    """Give every sample of an overview by its name and its label; where it has two, the one that is no mirror."""
    text = exposition(overview(mirror(tally=tally(), **told)), "")[1].decode()
    return {
        (sample.name, next(iter(sorted(sample.labels.items(), key=_is_mirror)), ("", ""))[1]): sample.value
        for family in plain(text)
        for sample in family.samples
    }


def _is_mirror(label: tuple[str, str]) -> bool:
    return label[0] == "mirror"


def test_figures() -> None:
    """Each is what the status, the tally or the service says."""
    told = samples(
        state="syncing",
        files=21,
        bytes=22,
        pending_uploads=23,
        pending_bytes=24,
        pending_deletes=25,
        failed=26,
        parked=27,
        problems=28,
        held_deletes=29,
        kept=30,
        drift=31,
        hold="the root is empty",
        hold_since=iso(NOW - 34),
        paused_at=iso(NOW - 35),
        oldest_pending_at=iso(NOW - 32),
        last_scan_at=iso(NOW - 33),
    )

    assert {name: value for (name, label), value in told.items() if label == "site"} == {
        "tcbsync_files": 21,
        "tcbsync_stored_bytes": 22,
        "tcbsync_pending_uploads": 23,
        "tcbsync_pending_upload_bytes": 24,
        "tcbsync_pending_deletes": 25,
        "tcbsync_uploads_in_flight": 1,
        "tcbsync_failed_files": 26,
        "tcbsync_parked_files": 27,
        "tcbsync_blocked_paths": 28,
        "tcbsync_held_deletes": 29,
        "tcbsync_held_since_timestamp_seconds": NOW - 34,
        "tcbsync_paused_since_timestamp_seconds": NOW - 35,
        "tcbsync_kept_files": 30,
        "tcbsync_oldest_pending_seconds": 32,
        "tcbsync_unproved_seconds": 0,
        "tcbsync_last_scan_timestamp_seconds": NOW - 33,
        "tcbsync_watches": 0,
        "tcbsync_uploads_total": 11,
        "tcbsync_upload_bytes_total": 12,
        "tcbsync_touches_total": 13,
        "tcbsync_deletes_total": 14,
        "tcbsync_failures_total": 15,
        "tcbsync_drift_changes_total": 31,
        "tcbsync_watch_overflows_total": 0,
        "tcbsync_scan_seconds_count": 2,
        "tcbsync_scan_seconds_sum": 0.5,
    }
    assert told["tcbsync_build_info", __version__] == 1
    assert told["tcbsync_retries_total", "NoAnswer"] == 3
    assert told["tcbsync_service_pauses_total", "paused"] == 2
    assert told["tcbsync_service_pauses_total", "offline"] == 0
    assert told["tcbsync_upload_slots", ""] == 16


@pytest.mark.parametrize("state", STATES)
def test_a_state_is_one_of_all(state: str) -> None:
    """Each state has a sample, and one of them is 1: an alert needs no absent()."""
    told = {label: value for (name, label), value in samples(state=state).items() if name == "tcbsync_mirror_state"}

    assert told == {each: float(each == state) for each in STATES}


def test_what_is_not_known_is_left_out() -> None:
    """A folder that was never scanned has no time of its last scan; nothing waits for 0 seconds."""
    told = samples(state="starting")

    for name in ("last_scan", "held_since", "paused_since"):
        assert (f"tcbsync_{name}_timestamp_seconds", "site") not in told
    assert told["tcbsync_oldest_pending_seconds", "site"] == 0


def test_conventions() -> None:
    """Counters end in _total and nothing else does; times are in seconds, sizes in bytes; every one has a help text."""
    for family in families(everything()):
        assert re.fullmatch(r"tcbsync(_[a-z]+)+", family.name)
        assert family.documentation.endswith(".")
        assert not re.search(r"_(ms|milliseconds|minutes|hours|kb|mib|percent|count|sum|total)$", family.name)
        assert {sample.name.endswith("_total") for sample in family.samples} <= {family.type == "counter"}
        for sample in family.samples:
            assert sample.labels.keys() <= {"mirror", "state", "mode", "class", "outcome", "version"}


def test_classes_are_those_of_the_errors() -> None:
    """The label of a retry is a class of the tree of errors: a fixed list, and no text of the service's."""

    def below(kind: type[CloudError]) -> Iterator[str]:
        yield kind.__name__
        for each in kind.__subclasses__():
            yield from below(each)

    told = {label for name, label in samples() if name == "tcbsync_retries_total"}

    assert told
    assert told <= set(below(CloudError))


async def test_over_http(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the plain format, and in OpenMetrics for who asks for it; with the figures of the process."""
    async with served_in(tmp_path, caplog) as served:
        (served.desk.root / "a").write_text("hello")
        await served.sync()

        old = await served.get("/metrics")
        new = await served.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert old.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert new.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    for families_of, answer in ((plain, old), (open_metrics, new)):
        told = {sample.name: sample.value for family in families_of(answer.text) for sample in family.samples}
        assert told["tcbsync_files"] == 1
        assert told["tcbsync_upload_bytes_total"] == 5
        assert told["process_resident_memory_bytes"] > 0


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain; version=x",
        "application/openmetrics-text; version=1.0.0<b>",
        "application/openmetrics-text; version=1.0.0.<b>",
        "application/openmetrics-text; version=",
        "text/plain; version=1.0.0; escaping=<b>",
        "=;,=;;",
        "\u00e9",
    ],
)
def test_an_odd_wish_gets_figures_all_the_same(accept: str) -> None:
    """Whatever a header asks for, the answer is a format that there is, and repeats nothing of it."""
    content_type, body = exposition(overview(), accept)

    assert content_type.startswith(("text/plain; version=", "application/openmetrics-text; version=1.0.0"))
    assert "<" not in content_type
    assert b'tcbsync_files{mirror="site"} 0.0' in body


def expressions(value: Any) -> Iterator[str]:
    """Give what is asked of Prometheus anywhere in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "definition"):
                yield inner
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def everything() -> Overview:
    """Make an overview in which every figure has a sample."""
    when: dict[str, Any] = {"hold_since": iso(NOW - 60), "paused_at": iso(NOW - 60), "last_scan_at": iso(NOW - 60)}
    return overview(mirror(tally=tally(), hold="the root is empty", **when))


def alerts() -> Any:
    """Read the example's rules."""
    return yaml.safe_load((MONITORING / "alerts.yaml").read_text("utf-8"))


def dashboard() -> Any:
    """Read the example's panels."""
    return json.loads((MONITORING / "dashboard.json").read_text("utf-8"))


@pytest.mark.parametrize("document", [alerts, dashboard])
def test_what_is_asked_for_exists(document: Any) -> None:
    """Every name in an expression is exported, with the labels and the words that it asks for."""
    text = exposition(everything(), "")[1].decode()
    known: dict[str, list[dict[str, str]]] = {}
    for family in plain(text):
        for sample in family.samples:
            known.setdefault(sample.name, []).append(sample.labels)
    asked = [
        (name, dict(re.findall(r'(\w+)=~?"([^"]*)"', selector)))
        for expression in expressions(document())
        for name, selector in re.findall(r"(tcbsync_\w+|process_\w+)(?:\{([^}]*)\})?", expression)
    ]

    assert len(asked) > 8
    assert "tcbsync_held_since_timestamp_seconds" in dict(asked)
    for name, selector in asked:
        assert name in known
        for label, words in selector.items():
            if label == "job" or "$" in words:
                continue
            assert set(words.split("|")) <= {labels[label] for labels in known[name]}


def test_every_alert_says_what_to_do() -> None:
    """Each has a name of its own, an urgency, and the next step; its words name labels that are there."""
    rules = [rule for group in alerts()["groups"] for rule in group["rules"]]

    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        if "$labels.mirror" in str(rule["annotations"]):
            assert "tcbsync_" in rule["expr"]
            assert "tcbsync_service" not in rule["expr"].partition(" and on()")[0]


def test_the_dashboard_asks_for_everything_that_can_go_wrong() -> None:
    """Retries, pauses, drift, what waits, what failed and what is held are all to be seen."""
    shown = " ".join(expressions(dashboard()))

    for name in (
        "tcbsync_retries_total",
        "tcbsync_service_pauses_total",
        "tcbsync_drift_changes_total",
        "tcbsync_oldest_pending_seconds",
        "tcbsync_unproved_seconds",
        "tcbsync_failed_files",
        "tcbsync_held_deletes",
        "tcbsync_held_since_timestamp_seconds",
        "tcbsync_paused_since_timestamp_seconds",
        "tcbsync_scan_seconds_sum",
    ):
        assert name in shown


def test_panels_do_not_overlap() -> None:
    """Each place of the dashboard's grid has one panel."""
    places: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])

    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert places.isdisjoint(covered)
        assert max(x for x, _ in covered) < 24
        places |= covered
