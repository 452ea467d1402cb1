"""Finds secrets where they must not be: as they are, or in any of the ways in which programs write texts."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tcbsync.emulator.server import Emulator

SIGNED = (b"access_token=", b"q-signature", b"q-ak=", b"sign=", b"x-cos-security-token", b"Proxy-Authorization")
"""What stands beside a secret; where it is written, a secret is not far."""


def traces(secret: str) -> set[bytes]:
    """Give the ways in which a secret may be written. Of a long one, its beginning gives it away."""
    part = secret[:40]
    raw = part.encode()
    texts = {part, quote(part, safe=""), quote(part), quote_plus(part), json.dumps(part)[1:-1], repr(part)[1:-1]}
    texts |= {json.dumps(part, ensure_ascii=False)[1:-1], part.encode("unicode_escape").decode(), raw.hex()}
    return {text.encode() for text in texts} | set(_in_base64(raw))


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Wherever in a longer text it begins: what stands before and behind it changes the letters at its edges."""
    for before in range(3):
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + raw + bytes(3))[4 : (before + len(raw)) // 3 * 4]


def leaks(shown: bytes, secrets: Iterable[str]) -> list[bytes]:
    """Give what of the secrets is in there, or beside them."""
    every = set().union(*map(traces, secrets))
    return [trace for trace in every if trace in shown] + [word for word in SIGNED if word in shown]


def every_byte(folder: Path) -> bytes:
    """Give names and bytes of all files beneath a folder."""
    paths = sorted(folder.rglob("*"))
    return b"\0".join(bytes(path) + b"\0" + (path.read_bytes() if path.is_file() else b"") for path in paths)


def tapped(emulator: Emulator) -> list[str]:
    """Give a list into which every secret goes that the emulator hands out from now on."""
    issued: list[str] = []
    tokens, links = emulator._service.tokens, emulator._service.links
    issue_token, issue_link = tokens._issue, links.issue

    def token(*values: str) -> tuple[str, int]:
        granted = issue_token(*values)  # type: ignore[arg-type]
        issued.append(granted[0].removeprefix("emulated_"))
        return granted

    def link(bucket: str, key: str, *, is_lost: bool = False) -> object:
        given = issue_link(bucket, key, is_lost=is_lost)
        issued.extend((given.authorization.rpartition("=")[2], given.token, given.cos_file_id))
        return given

    tokens._issue = token  # type: ignore[method-assign,assignment]
    links.issue = link  # type: ignore[method-assign,assignment]
    return issued
