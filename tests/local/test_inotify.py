"""The descriptor alone: errors keep their number, names come whole, nothing waits."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tcbsync.local import inotify
from tcbsync.local.inotify import Inotify, parse, watch_limit

pytestmark = pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="needs inotify")
MASK = inotify.CREATE | inotify.CLOSE_WRITE | inotify.ONLYDIR | inotify.DONT_FOLLOW


def test_an_event_carries_watch_mask_and_name(tmp_path: Path) -> None:
    """One file created and closed is two events with the name as bytes, without the kernel's padding."""
    descriptor = Inotify()
    number = descriptor.watch(str(tmp_path), MASK)

    (tmp_path / "name").touch()
    events = list(parse(descriptor.read()))
    descriptor.close()

    assert events == [(number, inotify.CREATE, b"name"), (number, inotify.CLOSE_WRITE, b"name")]


def test_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    """A name is the bytes that the file system holds."""
    descriptor = Inotify()
    descriptor.watch(str(tmp_path), inotify.CREATE)

    (tmp_path / "\udcff\udcfe").mkdir()
    events = list(parse(descriptor.read()))
    descriptor.close()

    assert [name for *_, name in events] == [b"\xff\xfe"]


def test_watching_twice_gives_the_same_number(tmp_path: Path) -> None:
    """The watch is on the inode: after a rename, the new path has the old number."""
    descriptor = Inotify()
    (tmp_path / "a").mkdir()

    before = descriptor.watch(str(tmp_path / "a"), MASK)
    (tmp_path / "a").rename(tmp_path / "b")
    after = descriptor.watch(str(tmp_path / "b"), MASK)
    descriptor.close()

    assert before == after


def test_nothing_to_read_is_empty(tmp_path: Path) -> None:
    """A read never waits."""
    descriptor = Inotify()
    descriptor.watch(str(tmp_path), MASK)

    data = descriptor.read()
    descriptor.close()

    assert data == b""


def test_hoarded_events_come_first(tmp_path: Path) -> None:
    """What was moved into memory is read before what the kernel holds, in order."""
    descriptor = Inotify()
    descriptor.watch(str(tmp_path), inotify.CREATE)

    (tmp_path / "first").touch()
    descriptor.hoard()
    (tmp_path / "second").touch()
    names = [name for _ in range(2) for *_, name in parse(descriptor.read())]
    descriptor.close()

    assert names == [b"first", b"second"]
    assert not descriptor.has_hoard


def test_the_hoard_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is full, the rest stays in the kernel's queue, which says so when it overflows."""
    monkeypatch.setattr(inotify, "HOARD_BYTES", 1)
    descriptor = Inotify()
    descriptor.watch(str(tmp_path), inotify.CREATE)

    for name in ("first", "second"):
        (tmp_path / name).touch()
        descriptor.hoard()
    descriptor.read()
    is_empty = not descriptor.has_hoard
    rest = [name for *_, name in parse(descriptor.read())]
    descriptor.close()

    assert is_empty
    assert rest == [b"second"]


@pytest.mark.parametrize(
    ("kind", "number"), [("missing", errno.ENOENT), ("file", errno.ENOTDIR), ("link", errno.ENOTDIR)]
)
def test_errors_keep_their_number(tmp_path: Path, kind: str, number: int) -> None:
    """A path that cannot be watched says why: gone, or not a directory itself."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    descriptor = Inotify()

    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is checked
        descriptor.watch(str(tmp_path / kind), MASK)
    descriptor.close()

    assert caught.value.errno == number


def test_giving_back_a_watch_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """The kernel may have been quicker."""
    descriptor = Inotify()
    number = descriptor.watch(str(tmp_path), MASK)

    descriptor.unwatch(number)
    descriptor.unwatch(number)
    events = list(parse(descriptor.read()))
    descriptor.close()

    assert events == [(number, inotify.IGNORED, b"")]


def test_the_limit_names_its_sysctl() -> None:
    """The smaller of the two limits counts, under the name that raises it."""
    limit = watch_limit()

    assert limit is not None
    name, value = limit
    assert value == int(Path("/proc/sys", *name.split(".")).read_text(encoding="ascii"))
