"""A disk whose server is gone: whoever looks at it hangs in the kernel, until it is let go."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MNT_DETACH = 2


@contextlib.contextmanager
def dead(place: Path) -> Iterator[None]:
    """Mount a FUSE file system (mount_fuse, kernel: fuse.rst) that answers nothing, not even its first request."""
    if sys.platform != "linux":
        pytest.skip("disks are mounted as Linux does it")
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error.strerror}")
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"dead", os.fsencode(place), b"fuse", 0, options):
            pytest.skip(f"nothing can be mounted here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            os.close(server)  # whoever hangs gets an error now
            server = -1
            libc.umount2(os.fsencode(place), MNT_DETACH)
    finally:
        if server >= 0:
            os.close(server)
