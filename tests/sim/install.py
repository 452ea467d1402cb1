"""Puts the product on the simulation's ground, and listens to what it says of itself."""

from __future__ import annotations

import functools
import logging
import warnings
from typing import TYPE_CHECKING, Any

from tcbsync.core import ignore
from tcbsync.core.ignore import _compiled
from tcbsync.engine import compare, looks, reads, stream
from tcbsync.local import digest, scan
from tcbsync.store.database import open_database
from tests.sim.cloud import ENV, PREFIX
from tests.sim.system import SYSTEM

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


class Defects(logging.Handler):
    """Report what the program itself calls a defect of its own."""

    def __init__(self, fail: Callable[[str], None], is_alive: Callable[[], bool]) -> None:
        super().__init__(logging.ERROR)
        self._fail = fail
        self._is_alive = is_alive
        self._log = logging.getLogger("tcbsync")

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_alive():
            self._fail(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")

    def __enter__(self) -> None:
        self._level, self._log.level = self._log.level, logging.ERROR
        self._log.addHandler(self)

    def __exit__(self, *error: object) -> None:
        self._log.removeHandler(self)
        self._log.setLevel(self._level)


def empty_manifest() -> sqlite3.Connection:
    """Open an empty manifest in memory, with one mirror."""
    connection = open_database(":memory:")
    connection.execute("INSERT INTO mirror (id, name, env, prefix) VALUES (1, 'site', ?, ?)", (ENV, PREFIX))
    return connection


def install() -> None:
    """Put the disk in memory under the product's modules, and make large files small. For a process of its own."""
    modules: Any = (digest, scan)
    for module in modules:
        module.os = SYSTEM
    modules[1].volumes = SYSTEM.volumes
    eyes: Any = looks
    eyes.touch_volumes = lambda *_: None  # none of them is dead
    slices: Any = compare  # small ones: much may happen between two of them
    slices.SLICE_DECISIONS = slices.SLICE_FILES = 3
    sizes: tuple[Any, Any] = (reads, stream)
    sizes[0].SMALL, sizes[1].CHUNK = 64, 32
    rules: Any = ignore
    rules._compiled = functools.cache(_compiled)
    logging.getLogger("tcbsync").propagate = False
    logging.getLogger("tcbsync").addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")
