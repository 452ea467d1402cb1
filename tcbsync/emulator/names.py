"""Names: keys, envs, buckets, file ids, and the URLs that hold them.

Rule: file ids are as the vendor's example shows them,
`cloud://test2-4a89da.7465-test2-4a89da-1258717764/testupload`: the bucket is the hex of the env's first two
letters (74 65 is "te"), the env, and the account's ten-digit number; the key stands unescaped.
Refusal: nothing is repaired. A name is as it came, or it is refused.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KEY_BYTES = 850

_ENV = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_BUCKET = re.compile(r"([0-9a-f]{4})-(.+?)(?:-([0-9]{10}))?")
_FORBIDDEN = re.compile("[\x18-\x1b]")


@dataclass(frozen=True, slots=True)
class FileId:
    """The parts of a file id. `appid_number` is "" in the short form, as in the vendor's batch examples."""

    env: str
    appid_number: str
    key: str


def is_env(env: str) -> bool:
    """Whether `env` can be an environment's name, and so a folder's."""
    return _ENV.fullmatch(env) is not None


def key_fault(key: str) -> str:
    """Say what is wrong with a key, or "". API docs, naming rules."""
    if not key:
        return "the path is empty"
    if key.startswith("/") or "//" in key:
        return "the path begins with a slash or holds two in a row"
    if _FORBIDDEN.search(key):
        return "the path holds a control character of 0x18 to 0x1B"
    return "the path is longer than 850 bytes or not UTF-8" if byte_length(key) > MAX_KEY_BYTES else ""


def byte_length(key: str) -> int:
    """Count UTF-8 bytes; a key that has none (a lone surrogate) counts as endless."""
    try:
        return len(key.encode())
    except UnicodeEncodeError:
        return 1 << 30


def appid_number(appid: str) -> str:
    """Make up the account's ten-digit number: always the same one for the same appid."""
    return str(1_250_000_000 + zlib.crc32(appid.encode()) % 100_000_000)


def bucket(env: str, number: str) -> str:
    """Name the bucket of an environment: `7465-test2-4a89da-1258717764`."""
    return f"{env.encode()[:2].hex():0<4}-{env}-{number}"


def file_id(env: str, number: str, key: str) -> str:
    """Name an object as the API does, key unescaped."""
    return f"cloud://{env}.{bucket(env, number)}/{key}"


def parse_file_id(text: str) -> FileId | None:
    """Take a file id apart; None if it is none."""
    scheme, _, rest = text.partition("://")
    place, _, key = rest.partition("/")
    env, _, name = place.partition(".")
    parsed = parse_bucket(name)
    if scheme != "cloud" or parsed is None or parsed[0] != env or key_fault(key):
        return None
    return FileId(env, parsed[1], key)


def parse_bucket(name: str) -> tuple[str, str] | None:
    """Take a bucket's name apart into env and account number ("" if it has none); None if it is none."""
    match = _BUCKET.fullmatch(name)
    if match is None or not is_env(match[2]) or f"{match[2].encode()[:2].hex():0<4}" != match[1]:
        return None
    return match[2], match[3] or ""


def url_path(name: str, key: str, *, is_unescaped: bool) -> str:
    """Write `/BUCKET/KEY` for a URL: percent-quoted, or raw as the real download_url may come."""
    return f"/{name}/{key if is_unescaped else quote(key)}"


def parse_url_path(path: str, absent: Callable[[], Exception]) -> tuple[str, str]:
    """Read `BUCKET/KEY` from a request's raw path, percent-quoted or not; raises `absent()` if it is no UTF-8."""
    name, _, key = path.partition("/")
    try:
        return name, unquote_to_bytes(key.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        raise absent() from None
