"""Every class of trouble that the service can make, as faults of the emulator: one table for all who test them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tcbsync.emulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.emulator.faults import Kind

WORDS = "in the service's words"
HALF_AN_HOUR = 1800.0


@dataclass(frozen=True)
class Trouble:
    """A fault that lasts, and what a person reads of it: the service's state, the code, the seconds to the next try."""

    fault: Fault
    state: str
    code: str
    seconds: float

    @property
    def mirror(self) -> str:
        """The mirror's state, in the words of the contract."""
        return "offline" if self.state == "offline" else "paused"


def errcode(code: int, call: Any = "uploadfile", **more: Any) -> Fault:
    """Let a JSON call answer with a code."""
    return Fault(call=call, kind="errcode", errcode=code, errmsg=WORDS, **more)


def status(number: int, call: Any = "cos", code: str = "", **more: Any) -> Fault:
    """Let a call answer with an HTTP status."""
    return Fault(call=call, kind="http", status=number, code=code, **more)


TOKEN = (40001, 40014, 42001, 42006)
TRANSIENT = (-1, -1000, -501001, -501002, -501018, -503001, -601001, -601003, -601008)
RATE = {45011: 60.0, 45009: HALF_AN_HOUR, -501003: 60.0, -501015: 300.0, -501016: 300.0}
APP = (40002, 40013, 40125, 40243, 40164, 41002, 41004, 48001, 48004, 50002, 50004, 61003, 61007, 61024, 85088)
ADMINISTRATOR = (89501, 89503, 89506, 89507)
ENVIRONMENT = (-501005, -501008, -501009, -501019, -501023, -601004, -601010, -601011, -601012, -601013, -601018)
REQUEST = (
    *(40097, 40101, 41001, 43001, 43002, 43003, 44002, 47001, 47002),
    *(-501006, -501007, -501020, -501021, -503002, -601002),
)
UNKNOWN_NEGATIVE, UNKNOWN_POSITIVE = -777, 99999
ADVICE = {40164: "IP whitelist", 89501: "administrator", -501017: "storage", 45009: "quota", -501004: "lower"}


def _lasting() -> Iterator[tuple[str, Trouble]]:
    for state, seconds, codes in (
        ("blocked", 30.0, (*TOKEN, *APP, *ADMINISTRATOR, *ENVIRONMENT)),
        ("offline", 2.0, (*TRANSIENT, -501004, UNKNOWN_NEGATIVE)),
        ("full", 60.0, (-501017,)),
    ):
        for code in codes:
            yield str(code), Trouble(errcode(code), state, str(code), seconds)
    for code, seconds in RATE.items():
        yield str(code), Trouble(errcode(code), "paused", str(code), seconds)
    for code in (40001, 40013, 40125, 40164, 89503):
        yield f"token call {code}", Trouble(errcode(code, "token"), "blocked", str(code), 30.0)
    for code, seconds in ((45009, HALF_AN_HOUR), (45011, 60.0)):
        yield f"token call {code}", Trouble(errcode(code, "token"), "paused", str(code), seconds)
    yield "token call cut", Trouble(Fault(call="token", kind="cut_before"), "offline", "", 2.0)
    for number in (401, 403, 404, 405, 302):
        fault = status(number, "uploadfile", body="html", headers={"Location": "http://127.0.0.1:1/portal"})
        yield f"API {number}", Trouble(fault, "blocked", f"HTTP {number}", 30.0)
    for number in (500, 502, 503):
        yield f"API {number}", Trouble(status(number, "uploadfile", body="html"), "offline", f"HTTP {number}", 2.0)
    yield "API without an answer", Trouble(Fault(call="uploadfile", kind="cut_before"), "offline", "", 2.0)
    yield "API with half an answer", Trouble(Fault(call="uploadfile", kind="cut_json"), "offline", "", 2.0)
    yield "COS 402", Trouble(status(402), "blocked", "HTTP 402", 30.0)
    yield "COS NoSuchBucket", Trouble(status(404, code="NoSuchBucket"), "blocked", "NoSuchBucket", 30.0)
    for number, word in (
        *((503, "SlowDown"), (503, "ServiceUnavailable"), (500, "InternalError"), (409, "PathConflict")),
        *((400, "RequestTimeout"), (400, "IncompleteBody"), (400, "BadDigest")),
    ):
        yield f"COS {word}", Trouble(status(number, code=word), "offline", word, 2.0)
    kinds: tuple[Kind, ...] = ("cut_before", "cut_after", "stored_reply_lost", "no_etag")
    for kind in kinds:
        yield f"COS {kind}", Trouble(Fault(call="cos", kind=kind), "offline", "", 2.0)
    wish = status(503, "uploadfile", body="html", headers={"Retry-After": "120"})
    yield "API Retry-After", Trouble(wish, "paused", "HTTP 503", 120.0)


LASTING = dict(_lasting())
"""What concerns more than one file: nobody calls until the time has come, then one probe."""

ONE_FILE = {
    **{str(code): errcode(code) for code in (*REQUEST, UNKNOWN_POSITIVE)},
    "HTTP 413": status(413, "uploadfile", body="html"),
    **{
        code: status(number, code=code)
        for number, code in (
            *((400, "EntityTooLarge"), (400, "KeyTooLong"), (400, "MalformedPOSTRequest"), (400, "InvalidArgument")),
            *((411, "MissingContentLength"), (405, "MethodNotAllowed"), (451, "UnavailableForLegalReasons")),
        )
    },
}
"""What is wrong with one file for good: it is parked with the code."""

LINK = {
    code: status(number, code=code)
    for number, code in (
        *((403, "AccessDenied"), (403, "SignatureDoesNotMatch"), (403, "RequestTimeTooSkewed")),
        *((403, "InvalidSecurityToken"), (400, "ExpiredToken")),
    )
}
"""A link that is not accepted: a new one, once; then the file waits for a minute."""

PASSING = {
    **{name: replace(trouble.fault, count=1) for name, trouble in LASTING.items() if trouble.state == "offline"},
    **{name: replace(fault, count=1) for name, fault in LINK.items()},
    **{str(code): errcode(code, count=1) for code in TOKEN},
    "stale token": Fault(call="uploadfile", kind="stale_token", count=1),
}
"""What passes when it is tried again: nobody reads of it."""
