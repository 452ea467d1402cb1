"""The accounts of a day: sums over processes that begin at 0, and losses that the cloud's own journal tells of."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.daemon.sd_notify import notify
from tcbsync.demo.accounts import Proofs, Sums
from tcbsync.demo.desk import Unit
from tcbsync.demo.interrupt import Interruption
from tcbsync.demo.stage import ENV, Stage
from tcbsync.emulator.journal import Journal, StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Ground:
    """A folder, and the journal of a cloud."""

    def __init__(self, place: Path) -> None:
        (place / "site").mkdir()
        (place / "cloud/.emulator").mkdir(parents=True)
        self.stage = Stage(place, place / "site", Interruption())
        self.journal = Journal(place / "cloud/.emulator/objects.jsonl")
        self.proofs = Proofs(self.stage)

    def store(self, key: str, content: bytes) -> StoredObject:
        """Write a file, and have the cloud note its object."""
        (self.stage.root / key).write_bytes(content)
        digest = hashlib.md5(content).hexdigest()
        stored = StoredObject(
            env=ENV,
            key=key,
            place=key,
            size=len(content),
            md5=digest,
            crc64=None,
            content_type="text/plain",
            has_fileid=True,
            uploaded_at=0.0,
            mtime_ns=0,
        )
        self.journal.stored(stored)
        return stored

    def proved(self) -> list[str]:
        """Give what was lost until now, in words."""
        self.proofs.proved(self.stage.folder.look())
        return [f"{path}: {what}" for path, what in self.proofs.lost]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Make a folder and a cloud with one file."""
    one = Ground(tmp_path)
    one.store("a", b"hello")
    with contextlib.closing(one.journal):
        yield one


def test_a_delete_of_what_has_gone_is_no_loss(ground: Ground) -> None:
    """A file goes, and its object after it; the journal that begins anew tells the same once more."""
    stays = ground.store("b", b"other")
    ground.proved()
    (ground.stage.root / "a").unlink()
    ground.journal.deleted(ENV, "a")
    ground.journal.deleted("another-env", "b")
    ground.proofs.begin_anew()
    ground.journal.rewrite([stays])

    lost = ground.proved()

    assert lost == []
    assert ground.proofs.deletes == 1


def test_a_delete_while_the_file_is_there_is_a_loss(ground: Ground) -> None:
    """Even if the object is back by the time that both sides are compared."""
    ground.journal.deleted(ENV, "a")
    ground.store("a", b"hello")

    lost = ground.proved()

    assert lost == ["a: deleted while its file was there"]


@pytest.mark.parametrize(("is_first", "lost"), [(True, 0), (False, 1)], ids=["bytes first", "delete first"])
def test_a_rename_needs_its_bytes_all_the_time(ground: Ground, lost: int, *, is_first: bool) -> None:
    """The object under the old name goes after that under the new one, or the bytes were out of the cloud."""
    (ground.stage.root / "a").unlink()

    if is_first:
        ground.store("new name", b"hello")
    ground.journal.deleted(ENV, "a")
    if not is_first:
        ground.store("new name", b"hello")

    assert len(ground.proved()) == lost


def test_sums_go_on_over_processes(tmp_path: Path) -> None:
    """A counter that begins at 0 again is another process's: what the one before had counted stays in the sum."""
    sums = Sums(Stage(tmp_path, tmp_path, Interruption()))
    line = 'tcbsync_uploads_total{{mirror="site"}} {}.0\ntcbsync_retries_total{{class="Busy",mirror="site"}} 1.0\n'

    sums.add("http://127.0.0.1:1/", line.format(5))
    sums.add("http://127.0.0.1:1/", line.format(7))
    sums.add("http://127.0.0.1:2/", line.format(2))

    assert sums.total == {"uploads_total": 9, "retries_total Busy": 2}


def test_what_systemd_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last STATUS that the daemon sent stands, whatever else it sends after it."""
    with contextlib.closing(Unit()) as unit:
        monkeypatch.setenv("NOTIFY_SOCKET", unit.address)

        before = unit.line()
        notify(READY="1", STATUS="watching")
        notify(STATUS="site: in_sync")
        notify(WATCHDOG="1")

        assert (before, unit.line(), unit.line()) == ("", "site: in_sync", "site: in_sync")
