"""The bandwidth limit: what is sent in a second beside what `service.bandwidth` allows. One large file, and many small.

From the first link that was given to the last object that was stored, as the emulator has written down.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.stage import ASSET_BYTES, remove

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stage import Stage

LIMITS = (1_000_000, 4_000_000)
SECONDS = 8


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Send what should take eight seconds, at each limit."""
    cases = []
    for limit in LIMITS:
        large = stage.folder() / "large"
        large.mkdir()
        (large / "large.bin").write_bytes(os.urandom(limit * SECONDS))
        roots = {"small files": stage.assets(limit * SECONDS // ASSET_BYTES), "a large file": large}
        for kind, root in roots.items():
            case = f"{limit / 1e6:g} MB/s, {kind}"
            for turn in stage.turns(1):
                book.note(case, OURS, turn, **_limited(stage, limit, root))
            book.bound(case, "share_percent", "85 to 105 % of the limit", least=85, most=105)
            book.bound(case, "cpu_seconds", "")
            cases.append(case)
    return [panel(book, case, "share_percent", f"of the limit, {case}", 100) for case in cases]


def _limited(stage: Stage, limit: int, root: Path) -> dict[str, float]:
    place = stage.folder()
    with stage.emulator(place) as cloud:
        cost = stage.sync(place, stage.configure(place, root, cloud.url, service=[f"bandwidth: {limit}"]))
        objects = cloud.objects().values()
        begun = min(each["at"] for each in cloud.log() if each["call"] == "uploadfile")
    remove(place)
    rate = sum(each["size"] for each in objects) / (max(each["uploaded_at"] for each in objects) - begun)
    return {"share_percent": 100 * rate / limit, "megabytes_per_second": rate / 1e6, **cost._asdict()}
