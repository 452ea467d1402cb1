"""Decides what must change. No disk, no clock, no network.

    disk                            manifest                        decision
    file                            no row                          upload
    same fingerprint                proved, or already queued       nothing
    same fingerprint                queued for delete, cloud sure   touch (it is back)
    other fingerprint, same digest  cloud sure of that digest       touch
    anything else                   row                             upload, replacing
    absent, inside the scope        row                             delete, or keep where the mirror never deletes
    problem at or above             any                             nothing; the problem is reported

"Cloud sure" is `Record.digest is not None`. A fingerprint that differs in any part differs; "newer" is not asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.model import Delete, Fingerprint, Found, Keep, Plan, Record, State, Touch, Upload, is_beneath, join

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from tcbsync.core.model import Snapshot


def decide(found: Found, record: Record | None) -> Upload | Touch | None:
    """Decide for one file that is there. None: nothing to do, or what is to be done is queued already."""
    if record is None:
        return Upload(found, replaces=False)
    is_same = fingerprint_of(record) == found.fingerprint
    if is_same and record.state == State.UPLOAD:
        return None
    is_sure = record.digest is not None and (is_same if found.digest is None else found.digest == record.digest)
    if not is_sure:
        return Upload(found, replaces=record.was_sent)
    return None if is_same and record.state == State.PROVED else Touch(found)


def decide_absent(path: str, record: Record, *, deletes: bool) -> Delete | Keep | None:
    """Decide for a row whose file is surely not there."""
    decided = (State.DELETE, State.HELD) if deletes else (State.KEPT,)
    if record.state in decided:
        return None
    if deletes or not record.was_sent:
        return Delete(path, was_sent=record.was_sent)
    return Keep(path)


def fingerprint_of(record: Record) -> Fingerprint:
    """Give the fingerprint that a row speaks about."""
    return Fingerprint._make(record[:4])


def reconcile(snapshot: Snapshot, rows: Mapping[str, Record], *, deletes: bool = True) -> Plan:
    """Compare one directory with its rows, which map a name to what is known of it.

    `rows` holds only what the scope covers, and none of what the snapshot found unchanged. A row that is neither among
    the files nor under a problem is gone from the disk. Unchanged files cost a comparison and no object.
    """
    plan = Plan(problems=list(snapshot.problems), skipped=list(snapshot.skipped))
    troubled = {problem.path for problem in snapshot.problems}
    unchanged = snapshot.unchanged
    for name, fingerprint in snapshot.files.items():
        record = rows.get(name)
        if record is not None and record[:4] == fingerprint and record.state == State.PROVED:
            unchanged += 1
        elif not (troubled and _is_troubled(join(snapshot.directory, name), troubled)):
            plan.add(decide(snapshot.found(name), record))
    plan.unchanged += unchanged
    for name in rows.keys() - snapshot.files.keys():
        path = join(snapshot.directory, name)
        if _is_troubled(path, troubled):
            continue
        decision = decide_absent(path, rows[name], deletes=deletes)
        if decision is not None:
            plan.add(decision)
    return plan


def _is_troubled(path: str, troubled: Container[str]) -> bool:
    return path in troubled or is_beneath(path, troubled)
