"""What every Cloud must do, whatever is behind it. A test class that brings the fixture `cloud` inherits these."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.api import BATCH, Body
from tcbsync.core.errors import FileChanged, FileVanished, Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.cloud.api import Cloud, Link

ENV = "test-env"
KEYS = [
    "a.png",
    "site/图片/封面 一.webp",
    "odd/#1?x=1&sign=2.txt",
    "odd/100%25+50%.txt",
    "odd/a&b=c;d'e\"f[g]{h}|i^j`.txt",
    "e\u0301/\u00e9.json",
    "no-extension",
]


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    """Yield the pieces, as a file's reader would."""
    for piece in pieces:
        yield piece


def body(*pieces: bytes, **form: str) -> Body:
    """Return the pieces as a body."""
    return Body(sum(map(len, pieces)), chunks(*pieces), form)


async def put(cloud: Cloud, key: str, content: bytes) -> Link:
    """Upload, and return the link that was used."""
    link = await cloud.link(ENV, key)
    await cloud.send(link, body(content))
    return link


class CloudContract:
    """The promises of `tcbsync.cloud.api.Cloud`, one by one."""

    @pytest.mark.parametrize("key", KEYS)
    async def test_what_was_sent_can_be_found(self, cloud: Cloud, key: str) -> None:
        """Whatever a key is made of, an uploaded file has a URL under which its size and MD5 are found."""
        content = key.encode()
        md5 = hashlib.md5(content).hexdigest()

        link = await cloud.link(ENV, key)
        receipt = await cloud.send(link, body(content))

        [download] = await cloud.downloads(ENV, [link.file_id])
        head = await cloud.head(download.url)
        assert receipt.md5 == md5
        assert (download.file_id, download.error) == (link.file_id, "")
        assert head is not None
        assert (head.size, head.md5) == (len(content), md5)

    async def test_an_empty_file(self, cloud: Cloud) -> None:
        """A file of no bytes is a file."""
        link = await cloud.link(ENV, "empty.txt")

        receipt = await cloud.send(link, body())

        [download] = await cloud.downloads(ENV, [link.file_id])
        head = await cloud.head(download.url)
        assert receipt.md5 == hashlib.md5(b"").hexdigest()
        assert head is not None
        assert head.size == 0

    async def test_a_file_in_many_chunks(self, cloud: Cloud) -> None:
        """The chunks arrive in their order, whatever their sizes."""
        pieces = [bytes([number % 256]) * size for number, size in enumerate((1, 70_000, 3, 300_000, 0, 65_536))]
        link = await cloud.link(ENV, "large.bin")

        receipt = await cloud.send(link, body(*pieces))

        assert receipt.md5 == hashlib.md5(b"".join(pieces)).hexdigest()

    async def test_a_link_creates_nothing(self, cloud: Cloud) -> None:
        """Asking for a link leaves nothing behind."""
        link = await cloud.link(ENV, "never-sent.txt")

        [download] = await cloud.downloads(ENV, [link.file_id])

        assert download.is_absent
        assert download.url == ""

    async def test_an_upload_overwrites(self, cloud: Cloud) -> None:
        """A second upload to a key replaces the first and keeps the file id."""
        first = await put(cloud, "same.txt", b"old")

        second = await put(cloud, "same.txt", b"newer")

        [download] = await cloud.downloads(ENV, [second.file_id])
        head = await cloud.head(download.url)
        assert second.file_id == first.file_id
        assert head is not None
        assert head.size == 5

    async def test_a_link_tells_nothing(self, cloud: Cloud) -> None:
        """A link's repr shows key and file id, and none of what would let anyone upload."""
        link = await cloud.link(ENV, "a.txt")

        shown = repr(link)

        assert link.file_id in shown
        for secret in (link.authorization, link.security_token, link.cos_file_id):
            assert secret not in shown

    async def test_downloads_answer_in_order(self, cloud: Cloud) -> None:
        """One item for each id, in the order asked, twice if asked twice; what is absent says so."""
        here = (await put(cloud, "here.txt", b"1")).file_id
        gone = (await cloud.link(ENV, "gone.txt")).file_id

        items = await cloud.downloads(ENV, [gone, here, gone, here])

        assert [item.file_id for item in items] == [gone, here, gone, here]
        assert [item.is_absent for item in items] == [True, False, True, False]
        assert [bool(item.url) for item in items] == [False, True, False, True]

    async def test_head_of_what_is_deleted(self, cloud: Cloud) -> None:
        """A URL whose object was deleted answers None."""
        link = await put(cloud, "soon-gone.txt", b"1")
        [download] = await cloud.downloads(ENV, [link.file_id])
        await cloud.delete(ENV, [link.file_id])

        head = await cloud.head(download.url)

        assert head is None

    async def test_deleting_twice(self, cloud: Cloud) -> None:
        """Deleting what is not there is a success, item by item."""
        here = (await put(cloud, "here.txt", b"1")).file_id
        never = (await cloud.link(ENV, "never.txt")).file_id

        first = await cloud.delete(ENV, [never, here])
        second = await cloud.delete(ENV, [here])

        assert [(item.file_id, item.is_gone, item.error) for item in first] == [(never, True, ""), (here, True, "")]
        assert [item.is_gone for item in second] == [True]

    async def test_a_full_batch(self, cloud: Cloud) -> None:
        """BATCH ids fit into one call; one more is the caller's mistake; none is an empty answer."""
        file_ids = [(await cloud.link(ENV, f"{number}.txt")).file_id for number in range(BATCH + 1)]

        items = await cloud.downloads(ENV, file_ids[:BATCH])

        assert len(items) == BATCH
        assert await cloud.downloads(ENV, []) == []
        assert await cloud.delete(ENV, []) == []
        with pytest.raises(ValueError, match="at most 50"):
            await cloud.downloads(ENV, file_ids)
        with pytest.raises(ValueError, match="at most 50"):
            await cloud.delete(ENV, file_ids)

    @pytest.mark.parametrize("size", [1, 100_000])
    async def test_a_body_that_fails(self, cloud: Cloud, size: int) -> None:
        """What the body raises comes out as the same object, and nothing is stored."""
        error = FileVanished("it went away")

        async def failing() -> AsyncIterator[bytes]:
            yield b"x" * size
            raise error

        link = await cloud.link(ENV, "torn.bin")
        with pytest.raises(FileVanished) as caught:
            await cloud.send(link, Body(size * 2, failing()))

        [download] = await cloud.downloads(ENV, [link.file_id])
        assert caught.value is error
        assert download.is_absent

    @pytest.mark.parametrize("size", [0, 5, 99_999, 100_001, 300_000])
    async def test_a_body_of_another_length(self, cloud: Cloud, size: int) -> None:
        """A body that has not exactly its size is a file that changed; nothing is stored."""
        link = await cloud.link(ENV, "torn.bin")

        with pytest.raises(FileChanged):
            await cloud.send(link, Body(size, chunks(b"x" * 60_000, b"y" * 40_000)))

        [download] = await cloud.downloads(ENV, [link.file_id])
        assert download.is_absent

    async def test_an_unknown_environment(self, cloud: Cloud) -> None:
        """An environment that does not exist is a wrong configuration, of this environment only."""
        with pytest.raises(Misconfigured) as caught:
            await cloud.link("other-env", "a.txt")

        assert caught.value.env_only
        assert caught.value.code == "-501005"
