"""Directories that cannot be watched or listed: they are remembered, within bounds, and tried again."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tcbsync.local.inotify import Inotify
from tests.local.watching import armed, numbers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


@pytest.mark.parametrize("trouble", [errno.EMFILE, errno.EIO])
def test_a_listing_that_fails_is_blind_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: int
) -> None:
    """Be it the root's own: when it can be listed again, it is hinted, and nothing else that was blind is forgotten."""
    (tmp_path / "d").mkdir()
    with armed(tmp_path) as watches:
        with monkeypatch.context() as broken:
            broken.setattr(os, "scandir", lambda _path: (_ for _ in ()).throw(OSError(trouble, "trouble")))
            watches.arm("d")
            watches.arm("")
            watches.blind["gone"] = trouble
            assert watches.retry_blind() == {"gone": False}
            assert watches.blind == {"": trouble}

        assert watches.retry_blind() == {"": False}
        assert watches.blind == {}
        assert list(numbers(watches)) == ["", "d"]


def test_more_blind_directories_than_are_listed_are_found_by_a_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stays blind for good does not keep those that were never listed from being tried again."""
    really_watch = Inotify.watch
    healed = [""]

    def watch(descriptor: Inotify, path: str, mask: int) -> int:
        if path.rpartition("/")[2] not in healed:
            raise OSError(errno.EACCES, "not allowed")
        return really_watch(descriptor, path, mask)

    monkeypatch.setattr(Inotify, "watch", watch)
    names = [f"{number:03}" for number in range(150)]
    for name in names:
        (tmp_path / name).mkdir()
    with armed(tmp_path) as watches:
        assert len(watches.blind) + watches.blind_unlisted == 150

        healed += names[1:]
        watches.retry_blind()
        assert watches.needs_rewalk
        watches.arm("")

        assert watches.blind == {"000": errno.EACCES}
        assert (watches.blind_unlisted, len(watches.tree)) == (0, 150)
