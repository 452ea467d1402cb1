"""The script that people write first: one file after the other, a link and a form, over connections that stay open.

`python -m benchmarks.script ROOT URL`. No manifest, no comparison, no retry; http.client costs less than requests.
"""

from __future__ import annotations

import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.trees import APPID, ENV, PREFIX

_BOUNDARY = "b6a1d9f0c4e84d53"


class Sender:
    """Two connections: one for the API, one for the object store. Here they are the same host."""

    def __init__(self, url: str) -> None:
        host = urlsplit(url).netloc
        self._api, self._storage = HTTPConnection(host), HTTPConnection(host)
        query = f"grant_type=client_credential&appid={APPID}&secret=a-word"
        self._api.request("GET", f"/cgi-bin/token?{query}")
        self._token = json.loads(self._api.getresponse().read())["access_token"]

    def link(self, key: str) -> dict[str, Any]:
        """Ask where a file goes."""
        question = json.dumps({"env": ENV, "path": key})
        self._api.request("POST", f"/tcb/uploadfile?access_token={self._token}", question)
        answer: dict[str, Any] = json.loads(self._api.getresponse().read())
        return answer

    def send(self, key: str, data: bytes) -> None:
        """Upload one file."""
        link = self.link(key)
        fields = {
            "key": key,
            "Signature": link["authorization"],
            "x-cos-security-token": link["token"],
            "x-cos-meta-fileid": link["cos_file_id"],
        }
        head = "".join(
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'
        body = head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        self._storage.request("POST", urlsplit(link["url"]).path, body, kind)
        response = self._storage.getresponse()
        response.read()
        if response.status != 204:
            raise RuntimeError(f"{key}: {response.status}")


def main(root: Path, url: str) -> None:
    """Send every file below `root`."""
    sender = Sender(url)
    for path in sorted(root.rglob("*")):
        if path.is_file():
            sender.send(PREFIX + path.relative_to(root).as_posix(), path.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
