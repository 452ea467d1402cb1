"""The other end of a webhook, over real HTTP: where a group's robot would be, and what it was told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Inbox:
    """Takes messages from its making until it is closed."""

    def __init__(self) -> None:
        """Listen, in a thread."""
        self.messages: list[str] = []
        """What was told, and what it said to do about it, line by line."""
        messages = self.messages

        class Letter(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                messages.extend(filter(None, (document["text"], document["advice"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing of each."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Letter)
        self._thread = threading.Thread(target=self._server.serve_forever, name="inbox", daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
