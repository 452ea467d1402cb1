"""Judges what a crash left behind. Each rule that is broken is one complaint, in words; there should be none."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.core.model import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.crash.stage import Object, Row, Stage


class Recovery(NamedTuple):
    """How the restart went."""

    complaints: list[str]
    repeated: int
    """How many uploads the cloud has taken that it had taken before."""


def of_the_moment(stage: Stage, before: Mapping[str, Object], state: Path | None = None) -> list[str]:
    """Judge what is there right after the crash, before anybody mends it. `before`: the cloud when the try began.

    `state`: the state directory, where it is another than the stage's.
    """
    try:
        rows = stage.rows(state)
    except sqlite3.DatabaseError as error:
        return [f"damaged: {error}"]
    objects, disk = stage.objects(), stage.disk()
    return [*_of_the_objects(objects, rows, before, disk), *_of_the_missing(objects, before, disk)]


def _of_the_objects(
    objects: Mapping[str, Object], rows: Mapping[str, Row], before: Mapping[str, Object], disk: Mapping[str, bytes]
) -> Iterator[str]:
    for path, found in objects.items():
        if path not in rows or rows[path].file_id is None:
            yield f"orphan: {path} is in the cloud, and no row can name it"
        states = {before[path].content} if path in before else set()
        if found.content not in states | {disk.get(path)}:
            yield f"torn: {path} in the cloud is no state of the file"
    for path, row in rows.items():
        if row.digest is not None and (path not in objects or objects[path].md5 != row.digest):
            yield f"false claim: the row of {path} is sure of bytes that the cloud does not hold"


def _of_the_missing(
    objects: Mapping[str, Object], before: Mapping[str, Object], disk: Mapping[str, bytes]
) -> Iterator[str]:
    there, wanted = {found.content for found in objects.values()}, set(disk.values())
    for path in before.keys() - objects.keys():
        content = before[path].content
        if path in disk:
            yield f"deleted: {path} is on the disk, and the cloud had it"
        elif content in wanted and content not in there:
            yield f"deleted too early: {path} has a new name, and the cloud has not got the bytes"


def of_the_restart(stage: Stage, crashes: int = 1) -> Recovery:
    """Start it again after so many crashes, and once more, and judge both."""
    code = stage.run("sync")
    uploads = stage.uploads()
    complaints = [*_of_the_end(stage, code), *_of_the_work(stage, uploads, crashes)]
    calls = stage.calls()
    code = stage.run("sync")
    if code or stage.calls() != calls:
        complaints.append(f"a third run ended with {code}, and called {stage.calls()}, up from {calls}")
    return Recovery(complaints, sum(uploads.values()) - len(uploads))


def _of_the_end(stage: Stage, code: int) -> Iterator[str]:
    disk, rows = stage.disk(), stage.rows()
    if code:
        yield f"the restart ended with {code}: {stage.output.read_text()[-2000:]}"
    if (cloud := {path: found.content for path, found in stage.objects().items()}) != disk:
        wrong = [path for path in cloud.keys() | disk.keys() if cloud.get(path) != disk.get(path)]
        yield f"disk and cloud are not equal: {wrong}"
    if rows.keys() != disk.keys() or any(row.state != State.PROVED for row in rows.values()):
        yield f"the manifest has unproved rows, or wrong ones: {rows}"


def _of_the_work(stage: Stage, uploads: Mapping[str, int], crashes: int) -> Iterator[str]:
    again = sum(uploads.values()) - len(uploads)
    if again > stage.slots * crashes or max(uploads.values(), default=0) > 1 + crashes:
        yield f"more was repeated than was in flight: {uploads}"
    if (most := stage.emulator.counters.max_at_once_same_key) > 1:
        yield f"{most} operations on one key at once"
