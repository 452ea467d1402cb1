"""The download host: GET and HEAD of one object.

Rules (COS docs, GET Object): quoted ETag, Last-Modified, If-None-Match gives 304, a single range 206 or 416;
several ranges are answered as none. In private mode `sign` and `t` are required, and 403 follows their end.
Refusal: no CDN is played: what was stored last is what comes.
Assumed: `t` is the unix second at which the URL ends.
"""

from __future__ import annotations

import hmac
import re
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tcbsync.emulator import names
from tcbsync.emulator.exchange import meet_fault
from tcbsync.emulator.replies import CosError, Region, Reply, request_id

if TYPE_CHECKING:
    from tcbsync.emulator.exchange import Exchange, Service
    from tcbsync.emulator.journal import StoredObject

_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_SMALL_BYTES = 64 * 1024


async def get_object(service: Service, exchange: Exchange, path: str, query: str) -> Reply:
    """Answer one request below /files/. Raises RefusalError and HangUpError."""
    bucket, key = names.parse_url_path(path, _no_key)
    parsed = names.parse_bucket(bucket)
    exchange.env, exchange.keys = parsed[0] if parsed else "", (key,)
    if exchange.request.method not in ("GET", "HEAD"):
        raise CosError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    await meet_fault(service, exchange)
    if service.settings.behaviours.is_private:
        _check_sign(service, bucket, key, query)
    stored = service.storage.objects.get((exchange.env, key))
    if stored is None:
        raise _no_key()
    return _reply(service, exchange, stored)


def _no_key() -> CosError:
    return CosError(404, "NoSuchKey", "The specified key does not exist.")


def _check_sign(service: Service, bucket: str, key: str, query: str) -> None:
    parameters = parse_qs(query)
    sign, ends_at = parameters.get("sign", [""])[0], parameters.get("t", [""])[0]
    expected = service.links.download_sign(bucket, key, ends_at)
    if not ends_at.isascii() or not ends_at.isdecimal() or not hmac.compare_digest(expected, _ascii(sign)):
        raise CosError(403, "AccessDenied", "Access Denied.")
    if service.settings.clock() >= int(ends_at):
        raise CosError(403, "AccessDenied", "Request has expired")


def _ascii(text: str) -> str:
    return text if text.isascii() else ""


def _reply(service: Service, exchange: Exchange, stored: StoredObject) -> Reply:
    headers = _headers(stored)
    given = exchange.request.headers
    known = given.get("If-None-Match", "")
    if known.strip() == "*" or headers["ETag"] in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Reply(304, headers, outcome="304")
    start, end = _range(given.get("Range", ""), stored.size)
    status = 200
    if (start, end) != (0, stored.size) or _RANGE.fullmatch(given.get("Range", "")):
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
    headers["Content-Length"] = str(end - start)
    if exchange.request.method == "HEAD":
        return Reply(status, headers)
    try:
        file = service.storage.path(stored).open("rb")
    except FileNotFoundError:  # someone has removed it from the folder
        raise _no_key() from None
    if end - start > _SMALL_BYTES:
        return Reply(status, headers, region=Region(file, start, end - start))
    with file:
        file.seek(start)
        return Reply(status, headers, file.read(end - start))


def _headers(stored: StoredObject) -> dict[str, str]:
    headers = {
        **stored.headers,
        "Content-Type": stored.content_type,
        "ETag": f'"{stored.md5}"',
        "Last-Modified": formatdate(stored.uploaded_at, usegmt=True),
        "Accept-Ranges": "bytes",
        "x-cos-request-id": request_id(),
    }
    if stored.crc64 is not None:
        headers["x-cos-hash-crc64ecma"] = str(stored.crc64)
    return headers


def _range(asked: str, size: int) -> tuple[int, int]:
    """Translate a Range header to start and end (exclusive); the whole where it asks for nothing usable."""
    match = _RANGE.fullmatch(asked)
    if match is None or match[0] == "bytes=-":
        return 0, size
    first, last = match[1], match[2]
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= end:
        headers = {"Content_Range": f"bytes */{size}"}
        raise CosError(416, "InvalidRange", "The requested range cannot be satisfied.", **headers)
    return start, end
