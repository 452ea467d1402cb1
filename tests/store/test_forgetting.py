"""Giving up a mirror's rows: some at a time, so that others get their turn, and to be gone on with at any point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.core.model import split
from tcbsync.store import forgetting
from tcbsync.store.forgetting import Living
from tests.store.table import file

if TYPE_CHECKING:
    from tests.store.table import Table

LIVING = Living("2", "e", "")
SHARED = [f"d{number}/{number % 2}" for number in range(7)]


@pytest.fixture
def shared(table: Table, monkeypatch: pytest.MonkeyPatch) -> Table:
    """Have two mirrors that know the same objects, and a third of the first one's that nobody else knows."""
    monkeypatch.setattr(forgetting, "ROWS", 3)
    for path in SHARED:
        table.prove(file(path))
        table.send(file(path), mirror=2)
    for path in ("alone", "d3/alone"):
        table.prove(file(path))
    return table


def left(table: Table) -> list[str]:
    """Give the paths that mirror 1 knows still."""
    rows = table.connection.execute("SELECT directory, name FROM file WHERE mirror = 1 ORDER BY directory, name")
    return [f"{directory}/{name}".lstrip("/") for directory, name in rows]


def drop_all_known(table: Table, after: str = "") -> list[int]:
    """Drop to the end, transaction by transaction. Gives the rows that each took."""
    counts: list[int] = []
    while True:
        count, after = table.do(forgetting.drop_known, "", LIVING, after)
        if not after:
            return counts
        counts.append(count)


def test_what_another_knows_goes_in_small_transactions(shared: Table) -> None:
    """No transaction looks at more rows than others may be kept waiting for; what nobody else knows stays."""
    counts = drop_all_known(shared)

    assert counts == [2, 2, 3]
    assert left(shared) == ["alone", "d3/alone"]


def test_cut_off_it_is_gone_on_with(shared: Table) -> None:
    """After a kill between two transactions it begins anew, and ends the same."""
    shared.do(forgetting.drop_known, "", LIVING, "")
    between = left(shared)

    drop_all_known(shared)

    assert between == ["alone", "d2/0", "d3/1", "d3/alone", "d4/0", "d5/1", "d6/0"]
    assert left(shared) == ["alone", "d3/alone"]


def test_what_the_other_has_given_up_meanwhile_stays_known(shared: Table) -> None:
    """Between two transactions the living mirror may forget an object: then this row is the last that knows it."""
    _, after = shared.do(forgetting.drop_known, "", LIVING, "")
    shared.connection.execute("DELETE FROM file WHERE mirror = 2 AND directory = ? AND name = ?", split("d5/1"))

    drop_all_known(shared, after)

    assert left(shared) == ["alone", "d3/alone", "d5/1"]


def test_a_neighbour_without_rows(table: Table) -> None:
    """A mirror that has never run knows nothing."""
    table.prove(file("a"))

    dropped = table.do(forgetting.drop_known, "", Living("new", "e", ""), "")

    assert (dropped, left(table)) == ((0, ""), ["a"])
