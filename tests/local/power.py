"""Takes away from a test what root may do: read every directory and every file, whatever their modes say."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 0x20080522
READ_EVERYTHING = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _powers() -> tuple[ctypes.CDLL, ctypes.Array[_Data]]:
    """Return the powers of this thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "capget"):
        pytest.skip("powers can be taken away on Linux only")
    data = (_Data * 2)()
    assert libc.capget(ctypes.byref(_Header(VERSION, 0)), data) == 0
    return libc, data


@contextlib.contextmanager
def powerless() -> Iterator[None]:
    """Let modes count for the length of the block, for root as for everybody else. Files stay its own."""
    if os.geteuid() != 0:
        yield
        return
    libc, data = _powers()
    before = data[0].effective
    data[0].effective &= ~READ_EVERYTHING
    assert libc.capset(ctypes.byref(_Header(VERSION, 0)), data) == 0
    try:
        yield
    finally:
        data[0].effective = before
        assert libc.capset(ctypes.byref(_Header(VERSION, 0)), data) == 0
