"""Names of any kind, over the wire and back: what `core.keys` lets pass, the whole way takes byte for byte."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.sources import SecretSource
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.keys import key_problem, normal
from tcbsync.emulator.server import Behaviours, Emulator, Settings
from tests.cloud.contract import ENV, put

PIECES = st.sampled_from(
    ["a", "/", ".", "%", "%41", "?", "?sign=", "&t=1", "#", "+", " ", "\x01", "\x7f", "\n", '"', "é", "图", "😀"]
)
KEYS = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join).map(normal)
ACCEPTED = KEYS.filter(lambda key: key_problem(key) is None)


async def sent_and_found(keys: set[str], *, is_unescaped: bool, is_private: bool) -> None:
    """Send a file under each key, ask for all of them, and delete them."""
    behaviours = Behaviours(
        is_private=is_private, is_download_url_unescaped=is_unescaped, is_upload_url_unescaped=is_unescaped
    )
    with TemporaryDirectory() as data:
        async with Emulator(Settings(data=Path(data), env=ENV, behaviours=behaviours)) as emulator:
            cloud = open_cloud(CloudSettings(api_base=emulator.url), SecretSource("wx-test", "no-secret"))
            try:
                ids = {key: (await put(cloud, key, key.encode())).file_id for key in keys}
                assert {key for _, key in emulator.objects()} == keys
                downloads = {each.file_id: each for each in await cloud.downloads(ENV, list(ids.values()))}
                for key, file_id in ids.items():
                    head = await cloud.head(downloads[file_id].url)
                    assert head is not None, key
                    assert (head.size, head.md5) == (len(key.encode()), hashlib.md5(key.encode()).hexdigest())
                assert all(deletion.is_gone for deletion in await cloud.delete(ENV, list(ids.values())))
                assert not emulator.objects()
            finally:
                await cloud.close()


@pytest.mark.slow
@settings(max_examples=30)
@given(st.sets(ACCEPTED, min_size=1, max_size=20), st.booleans(), st.booleans())
def test_every_name_that_is_accepted_goes_there_and_back(keys: set[str], is_unescaped: bool, is_private: bool) -> None:
    """It is sent under its own name, found under its address with its own bytes, and deleted; none meets another."""
    asyncio.run(sent_and_found(keys, is_unescaped=is_unescaped, is_private=is_private))
