"""Writes what was measured: a table for people, every single run for programs, the pictures.

Rule: the results of a row replace those of the same row and leave the others, so that rows can be run one by one.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.book import Line, Spread
from benchmarks.charts import Panel, number, picture, unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.book import Book
    from benchmarks.charts import Curves

RUNS, TABLE, SUMMARY = "runs.json", "README.md", "summary.svg"
_WORDS = {
    "cpu_ms": "CPU of a file",
    "server_cpu_ms": "CPU of the server for a file",
    "file_ms": "time of a file",
    "megabytes_per_second": "10⁶ bytes a second",
    "after_grace_seconds": "last delete after the grace",
    "watching_seconds": "until all is watched",
    "served_seconds": "until a change is served",
    "median_ms": "close() to stored, median",
    "within_99_ms": "close() to stored, 99 of 100",
    "growth_mib": "growth of memory",
    "small_file_seconds": "a small file, saved to stored",
    "left_seconds": "the large one, after the small one",
    "share_percent": "of the limit",
    "cpu_percent": "CPU of a core",
    "memory_mb": "memory",
    "wall_seconds": "time, whole process",
    "cpu_seconds": "CPU, user and system",
    "peak_mb": "most memory",
    "files_per_second": "files a second",
}
_HEAD = """# What `make bench` measured

Ours and theirs took turns on the same trees, in the same run. Given are the median and, in brackets, the least and the
most of the runs; the ratio is of pairs, ours to theirs. A bar is judged by the median. Every single run is in
[runs.json](runs.json); time is on the clock, CPU is user and system of a program and of all that it started, memory is
the most that one process of it held at once (10⁶ bytes; of a program that ends, nothing below 9 MB can be told).
"""


def write(results: Path, about: Mapping[str, str], book: Book, charts: Sequence[Panel | Curves]) -> None:
    """Take in the results of one row, and write everything anew."""
    results.mkdir(parents=True, exist_ok=True)
    document = _read(results / RUNS)
    document["rows"][book.row] = {
        "measured": {"at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), **about},
        "remarks": book.remarks,
        "lines": [asdict(line) for line in book.lines],
        "panel": next((chart._asdict() for chart in charts if isinstance(chart, Panel) and chart.bars), None),
        "runs": [{"case": run.case, "who": run.who, "turn": run.turn, **run.figures} for run in book.runs],
    }
    (results / RUNS).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (results / TABLE).write_text(_table(document["rows"]), "utf-8")
    (results / f"{book.row}.svg").write_text(picture(charts), "utf-8")
    panels = [_panel(row["panel"]) for row in document["rows"].values() if row["panel"]]
    (results / SUMMARY).write_text(picture(panels, columns=2), "utf-8")


def machine() -> dict[str, str]:
    """Say on what was measured."""
    return {
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": platform.python_version(),
    }


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"rows": {}}
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


def _panel(document: dict[str, Any]) -> Panel:
    return Panel(**{**document, "bars": [(who, Spread(*bar)) for who, bar in document["bars"]]})


def _table(rows: dict[str, Any]) -> str:
    parts = [_HEAD, _verdict(rows)]
    for name, row in rows.items():
        parts.append(f"## {name.replace('_', ' ')}\n\n![{name}]({name}.svg)\n")
        parts.append("| what | figure | tcbsync | peer | ratio | bar | met |\n|---|---|---|---|---|---|---|")
        parts.append("\n".join(_row(_line(line)) for line in row["lines"]) + "\n")
        parts += [f"- {remark}" for remark in row["remarks"]]
        about = row["measured"]
        parts.append(f"\n{about['at']}; " + "; ".join(_said(key, value) for key, value in about.items() if key != "at"))
        parts.append("")
    return "\n".join(parts)


def _verdict(rows: dict[str, Any]) -> str:
    verdicts = [line["is_met"] for row in rows.values() for line in row["lines"] if line["bar"]]
    unknown = f"; {unmeasured} could not be measured" if (unmeasured := verdicts.count(None)) else ""
    counts = f"{verdicts.count(True)} bars are met, {verdicts.count(False)} are not{unknown}"
    return f"**{counts}.**\n\n![summary]({SUMMARY})\n"


def _line(document: dict[str, Any]) -> Line:
    spreads = {key: Spread(*document[key]) if document[key] else None for key in ("ours", "theirs", "ratio")}
    return Line(**{**document, **spreads})


def _said(name: str, value: str) -> str:
    return value if value.startswith(name) else f"{name}: {value}"


def _row(line: Line) -> str:
    peer = f"{line.peer}: {_spread(line.theirs, unit(line.figure))}" if line.theirs else line.peer and f"({line.peer})"
    met = {True: "yes", False: "**no**", None: "not measured" if line.bar else ""}[line.is_met]
    words = _WORDS.get(line.figure, line.figure.replace("_", " "))
    cells = [line.what, words, _spread(line.ours, unit(line.figure)), peer, _spread(line.ratio, ""), line.bar, met]
    return "| " + " | ".join(cells) + " |"


def _spread(value: Spread | None, unit_name: str) -> str:
    if value is None:
        return ""
    between = "" if value.least == value.most else f" ({number(value.least)} – {number(value.most)})"
    return f"{number(value.median)} {unit_name}".rstrip() + between
