"""Runs in the guest: a webhook at PORT that takes every message, and writes each down as a line of FILE."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Webhook(BaseHTTPRequestHandler):
    """Takes what is posted."""

    def do_POST(self) -> None:
        """Write it down, with its path, and say that it was taken."""
        message = self.rfile.read(int(self.headers["Content-Length"]))
        with Path(sys.argv[2]).open("ab") as file:
            file.write(self.path.encode() + b" " + message + b"\n")
        self.send_response(204)
        self.end_headers()


HTTPServer(("127.0.0.1", int(sys.argv[1])), Webhook).serve_forever()
