"""The decision table, row by row: what is decided for one file that is there, and for one that is gone."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest

from tcbsync.core.model import Delete, Fingerprint, Found, Keep, Record, State, Touch, Upload
from tcbsync.core.plan import decide, decide_absent, fingerprint_of
from tests.core.values import ANOTHER, CONTENT, OTHER, SAME, found, record

# cloud:  sure (it holds bytes that we know), unsure (something was sent), never (nothing was ever sent).
# read:   the content of the file, where somebody has read it: equal to what the cloud holds, or not.
PRESENT = """
| row    | fingerprint | cloud  | read     | decision |
| ------ | ----------- | ------ | -------- | -------- |
| none   | -           | -      | any      | upload   |
| PROVED | same        | sure   | -, equal | nothing  |
| PROVED | same        | sure   | unequal  | replace  |
| PROVED | other       | sure   | equal    | touch    |
| PROVED | other       | sure   | -        | replace  |
| PROVED | other       | sure   | unequal  | replace  |
| UPLOAD | same        | any    | any      | nothing  |
| UPLOAD | other       | sure   | equal    | touch    |
| UPLOAD | other       | sure   | -        | replace  |
| UPLOAD | other       | sure   | unequal  | replace  |
| UPLOAD | other       | unsure | any      | replace  |
| UPLOAD | other       | never  | any      | upload   |
| gone   | same        | sure   | -, equal | touch    |
| gone   | same        | sure   | unequal  | replace  |
| gone   | same        | unsure | any      | replace  |
| gone   | other       | sure   | equal    | touch    |
| gone   | other       | sure   | -        | replace  |
| gone   | other       | sure   | unequal  | replace  |
| gone   | other       | unsure | any      | replace  |
"""

ABSENT = """
| row    | sent | mirror  | decision |
| ------ | ---- | ------- | -------- |
| PROVED | yes  | deletes | delete   |
| PROVED | yes  | keeps   | keep     |
| UPLOAD | yes  | deletes | delete   |
| UPLOAD | yes  | keeps   | keep     |
| UPLOAD | no   | any     | forget   |
| DELETE | yes  | deletes | nothing  |
| DELETE | yes  | keeps   | keep     |
| HELD   | yes  | deletes | nothing  |
| HELD   | yes  | keeps   | keep     |
| KEPT   | yes  | deletes | delete   |
| KEPT   | yes  | keeps   | nothing  |
"""

ALL = {
    "gone": ("DELETE", "HELD", "KEPT"),
    "fingerprint": ("same", "other"),
    "cloud": ("sure", "unsure", "never"),
    "read": ("-", "equal", "unequal"),
    "mirror": ("deletes", "keeps"),
}


class Line(NamedTuple):
    """One case: what the columns say, in order, and the decision."""

    conditions: tuple[str, ...]
    decision: str

    def __str__(self) -> str:
        return f"{', '.join(self.conditions)}: {self.decision}"


def lines(table: str) -> list[Line]:
    """Spell out a table: `any` and `gone` stand for several values, and so do commas."""
    header, _, *body = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.strip().splitlines()]
    spelled = []
    for *cells, decision in body:
        values = [
            ALL[column] if cell == "any" else ALL["gone"] if cell == "gone" else tuple(cell.split(", "))
            for column, cell in zip(header, cells, strict=False)
        ]
        spelled += [Line(conditions, decision) for conditions in product(*values)]
    return spelled


def row_of(state: str, cloud: str) -> Record | None:
    """Return the row that a line speaks of."""
    if state == "none":
        return None
    return record(State[state], digest=CONTENT if cloud == "sure" else None, was_sent=cloud != "never")


@pytest.mark.parametrize("line", lines(PRESENT), ids=str)
def test_a_file_that_is_there(line: Line) -> None:
    """State of the row, fingerprint, what the cloud holds and what was read decide together."""
    state, fingerprint, cloud, read = line.conditions
    digest = {"-": None, "equal": CONTENT, "unequal": ANOTHER}[read]
    file = found("a", SAME if fingerprint == "same" else OTHER, digest)

    decision = decide(file, row_of(state, cloud))

    expected = {
        "nothing": None,
        "touch": Touch(file),
        "upload": Upload(file, replaces=False),
        "replace": Upload(file, replaces=True),
    }
    assert decision == expected[line.decision]


def test_the_table_leaves_nothing_out() -> None:
    """Each row that can exist meets each fingerprint and each reading exactly once."""
    rows = {
        ("PROVED", "sure"),
        *product(["UPLOAD"], ["sure", "unsure", "never"]),
        *product(["DELETE", "HELD", "KEPT"], ["sure", "unsure"]),
    }
    expected = {
        (state, how, cloud, read) for (state, cloud), how, read in product(rows, ["same", "other"], ALL["read"])
    }

    conditions = [line.conditions for line in lines(PRESENT)]

    assert len(conditions) == len(set(conditions))
    assert set(conditions) == expected | {("none", "-", "-", read) for read in ALL["read"]}


@pytest.mark.parametrize("line", lines(ABSENT), ids=str)
def test_a_file_that_is_gone(line: Line) -> None:
    """State of the row, whether anything was ever sent, and what the mirror does with deletes decide together."""
    state, sent, mirror = line.conditions
    row = record(State[state], digest=CONTENT if sent == "yes" else None, was_sent=sent == "yes")

    decision = decide_absent("d/a", row, deletes=mirror == "deletes")

    expected = {
        "nothing": None,
        "delete": Delete("d/a", was_sent=True),
        "forget": Delete("d/a", was_sent=False),
        "keep": Keep("d/a"),
    }
    assert decision == expected[line.decision]


@pytest.mark.parametrize("part", Fingerprint._fields)
def test_any_difference_is_a_change(part: str) -> None:
    """Size, mtime, ctime and inode count alike, and older is as different as newer."""
    for difference in (-1, 1):
        changed = SAME._replace(**{part: getattr(SAME, part) + difference})

        decision = decide(found("a", changed), record())

        assert decision == Upload(found("a", changed), replaces=True)


def test_the_fingerprint_of_a_row() -> None:
    """A row begins with the fingerprint that it speaks about."""
    row = record(State.UPLOAD, fingerprint=OTHER, digest=None)

    assert fingerprint_of(row) == OTHER


def test_no_file_equals_a_row_that_lost_its_fingerprint() -> None:
    """The inode -1 of a row whose bytes were never sent is that of no file: the file is read before it is trusted."""
    row = record(State.DELETE, fingerprint=SAME._replace(inode=-1))

    decision = decide(Found("a", SAME, "a"), row)

    assert decision == Upload(found(), replaces=True)
