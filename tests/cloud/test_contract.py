"""The contract, run on the cloud in memory and on the HTTP client against the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.client import open_cloud
from tcbsync.cloud.retry import Retry, RetryingCloud
from tcbsync.cloud.sources import SecretSource
from tcbsync.cloud.wire import CloudSettings
from tcbsync.emulator.server import Behaviours, Emulator, Settings
from tests.cloud.contract import ENV, CloudContract
from tests.cloud.memory import MemoryCloud

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tcbsync.cloud.api import Cloud

BEHAVIOURS = {
    "as assumed": Behaviours(),
    "otherwise": Behaviours(is_private=True, is_download_url_unescaped=False, is_upload_url_unescaped=True),
}


class TestMemoryCloud(CloudContract):
    @pytest.fixture
    def cloud(self) -> Cloud:
        return MemoryCloud(envs=[ENV])


class TestHttpCloud(CloudContract):
    @pytest.fixture(params=BEHAVIOURS)
    async def cloud(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cloud]:
        settings = Settings(data=tmp_path, env=ENV, behaviours=BEHAVIOURS[request.param])
        async with Emulator(settings) as emulator:
            cloud = open_cloud(CloudSettings(api_base=emulator.url), SecretSource("wx-test", "no-secret"))
            try:
                yield RetryingCloud(cloud, Retry(attempts=1))
            finally:
                await cloud.close()
