"""A file that is saved while `tcbsync run` watches: from close() to stored in the cloud."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING

from benchmarks.stage import ENVIRONMENT, TCBSYNC, configure, emulator, make_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = 2000
SAVES = 100


def measure(place: Path) -> Iterator[str]:
    """Save one file after the other, each in another directory, and ask the emulator when it had them."""
    root = place / "root"
    make_files(root, FILES, 4096)
    with emulator(place / "objects") as url:
        config = str(configure(place, root, url))
        daemon = subprocess.Popen([*TCBSYNC, "run", "-c", config], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        try:
            _wait_for(url, FILES)
            saved = [_save(root / f"{number % 20:04}" / f"saved-{number}.json") for number in range(SAVES)]
            stored = _wait_for(url, FILES + SAVES)
        finally:
            daemon.terminate()
            daemon.wait()
    delays = sorted(stored[f"bench/{path.relative_to(root).as_posix()}"] - at for path, at in saved)
    yield (
        f"{SAVES} saves beside {FILES} files: median {1000 * statistics.median(delays):.0f} ms,"
        f" 9 of 10 within {1000 * delays[SAVES * 9 // 10 - 1]:.0f} ms, longest {1000 * delays[-1]:.0f} ms"
    )


def _save(path: Path) -> tuple[Path, float]:
    path.write_text(json.dumps({"saved": time.time_ns()}))
    at = time.time()
    time.sleep(0.1)
    return path, at


def _wait_for(url: str, count: int) -> dict[str, float]:
    """Wait for so many objects; give when each was stored, in unix seconds."""
    for _ in range(600):
        with urllib.request.urlopen(f"{url}/_emulator/objects") as answer:
            objects = json.load(answer)
        if len(objects) >= count:
            return {each["key"]: each["uploaded_at"] for each in objects}
        time.sleep(0.2)
    raise TimeoutError(f"{len(objects)} objects instead of {count}")
