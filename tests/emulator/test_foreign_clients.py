"""Clients that others wrote after the vendor's documents work unchanged: what they call api.weixin.qq.com is here.

`wxcloudsdk` uploads; `wechatpy` fetches the token, asks for downloads and deletes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import requests

from tcbsync.emulator.server import Emulator, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs

VENDOR = "https://api.weixin.qq.com"
BYTES = b"\x89PNG some bytes"


@pytest.fixture
async def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    """Serve as the vendor: whatever is sent to the vendor's address arrives at the emulator."""
    settings = Settings(data=tmp_path / "data", appid="wx0000000000000001", secret="a-word", env="env-1")
    send = requests.Session.send
    async with Emulator(settings) as served:

        def send_there(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            assert request.url is not None
            request.url = request.url.replace(VENDOR, served.url)
            return send(self, request, **options)

        monkeypatch.setattr(requests.Session, "send", send_there)
        yield served


def wechat_client() -> Any:
    """Give wechatpy's client, which reads the app's token by `token`."""
    from wechatpy import WeChatClient  # noqa: PLC0415 - it warns when it is imported

    client = WeChatClient("wx0000000000000001", "a-word")
    client.API_BASE_URL = f"{VENDOR}/"
    return client


def upload(token: str, picture: Path, count: int) -> None:
    """Upload one picture under several names, by wxcloudsdk."""
    from wxcloudsdk.file_manager import upload_file  # noqa: PLC0415

    for number in range(count):
        upload_file(token, "env-1", f"img/p{number}.png", "img/", str(picture))


async def test_a_foreign_client_uploads(emulator: Emulator, tmp_path: Path) -> None:
    """The form that wxcloudsdk sends, with every field as a file part, is taken, and the object has its bytes."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(BYTES)
    token = (await asyncio.to_thread(wechat_client().fetch_access_token))["access_token"]

    await asyncio.to_thread(upload, token, picture, 3)

    assert sorted(key for _, key in emulator.objects()) == ["img/p0.png", "img/p1.png", "img/p2.png"]
    assert emulator.read("env-1", "img/p1.png") == BYTES


async def test_a_foreign_client_downloads_and_deletes(emulator: Emulator, tmp_path: Path) -> None:
    """A client such as wechatpy gets a URL that gives the bytes, a status for what is missing, and deletes."""
    from wechatpy.client.api import WeChatCloud  # noqa: PLC0415

    picture = tmp_path / "picture.png"
    picture.write_bytes(BYTES)
    client = wechat_client()
    cloud = WeChatCloud(client)
    token = (await asyncio.to_thread(client.fetch_access_token))["access_token"]
    await asyncio.to_thread(upload, token, picture, 1)
    (stored,) = emulator.objects().values()
    link = await asyncio.to_thread(client.post, "tcb/uploadfile", data={"env": "env-1", "path": stored.key})
    there, missing = link["file_id"], link["file_id"].replace("p0", "nope")

    asked = [{"fileid": each, "max_age": 7200} for each in (there, missing)]
    downloads = await asyncio.to_thread(cloud.download_files, "env-1", asked)
    content = (await asyncio.to_thread(requests.get, downloads[0]["download_url"])).content
    deleted = await asyncio.to_thread(cloud.delete_files, "env-1", [there, missing])

    assert content == BYTES
    assert [download["status"] for download in downloads] == [0, 1]
    assert [(each["status"], each["errmsg"]) for each in deleted] == [(0, "ok"), (1, "STORAGE_FILE_NONEXIST")]
    assert emulator.objects() == {}


async def test_a_foreign_client_that_breaks_the_rules_is_refused(emulator: Emulator, tmp_path: Path) -> None:
    """The upload of wechatpy puts `file` first, which the object store does not take: the fields after it are lost."""
    from wechatpy.client.api import WeChatCloud  # noqa: PLC0415

    picture = tmp_path / "picture.png"
    picture.write_bytes(BYTES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        client = wechat_client()
        await asyncio.to_thread(client.fetch_access_token)

        with pytest.raises(requests.HTTPError) as refusal:
            await asyncio.to_thread(WeChatCloud(client).upload_file, "env-1", "picture.png")

    assert refusal.value.response is not None
    assert refusal.value.response.status_code == 400
    assert emulator.objects() == {}
