"""The table of what can be struck: every call, every class of its bytes, every fault. The cases are the cross product.

Rule: the table is written down, not collected, so that a class that stops passing is missed and not forgotten.
Left out, as they mean nothing: a flipped or dropped byte where there is none (a seam between two bytes), and a cut, a
delay or a stall within a header's or a field's name, which comes a few bytes before the one within its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.wire.messages import AFTER_ANSWER, BEFORE_ANSWER, BEHIND
from tests.wire.proxy import DELAY, DROP, FIN, FLIP, INSERT, LATER, RST, STALL, TWICE, TWICE_ANSWERED, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = (FIN, RST, DELAY, STALL, FLIP, DROP, INSERT)
WHOLE_FAULTS = (TWICE, TWICE_ANSWERED, LATER)
CORRUPTIONS = (FLIP, DROP, INSERT)
ALWAYS = 1_000_000
"""Times: every such request is struck, for as long as the pass lasts."""


class Case(NamedTuple):
    """One thing that goes wrong."""

    call: str
    where: str
    fault: str
    times: int = 1

    def __str__(self) -> str:
        return f"{self.call} · {self.where} · {self.fault}{' · always' if self.times > 1 else ''}"


def _headers(*names: str) -> list[str]:
    return [each for name in names for each in (f"header {name}: name", f"header {name}")] + ["end of headers"]


def _edges(what: str) -> list[str]:
    return [f"{what}: {which} byte" for which in ("first", "middle", "last")]


def _fields(*names: str) -> list[str]:
    return _edges("body") + [each for name in names for each in (f"name of {name}", f"value of {name}")]


def _answer(*classes: str) -> list[str]:
    classes = ("version", "status", *classes)
    return [BEFORE_ANSWER, *(f"answer: {name}" for name in classes), AFTER_ANSWER]


_FILE_ID = [f"{part} of file id" for part in ("env", "bucket", "path")]
_ADDRESS = [f"{part} of address" for part in ("host", "path")]
_LINE = ["method", "path", "version"]
_TOKEN_LINE = ["method", "path", "query", "version"]
_COMMON = ("Host", "user-agent", "accept", "accept-encoding")
_ASKED = _headers(*_COMMON, "content-type", "content-length")
_TOLD = _headers("Content-Type", "Content-Length", "Date", "Server")
_FORM_FIELDS = ("key", "Signature", "x-cos-security-token", "x-cos-meta-fileid", "Content-Type")
_FORM = [
    each for name in _FORM_FIELDS for each in (f"boundary before {name}", f"part headers of {name}", f"value of {name}")
] + ["boundary before file", "part headers of file"]
_STORED = ("ETag", "x-cos-request-id", "x-cos-hash-crc64ecma", "Date", "Server")
_STORED_LARGE = ("ETag", "x-cos-request-id", "Date", "Server")
_SERVED = ("Content-Type", "ETag", "Last-Modified", "Accept-Ranges", "x-cos-request-id", "x-cos-hash-crc64ecma")


def _upload(file: list[str], stored: tuple[str, ...]) -> list[str]:
    return [*_LINE, *_ASKED, *_FORM, *file, "closing boundary", BEHIND, *_answer(*_headers(*stored))]


CLASSES: dict[str, list[str]] = {
    "stable_token": [
        *_LINE,
        *_ASKED,
        *_fields("grant_type", "appid", "secret", "force_refresh"),
        BEHIND,
        *_answer(*_TOLD, *_fields("access_token", "expires_in")),
    ],
    "token": [
        *_TOKEN_LINE,
        *_headers(*_COMMON),
        BEHIND,
        *_answer(*_TOLD, *_fields("access_token", "expires_in")),
    ],
    "uploadfile": [
        *_TOKEN_LINE,
        *_ASKED,
        *_fields("env", "path"),
        BEHIND,
        *_answer(
            *_TOLD,
            *_fields("errcode", "errmsg", "url", "token", "authorization", "file_id", "cos_file_id"),
            *_FILE_ID,
            *_ADDRESS,
        ),
    ],
    "upload small": _upload(_edges("file"), _STORED),
    "upload large": _upload(_edges("file"), _STORED_LARGE),
    "upload empty": _upload([], _STORED),
    "batchdeletefile": [
        *_TOKEN_LINE,
        *_ASKED,
        *_fields("env", "fileid_list"),
        *_FILE_ID,
        BEHIND,
        *_answer(*_TOLD, *_fields("errcode", "errmsg", "fileid", "status"), *_FILE_ID),
    ],
    "batchdownloadfile": [
        *_TOKEN_LINE,
        *_ASKED,
        *_fields("env", "fileid", "max_age"),
        *_FILE_ID,
        BEHIND,
        *_answer(*_TOLD, *_fields("errcode", "errmsg", "fileid", "download_url", "status"), *_FILE_ID, *_ADDRESS),
    ],
    "head": [
        *_LINE,
        *_headers(*_COMMON),
        BEHIND,
        *_answer(*_headers(*_SERVED, "Content-Length", "Date", "Server")),
    ],
}
"""By call: every class of the bytes of its request and of its answer."""

_BELIEVED = ("answer: value of file_id", "answer: bucket of file id")
"""A bucket that is damaged in the same way each time is what the service says: it is believed the second time."""
SEAMS = (BEHIND, BEFORE_ANSWER, AFTER_ANSWER)


def is_name(where: str) -> bool:
    """Whether the class is the name of a header or of a field, rather than what it says."""
    return where.endswith(": name") or "name of " in where


def faults_at(where: str) -> tuple[str, ...]:
    """Give the faults that mean something there."""
    if where in SEAMS:
        return (FIN, RST, DELAY, STALL, INSERT)
    return CORRUPTIONS if is_name(where) else FAULTS


def every() -> Iterator[Case]:
    """Give the whole cross product."""
    for call, classes in CLASSES.items():
        for where in classes:
            yield from (Case(call, where, fault) for fault in faults_at(where))
            is_cut = where in SEAMS or where in _BELIEVED
            yield Case(call, where, FIN if is_cut else FLIP, ALWAYS)
        yield from (Case(call, WHOLE, fault) for fault in WHOLE_FAULTS)


def rotation() -> Iterator[Case]:
    """Give every class of every call once, each with the next fault of those that mean something there."""
    for call, classes in CLASSES.items():
        for number, where in enumerate(classes):
            faults = faults_at(where)
            yield Case(call, where, faults[number % len(faults)])
        yield from (Case(call, WHOLE, fault) for fault in WHOLE_FAULTS)


def sample() -> Iterator[Case]:
    """Give every class once, whatever the call, and every fault: what the quick tests have time for."""
    seen: set[str] = set()
    for call, classes in CLASSES.items():
        for where in classes:
            if where not in seen and not is_name(where):
                seen.add(where)
                faults = [fault for fault in faults_at(where) if fault != STALL]
                yield Case(call, where, faults[len(seen) % len(faults)])
    yield from (
        Case(call, "file: middle byte", fault) for call, fault in (("upload large", FLIP), ("upload small", STALL))
    )
    yield from (Case("upload small", WHOLE, fault) for fault in WHOLE_FAULTS)
    yield Case("upload large", "closing boundary", FIN)
    yield Case("upload empty", "closing boundary", RST)
