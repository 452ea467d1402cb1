"""A stand-in for the robot of a WeCom group, over a real socket, as strict as its documents; and a plain webhook.

WeCom's documents on group robots: POST with the key in the query; an answer is HTTP 200 with `errcode`, 0 for success;
`msgtype` is one of a list; the content of markdown has at most 4096 bytes of UTF-8; 20 messages a minute, then 45009.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = "693a91f6-7a0c-4bc4-97a0-0ec2sifa5hush"
HOOK_PATH = "hush-T00000000/hush-B00000000/hush-XXXXXXXX"
TYPES = ("text", "markdown", "markdown_v2", "image", "news", "file", "voice", "template_card")
A_MINUTE = 20


class Answer(NamedTuple):
    """What a webhook says instead of taking a message."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Robot:
    """What was posted, and what to say to the next requests before it takes messages again."""

    def __init__(self, url: str) -> None:
        self.base = url
        self.contents: list[str] = []
        """Of the robot: what the group has read."""
        self.documents: list[dict[str, Any]] = []
        """Of the plain webhook."""
        self.beats = 0
        self.refused: list[int] = []
        """The errcodes that the robot has answered with, but for 0."""
        self.requests = 0
        self.script: list[Answer] = []
        self.always: Answer | None = None
        self._times: list[float] = []
        self._lock = threading.Lock()

    @property
    def wecom(self) -> str:
        """The robot's address."""
        return f"{self.base}/cgi-bin/webhook/send?key={KEY}"

    @property
    def hook(self) -> str:
        """The address of the plain webhook."""
        return f"{self.base}/services/{HOOK_PATH}"

    @property
    def heartbeat(self) -> str:
        """The address that beats go to."""
        return f"{self.base}/ping/{HOOK_PATH}"

    @property
    def told(self) -> list[tuple[str, str | None]]:
        """What the plain webhook was told, and of which mirror."""
        return [(document["what"], document["mirror"]) for document in self.documents]

    def answer(self, method: str, target: str, kind: str, body: bytes) -> Answer:
        """Take a request."""
        with self._lock:
            self.requests += 1
            if self.always is not None:
                return self.always
            return self.script.pop(0) if self.script else self._serve(method, target, kind, body)

    def _serve(self, method: str, target: str, kind: str, body: bytes) -> Answer:
        if urlsplit(target).path == "/cgi-bin/webhook/send":
            return self._take(method, target, kind, body)
        if (method, target) == ("GET", f"/ping/{HOOK_PATH}"):
            self.beats += 1
            return Answer(200, b"OK")
        if (method, target, kind) == ("POST", f"/services/{HOOK_PATH}", "application/json"):
            self.documents.append(json.loads(body))
            return Answer(204)
        return Answer(404)

    def _take(self, method: str, target: str, kind: str, body: bytes) -> Answer:
        code = 93000 if parse_qs(urlsplit(target).query).get("key") != [KEY] else self._judge(method, kind, body)
        if code:
            self.refused.append(code)
        said = {"errcode": code, "errmsg": "ok" if not code else f"hint: [1], from ip: 192.0.2.1, key={KEY}"}
        return Answer(200, json.dumps(said).encode())

    def _judge(self, method: str, kind: str, body: bytes) -> int:
        now = time.monotonic()
        self._times = [at for at in self._times if now - at < 60]
        if len(self._times) >= A_MINUTE:
            return 45009
        self._times.append(now)
        try:
            message = json.loads(body)
            what = message["msgtype"]
        except (ValueError, KeyError, TypeError):
            return 40008
        if method != "POST" or not kind.startswith("application/json") or what not in TYPES:
            return 40008
        content = message.get(what, {}).get("content")
        if not content:
            return 44004
        if len(content.encode()) > (2048 if what == "text" else 4096):
            return 40058
        assert not re.search(r"<(?!/?font\b)", content), content
        assert re.findall(r'<font color="(\w+)">', content), content
        self.contents.append(content)
        return 0


@contextlib.contextmanager
def robot(port: int = 0) -> Iterator[Robot]:
    """Serve one, from threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            said = served.answer(self.command, self.path, self.headers.get("Content-Type", ""), body)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.status != 204:
                self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if self.command != "HEAD" and said.status != 204:
                self.wfile.write(said.body)

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    served = Robot(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
