"""What an answer is, as a value, and the refusals that become one.

Rule: the JSON calls refuse with HTTP 200 and an errcode, the object store and the download host with a status
and XML. Refusal: nothing is sent from here, and no text in it names a token or a signature.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRMSGS = {
    -1: "system error",
    -501004: "request rate limit exceeded",
    -501005: "invalid env",
    -501007: "invalid parameters",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40066: "invalid url",
    40097: "invalid args",
    40101: "missing parameter",
    40125: "invalid appsecret",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    44002: "empty post data",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    47001: "data format error",
}
"""The service's words for an errcode. Clients decide on the number alone: the words may be empty."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Region:
    """`length` bytes of an open file from `start`; whoever sends them closes it."""

    file: BinaryIO
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. `outcome` is its word for log and counters: ok, an errcode, or an XML code."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    region: Region | None = None
    outcome: str = "ok"


class RefusalError(Exception):
    """The request is not carried out; the caller hears `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.outcome)
        self.reply = reply


class ApiError(RefusalError):
    """A refusal by api.weixin.qq.com: HTTP 200, errcode, errmsg with a request id at its end."""

    def __init__(self, errcode: int, errmsg: str = "") -> None:
        words = errmsg or ERRMSGS.get(errcode, "")
        answer = {"errcode": errcode, "errmsg": f"{words} rid: {_rid()}".lstrip()}
        super().__init__(as_json(answer, outcome=str(errcode)))


class CosError(RefusalError):
    """A refusal by the object store or the download host: a status and XML."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(xml_error(status, code, message, named))


class HangUpError(Exception):
    """The connection is cut here, without a word more."""


def as_json(answer: Any, *, outcome: str = "ok") -> Reply:
    """Answer as the API does: raw UTF-8, compact, and its own odd content type."""
    body = _ENCODER.encode(answer).encode()
    return Reply(headers={"Content-Type": "application/json; encoding=utf-8"}, body=body, outcome=outcome)


def xml_error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer as the object store does when it refuses; `<Resource>` is filled in by `with_resource`."""
    identity = request_id()
    body = (
        "<?xml version='1.0' encoding='utf-8' ?>\n<Error>\n"
        f"\t<Code>{escape(code)}</Code>\n\t<Message>{escape(message)}</Message>\n"
        f"\t<Resource></Resource>\n\t<RequestId>{identity}</RequestId>\n</Error>\n"
    )
    named = {"Content-Type": "application/xml", "x-cos-request-id": identity, **(headers or {})}
    return Reply(status, named, body.encode(), outcome=code)


def with_resource(reply: Reply, resource: str) -> Reply:
    """Name the object that an XML refusal speaks of."""
    filled = f"<Resource>{escape(resource)}</Resource>".encode()
    body = reply.body.replace(b"<Resource></Resource>", filled, 1)
    return Reply(reply.status, reply.headers, body, outcome=reply.outcome)


def request_id() -> str:
    """Make up what the object store calls x-cos-request-id."""
    return f"{secrets.token_hex(4)}_{secrets.token_hex(4)}_{secrets.token_hex(2)}_{secrets.token_hex(3)}"


def _rid() -> str:
    digits = secrets.token_hex(12)
    return f"{digits[:8]}-{digits[8:16]}-{digits[16:]}"
