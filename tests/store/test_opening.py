"""What a start does with the manifest that it finds: trusts it, checks it, restores it, or refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tcbsync.core.errors import StateDamaged, StateError
from tcbsync.store import database, health, opening, restore
from tcbsync.store.database import MIGRATIONS
from tests.store.caring import Place

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a state directory that is not there yet."""
    return Place(tmp_path / "state")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of each look at the manifest whether it was read as a whole."""
    return noted(monkeypatch, of_copies=False)


def noted(monkeypatch: pytest.MonkeyPatch, *, of_copies: bool) -> list[bool]:
    """Note of each look at the manifest, or at a copy of it, whether it was read as a whole."""
    checks: list[bool] = []

    def examine(path: Path, *, whole: bool = True, is_copy: bool = False, newest: int | None = None) -> health.Health:
        if is_copy == of_copies:
            checks.append(whole)
        return health.examine(path, whole=whole, is_copy=is_copy, newest=newest)

    for module in (opening, restore):
        monkeypatch.setattr(module, "examine", examine)
    return checks


async def test_after_a_clean_stop_it_is_not_read_again(place: Place, checks: list[bool]) -> None:
    """`sync` over a million files that did not change stays fast."""
    for _ in range(3):
        async with place.work():
            pass

    assert checks == [False, False]


async def test_its_copy_is_not_either(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is asked what it knows, as long as nothing was sent since. It is read when the manifest is."""
    async with place.work() as work:
        await work.prove("a")
        await work.copy()
    checks = noted(monkeypatch, of_copies=True)
    async with place.work():
        pass
    after_a_stop = [*checks]
    (place.state / health.MARK).unlink()
    async with place.work():
        pass

    assert after_a_stop
    assert not any(after_a_stop)
    assert any(checks)


async def test_after_a_day_it_is(place: Place, checks: list[bool]) -> None:
    """Not a day after the last stop: a day after it was last read, however often it was opened since."""
    async with place.work():
        pass
    mark = place.state / health.MARK
    document = json.loads(mark.read_text())
    mark.write_text(json.dumps(document | {"checked_at": time.time() - health.CHECK_SECONDS - 1}))

    for _ in range(2):
        async with place.work():
            pass

    assert checks == [True, False]


async def test_without_a_clean_stop_it_is(place: Place, checks: list[bool]) -> None:
    """The mark of the stop before counts for one start."""
    async with place.work() as work:
        await work.prove("a")
    async with place.work():
        assert not (place.state / health.MARK).exists()
        checks.clear()
    (place.state / health.MARK).unlink()

    async with place.work():
        pass

    assert checks == [True]


async def test_a_file_that_somebody_else_has_touched_is(place: Place, checks: list[bool]) -> None:
    """It was put back from a backup, say."""
    async with place.work():
        pass
    content = place.database.read_bytes()
    place.database.unlink()
    place.database.write_bytes(content)

    async with place.work():
        pass

    assert checks == [True]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"checked_at": "soon"}', b'{"checked_at": 1e12, "file": []}'])
async def test_a_mark_that_says_nothing_is_none(place: Place, checks: list[bool], content: bytes) -> None:
    """Whatever is in it."""
    async with place.work():
        pass
    (place.state / health.MARK).write_bytes(content)

    async with place.work():
        pass

    assert checks == [True]


async def test_with_nothing_to_restore_from_it_refuses(place: Place) -> None:
    """It says what next; not a byte of the file is changed; and a second start says the same."""
    async with place.work():
        pass
    place.damage()
    before = place.database.read_bytes()

    for _ in range(2):
        with pytest.raises(StateDamaged, match="there is no copy to restore it from") as caught:
            async with place.work():
                pass

    assert "manifest import" in caught.value.hint
    assert place.database.read_bytes() == before
    assert place.aside() == []


async def test_where_a_damaged_one_stood_no_empty_one_begins(place: Place) -> None:
    """Not even when all else is gone."""
    await place.with_copy()
    place.damage()
    async with place.work():
        pass
    place.database.unlink()
    for path in place.folder.iterdir():
        path.unlink()

    with pytest.raises(StateDamaged, match=r"is missing, there is no copy of it, and a damaged one is at .*damaged-"):
        async with place.work():
            pass

    assert not place.database.exists()


async def test_a_newer_schema_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no damage: the newer version goes on with it as it is."""
    with monkeypatch.context() as newer:
        newer.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x)"))
        async with place.work() as work:
            await work.prove("a")

    with pytest.raises(StateError, match=f"has schema {len(MIGRATIONS) + 1}; this version of tcbsync knows up to"):
        async with place.work():
            pass

    assert place.aside() == []
