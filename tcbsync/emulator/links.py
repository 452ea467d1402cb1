"""Upload links: issued without a trace, verified from what they hold.

Rule (API docs, uploadfile; COS docs, POST Object): a link is for one path and holds 15 minutes. Its
`authorization` signs the URL's path and the time, its `token` grants one key, its `cos_file_id` proves that
storage knows the object; without the right one the object is stored, but the API says NONEXIST.
Refusal: nothing is stored, so asking for a link creates nothing; links of an earlier run are refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcbsync.emulator.replies import CosError

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGN_TIME = re.compile(r"&q-sign-time=([0-9]{1,12});([0-9]{1,12})&")


@dataclass(frozen=True, slots=True)
class Link:
    """What uploadfile hands out, apart from the URL."""

    authorization: str
    token: str
    cos_file_id: str


class Links:
    """Issues links and judges what an upload presents."""

    def __init__(self, clock: Callable[[], float], lifetime_seconds: int) -> None:
        self._clock = clock
        self._lifetime_seconds = lifetime_seconds
        self._secret = secrets.token_bytes(32)
        self._session = secrets.token_urlsafe(200)

    def issue(self, bucket: str, key: str, *, is_lost: bool = False) -> Link:
        """Permit one key. With `is_lost` its cos_file_id belongs to no key that can be asked for."""
        start = int(self._clock())
        end = start + self._lifetime_seconds
        cos_file_id = self._cos_file_id(bucket, f"\0{key}" if is_lost else key)
        return Link(self._authorization(bucket, key, start, end), self._token(bucket, key, end), cos_file_id)

    def verify(self, bucket: str, key: str, authorization: str, token: str) -> None:
        """Judge signature and token for one key; raises CosError, 403 for each."""
        times = _SIGN_TIME.search(authorization)
        if times is None:
            raise CosError(403, "AccessDenied", "Access Denied.")
        start, end = int(times[1]), int(times[2])
        if not _are_equal(self._authorization(bucket, key, start, end), authorization):
            raise CosError(403, "SignatureDoesNotMatch", "The Signature you specified is invalid.")
        if not _are_equal(self._token(bucket, key, end), token):
            raise CosError(403, "AccessDenied", "The security token you provided is invalid.")

    def verify_time(self, authorization: str) -> None:
        """Judge the link's time alone; raises CosError 403 as the object store words it."""
        times = _SIGN_TIME.search(authorization)
        if times is None or self._clock() >= int(times[2]):
            raise CosError(403, "AccessDenied", "Request has expired")
        if self._clock() < int(times[1]) - self._lifetime_seconds:
            raise CosError(403, "RequestTimeTooSkewed", "The clocks of server and signature are too far apart.")

    def proves(self, bucket: str, key: str, cos_file_id: str) -> bool:
        """Whether `cos_file_id` is the one that makes this key known to the API."""
        return _are_equal(self._cos_file_id(bucket, key), cos_file_id)

    def download_sign(self, bucket: str, key: str, ends_at: str) -> str:
        """Sign a private download until the unix second `ends_at`: 32 hex digits."""
        return self._digest("download", bucket, key, ends_at).hex()[:32]

    def _authorization(self, bucket: str, key: str, start: int, end: int) -> str:
        signature = self._digest("post", bucket, key, f"{start};{end}").hex()[:40]
        return (
            f"q-sign-algorithm=sha1&q-ak=EMULATED&q-sign-time={start};{end}&q-key-time={start};{end}"
            f"&q-header-list=&q-url-param-list=&q-signature={signature}"
        )

    def _token(self, bucket: str, key: str, end: int) -> str:
        return self._session + self._digest("token", bucket, key, str(end)).hex()

    def _cos_file_id(self, bucket: str, key: str) -> str:
        return base64.b64encode(self._digest("fileid", bucket, key, "")).decode()

    def _digest(self, purpose: str, bucket: str, key: str, detail: str) -> bytes:
        message = f"{purpose}\n{bucket}\n{detail}\n{key}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(message, key=self._secret, digest_size=32).digest()


def _are_equal(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))
