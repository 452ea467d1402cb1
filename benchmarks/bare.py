"""The peer of `uploads`: the least that a program can do for the same files. `python -m benchmarks.bare ROOT URL`.

Two requests a file on 16 connections, by aiohttp. No manifest, no comparison, no retry, no check of what came back.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp

AT_ONCE = 16


async def send(session: aiohttp.ClientSession, url: str, token: str, key: str, data: bytes) -> None:
    """Ask for a link, and post the form."""
    question = {"env": "bench-1", "path": key}
    async with session.post(f"{url}/tcb/uploadfile?access_token={token}", json=question) as answer:
        link = await answer.json()
    fields = {
        "key": key,
        "Signature": link["authorization"],
        "x-cos-security-token": link["token"],
        "x-cos-meta-fileid": link["cos_file_id"],
    }
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", data, filename="file")
    async with session.post(link["url"], data=form) as response:
        assert response.status == 204


async def main(root: Path, paths: list[Path], url: str) -> None:
    """Send these files below `root`."""
    slots = asyncio.Semaphore(AT_ONCE)
    query = {"grant_type": "client_credential", "appid": "wx0123456789abcdef", "secret": "a-word"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/cgi-bin/token", params=query) as answer:
            token = (await answer.json())["access_token"]

        async def one(path: Path) -> None:
            async with slots:
                await send(session, url, token, path.relative_to(root).as_posix(), path.read_bytes())  # noqa: ASYNC240

        await asyncio.gather(*map(one, paths))


def files(root: Path) -> list[Path]:
    """List every file below `root`."""
    return [path for path in root.rglob("*") if path.is_file()]


ROOT = Path(sys.argv[1])
asyncio.run(main(ROOT, files(ROOT), sys.argv[2]))
