"""The bandwidth limit: what is sent in a second beside what `service.bandwidth` allows. One large file, and many small.

From the first link that was given to the last object that was stored, as the emulator has written down: the bytes of
all uploads, with what stands around a file in its form. And a timetable, whose second limit begins amid the work.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.book import OURS, Book
from benchmarks.charts import Curves, Panel, panel
from benchmarks.stage import ASSET_BYTES, remove

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.stage import Stage

LIMITS = (1_000_000, 4_000_000)
SECONDS = 8
BAR = "85 to 105 % of the limit"
MINUTE = 60


class Upload(NamedTuple):
    """One request: its bytes, and when its answer had left, in unix seconds."""

    size: int
    at: float


def measure(stage: Stage, book: Book) -> list[Panel | Curves]:
    """Send what should take eight seconds, at each limit; then as much before and after the limit changes."""
    cases = []
    for limit in LIMITS:
        large = stage.folder() / "large"
        large.mkdir()
        (large / "large.bin").write_bytes(os.urandom(limit * SECONDS))
        roots = {"small files": stage.assets(limit * SECONDS // ASSET_BYTES), "a large file": large}
        for kind, root in roots.items():
            case = f"{limit / 1e6:g} MB/s, {kind}"
            for turn in stage.turns(1):
                begun, uploads = _sent(stage, root, str(limit))
                ended = max(each.at for each in uploads)
                book.note(case, OURS, turn, share_percent=_share(uploads, begun, ended, limit))
            cases.append(case)
    cases += _timetable(stage, book)
    for case in cases:
        book.bound(case, "share_percent", BAR, least=85, most=105)
    return [panel(book, case, "share_percent", f"of the limit, {case}", 100) for case in cases]


def _timetable(stage: Stage, book: Book) -> tuple[str, str]:
    """Begin some seconds before a full minute, from which on the second limit holds."""
    before, after = LIMITS
    root = stage.assets(sum(LIMITS) * SECONDS // ASSET_BYTES)
    names = (f"until a minute is full, {before / 1e6:g} MB/s", f"from then on, {after / 1e6:g} MB/s")
    for turn in stage.turns(1):
        time.sleep((-SECONDS - 1 - time.time()) % MINUTE)
        full = (time.time() // MINUTE + 1) * MINUTE
        limits = {full - MINUTE: before, full: after}
        steps = {time.strftime("%H:%M", time.localtime(at)): limit for at, limit in limits.items()}
        begun, uploads = _sent(stage, root, str(steps))
        ended = max(each.at for each in uploads)
        book.note(names[0], OURS, turn, share_percent=_share(uploads, begun, full, before))
        book.note(names[1], OURS, turn, share_percent=_share(uploads, full, ended, after))
    return names


def _share(uploads: list[Upload], begun: float, ended: float, limit: int) -> float:
    return 100 * sum(each.size for each in uploads if begun < each.at <= ended) / (ended - begun) / limit


def _sent(stage: Stage, root: Path, bandwidth: str) -> tuple[float, list[Upload]]:
    """Send a tree. Gives when the first link was asked for, and every upload."""
    place = stage.folder()
    with stage.emulator(place) as cloud:
        stage.sync(place, stage.configure(place, root, cloud.url, service=[f"bandwidth: {bandwidth}"]))
        log = cloud.log()
    remove(place)
    if log[0]["call"] != "token":
        raise RuntimeError("the emulator's log is too short: it does not know of the beginning any more")
    begun = min(each["at"] for each in log if each["call"] == "uploadfile")
    return begun, [Upload(each["received"], each["at"]) for each in log if each["call"] == "cos"]
