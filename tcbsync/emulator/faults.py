"""What goes wrong on purpose: faults as values, and the script that deals them out.

Rule: the script is an ordered list; for each request the first fault that matches, and whose turn it is, strikes.
With the same seed and the same requests the same faults strike.
Refusal: a fault never damages what is stored. It changes what the caller sees, or stops a request from being
carried out. (But `stored_reply_lost` carries out, and says nothing.)

JSON form, for `--faults FILE` and `POST /_emulator/faults`: a list of objects with the fields of `Fault`, e.g.

    [{"call": "cos", "kind": "stored_reply_lost", "key": "*.png", "count": 2},
     {"call": "uploadfile", "kind": "errcode", "errcode": 45011, "probability": 0.01},
     {"call": "download", "kind": "http", "status": 502, "body": "html", "headers": {"Retry-After": "3"}}]
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args

from tcbsync.emulator.replies import Reply, xml_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Call = Literal["token", "uploadfile", "cos", "batchdownloadfile", "batchdeletefile", "download"]

Kind = Literal[
    "cut_before",  # the connection is cut before the body is read
    "cut_amid",  # cos: cut with half of the upload read; other calls: with half of the answer sent
    "cut_after",  # cut with the whole body read; nothing is carried out
    "stored_reply_lost",  # carried out, then cut without an answer
    "errcode",  # HTTP 200 with `errcode` and `errmsg`; not carried out (JSON calls only)
    "http",  # `status` with an XML, HTML or empty `body` and `headers`; not carried out
    "cut_json",  # carried out; a whole HTTP answer that holds half of its JSON
    "missing_item",  # batches: items whose key matches are neither carried out nor answered
    "item_error",  # batches: items whose key matches are not carried out, and say `errcode` and `errmsg`
    "trickle",  # the answer comes in small pieces over `seconds`
    "stall",  # no answer for `seconds`, then as ever; a caller who has hung up by then is not served
    "slow_read",  # the body is read over `seconds` (cos: piece by piece)
    "wrong_etag",  # carried out; the answer's ETag is `etag`
    "no_etag",  # carried out; the answer has no ETag
    "stale_token",  # the access token is revoked at this moment: 40001 (JSON calls with a token)
]

CALLS: tuple[Call, ...] = get_args(Call)
JSON_CALLS = ("token", "uploadfile", "batchdownloadfile", "batchdeletefile")
KINDS: tuple[Kind, ...] = get_args(Kind)
_CALLS_OF: Mapping[str, tuple[str, ...]] = {
    "errcode": JSON_CALLS,
    "cut_json": JSON_CALLS,
    "missing_item": JSON_CALLS[2:],
    "item_error": JSON_CALLS[2:],
    "stale_token": JSON_CALLS[1:],
    "wrong_etag": ("cos", "download"),
    "no_etag": ("cos", "download"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    It concerns requests of `call` with a key that matches the glob `key` (any key of a batch; calls without one
    match "*" only). The first `skip` of them pass; then each is struck with `probability`, `count` times in all
    (None: without end).
    """

    call: Call
    kind: Kind
    key: str = "*"
    probability: float = 1.0
    skip: int = 0
    count: int | None = None
    errcode: int = -1
    errmsg: str = ""
    status: int = 503
    code: str = "ServiceUnavailable"
    body: Literal["xml", "html", "empty"] = "xml"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 1.0
    etag: str = '"00000000000000000000000000000000"'

    def __post_init__(self) -> None:
        if self.call not in CALLS or self.kind not in KINDS:
            raise ValueError(f"no such fault: call {self.call!r}, kind {self.kind!r}")
        if self.call not in _CALLS_OF.get(self.kind, CALLS):
            raise ValueError(f"a fault of kind {self.kind} cannot strike the call {self.call}")
        if not 0 <= self.probability <= 1 or self.skip < 0 or self.seconds < 0:
            raise ValueError("probability is 0 to 1; skip and seconds are not negative")

    def covers(self, keys: Iterable[str]) -> bool:
        """Whether it concerns a request about these keys."""
        return self.key == "*" or any(fnmatchcase(key, self.key) for key in keys)

    def reply(self) -> Reply:
        """Write the answer of kind `http`."""
        if self.body == "xml":
            return xml_error(self.status, self.code, "A fault of the emulator's script.", self.headers)
        page = f"<html><head><title>{self.status}</title></head><body>nginx</body></html>".encode()
        body, kind = (page, "text/html") if self.body == "html" else (b"", "text/plain")
        return Reply(self.status, {"Content-Type": kind, **self.headers}, body, outcome=str(self.status))


def from_json(document: Any) -> tuple[Fault, ...]:
    """Read a script; raises ValueError that says which entry is wrong."""
    if not isinstance(document, list):
        raise ValueError("a script of faults is a JSON list of objects")  # noqa: TRY004 - bad input, not a bad call
    faults = []
    for position, entry in enumerate(document):
        try:
            faults.append(Fault(**entry))
        except (TypeError, ValueError) as error:
            raise ValueError(f"fault {position} of the script: {error}") from error
    return tuple(faults)


class FaultScript:
    """The faults that are armed, in order, and how often each has struck."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - reproducible on purpose, nothing secret
        self._armed = [_Armed(fault) for fault in faults]

    def install(self, *faults: Fault) -> None:
        """Add faults at the end of the script."""
        self._armed.extend(_Armed(fault) for fault in faults)

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def pick(self, call: str, keys: Sequence[str]) -> Fault | None:
        """Find the fault that strikes this request, and count it."""
        for armed in self._armed:
            if armed.fault.call == call and armed.fault.covers(keys) and armed.strikes(self._dice):
                return armed.fault
        return None

    def report(self) -> list[dict[str, Any]]:
        """List the script as JSON values, each with `seen` and `struck`."""
        return [
            {
                **asdict(replace(armed.fault, headers=dict(armed.fault.headers))),
                "seen": armed.seen,
                "struck": armed.struck,
            }
            for armed in self._armed
        ]


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0
    struck: int = 0

    def strikes(self, dice: random.Random) -> bool:
        self.seen += 1
        fault = self.fault
        if self.seen <= fault.skip or (fault.count is not None and self.struck >= fault.count):
            return False
        if fault.probability < 1 and dice.random() >= fault.probability:
            return False
        self.struck += 1
        return True


async def pass_time(seconds: float, pieces: int = 1) -> None:
    """Wait one piece's share of `seconds`."""
    if seconds > 0:
        await asyncio.sleep(seconds / max(1, pieces))
