"""Asks the emulator what it holds and what it was asked for, by its own inspection API below `/_emulator/`.

This is not the way that the daemon goes: nothing here needs a token, and latency and faults do not apply.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from tcbsync.core.errors import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

ANSWER_SECONDS = 30.0
PIECE = 256 * 1024


class Stored(NamedTuple):
    """An object. `is_known` False: the API says that it does not exist, because it was sent without its file id."""

    size: int
    md5: str
    is_known: bool
    uploaded_at: float


class Counted(NamedTuple):
    """What the service was asked for since it started, and has done."""

    links: int
    uploads: int
    deletes: int
    """Delete calls, of up to 50 objects each."""


class Inspection:
    """One emulator and one environment in it, over one connection. Every call raises NoAnswer."""

    def __init__(self, url: str, env: str) -> None:
        self.url = url
        self._env = env
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def objects(self) -> dict[str, Stored]:
        """List every object, by key."""
        return {
            each["key"]: Stored(each["size"], each["md5"], each["has_fileid"], each["uploaded_at"])
            for each in self._get(f"objects?env={self._env}")
        }

    def counted(self) -> Counted:
        """Count the calls that succeeded."""
        outcomes = self._get("counters")["outcomes"]
        return Counted(*(outcomes.get(call, {}).get("ok", 0) for call in ("uploadfile", "cos", "batchdeletefile")))

    def uploads_by_key(self) -> Counter[str]:
        """Count the uploads that were stored, of the newest 10,000 requests."""
        return Counter(entry["key"] for entry in self._get("log") if entry["call"] == "cos" and entry["status"] == 204)

    def sent_again(self, prefix: str) -> int:
        """Count what was stored more than once under keys that begin so, of the newest 10,000 requests."""
        return sum(count - 1 for key, count in self.uploads_by_key().items() if key.startswith(prefix))

    def set_latency(self, seconds: float) -> None:
        """Let every call of the daemon's wait so long from now on."""
        self._command("latency", {"seconds": seconds})

    def set_faults(self, *faults: Mapping[str, Any]) -> None:
        """Let these go wrong from now on, and nothing else; each as `emulator.faults` writes it in JSON."""
        self._command("faults", faults)

    def revoke_tokens(self) -> None:
        """End every access token that was given."""
        self._command("revoke-token", None)

    def pieces(self, key: str) -> Generator[bytes, None, None]:
        """Read an object, piece by piece. Raises LookupError where there is none."""
        response = self._ask("GET", f"objects/{self._env}/{quote(key)}")
        try:
            if response.status != 200:
                raise LookupError(key)
            while piece := self._read(response, PIECE):
                yield piece
        finally:
            if not response.isclosed():  # the rest of it would stand before the next answer
                self._connection.close()

    def _get(self, question: str) -> Any:
        return json.loads(self._read(self._ask("GET", question)))

    def _command(self, name: str, document: Any) -> None:
        self._read(self._ask("POST", name, json.dumps(document).encode()))

    def _ask(self, method: str, question: str, body: bytes | None = None) -> http.client.HTTPResponse:
        try:
            self._connection.request(method, f"/_emulator/{question}", body)
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error

    def _read(self, response: http.client.HTTPResponse, size: int | None = None) -> bytes:
        try:
            return response.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> NoAnswer:
        self._connection.close()
        return NoAnswer(f"the emulator at {self.url} does not answer: {error}")
