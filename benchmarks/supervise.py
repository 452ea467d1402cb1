"""Runs one command to its end, and writes down what it cost. `python -I -S supervise.py REPORT COMMAND…`.

A process of its own, and a small one: Linux counts the peak memory of whoever starts a program as that program's own,
so nothing below the size of a bare Python (9 MB) can be told. What the command starts and waits for is counted too.
"""

import json
import os
import sys
import time

report, *command = sys.argv[1:]
started = time.monotonic()
child = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - started
with open(report, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is most of a bare Python's size again
    json.dump(
        {
            "wall_seconds": wall,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss * 1024 / 1e6,
        },
        file,
    )
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
