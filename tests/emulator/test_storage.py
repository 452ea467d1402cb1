"""What is on disk: whole uploads only, any name, and the same after a restart; and the checksum."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.crc64 import crc64
from tests.emulator.caller import ENV, begin, fields, file_id, multipart, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.caller import Caller
    from tests.emulator.conftest import Served


async def test_cut_upload_is_not_stored(caller: Caller, tmp_path: Path) -> None:
    """An upload whose last bytes do not arrive leaves nothing, neither in the store nor on disk."""
    link = await caller.link("a")
    body = multipart(fields("a", link), b"x" * 300_000)

    _, writer = await begin(caller, link["url"], len(body), body[:-1])
    await until(lambda: caller.emulator.counters.at_once["cos"] == 1)
    writer.close()
    await until(lambda: caller.emulator.counters.outcomes["cos", "hangup"] == 1)

    assert caller.emulator.objects() == {}
    assert list((tmp_path / "data" / ".emulator" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    "keys",
    [
        ["a", "a/b"],
        ["a/b", "a"],
        ["n" * 300],
        ["a/../../b"],
        [".", "..", "a/", "nul\0"],
        ["图片/猫 #1?%20.png", "é", "e\u0301"],
    ],
)
async def test_names_that_disks_do_not_like(caller: Caller, tmp_path: Path, keys: list[str]) -> None:
    """Every name that the service takes is kept, served and deleted, whatever the file system thinks of it."""
    for key in keys:
        assert (await caller.upload(key, key.encode())).status == 204

    contents = [caller.emulator.read(ENV, key).decode() for key in keys]
    statuses = [item["status"] for item in await caller.delete(*map(file_id, keys))]

    assert contents == keys
    assert statuses == [0] * len(keys)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "data/.emulator/objects.jsonl"]


async def test_restart(served: Served, tmp_path: Path) -> None:
    """Objects survive a restart; one that was changed by hand is hashed again, one that was removed is gone."""
    async with served() as caller:
        for key in ("kept", "changed", "removed", "deleted"):
            await caller.upload(key, key.encode(), form={"Cache-Control": "no-cache"})
        await caller.delete(file_id("deleted"))
        before = caller.emulator.objects()
    (tmp_path / "data" / ENV / "changed").write_bytes(b"by hand")
    (tmp_path / "data" / ENV / "removed").unlink()

    async with served() as caller:
        after = caller.emulator.objects()

    assert after[ENV, "kept"] == before[ENV, "kept"]
    assert after[ENV, "kept"].headers == {"cache-control": "no-cache"}
    assert after[ENV, "changed"].md5 == hashlib.md5(b"by hand").hexdigest()
    assert sorted(key for _, key in after) == ["changed", "kept"]


async def test_torn_journal(served: Served, tmp_path: Path) -> None:
    """A last line that was cut off does not keep the emulator from starting."""
    async with served() as caller:
        await caller.upload("a")
    with (tmp_path / "data/.emulator/objects.jsonl").open("ab") as journal:
        journal.write(b'{"env": "test2')

    async with served() as caller:
        keys = list(caller.emulator.objects())

    assert keys == [(ENV, "a")]


@pytest.mark.parametrize("size", [*range(9), 63, 64, 65, 127, 128, 137, 1000, 4096, 10_241])
def test_crc64(size: int) -> None:
    """The folded checksum is the one that bit-by-bit division gives."""
    message = bytes(position * 31 % 251 for position in range(size))

    state = (1 << 64) - 1
    for byte in message:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0xC96C5795D7870F42 if state & 1 else 0)

    assert crc64(message) == state ^ ((1 << 64) - 1)
