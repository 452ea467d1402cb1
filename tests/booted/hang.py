"""Runs in the guest: whoever reads FILE, or opens FOLDER, hangs in the kernel until stdin is closed. As on a dead disk.

fanotify(7): a permission event keeps its causer waiting until it is answered, and nobody answers here.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

FAN_CLASS_CONTENT, FAN_CLOEXEC = 0x04, 0x01
FAN_MARK_ADD = 0x01
FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_ONDIR = 0x0001_0000, 0x0002_0000, 0x4000_0000
AT_FDCWD = -100

libc = ctypes.CDLL(None, use_errno=True)
descriptor = libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY)
for path in sys.argv[1:]:
    mask = FAN_OPEN_PERM | FAN_ONDIR if Path(path).is_dir() else FAN_ACCESS_PERM
    failed = libc.fanotify_mark(descriptor, FAN_MARK_ADD, ctypes.c_uint64(mask), AT_FDCWD, os.fsencode(path))
    if descriptor < 0 or failed:
        sys.exit(os.strerror(ctypes.get_errno()))
print("hanging", flush=True)
sys.stdin.read()
