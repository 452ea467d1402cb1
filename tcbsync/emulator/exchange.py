"""One request under way, what all calls share, and the moment at which a fault strikes.

Rule: a fault is chosen once per request, as soon as its keys are known; latency passes at the same moment.
Refusal: no call knows the script; it only asks `exchange.struck_by(kind)` where it could matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcbsync.emulator.faults import pass_time
from tcbsync.emulator.places import too_many
from tcbsync.emulator.replies import ApiError, HangUpError, RefusalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from tcbsync.emulator.faults import Fault, FaultScript, Kind
    from tcbsync.emulator.links import Links
    from tcbsync.emulator.places import Places
    from tcbsync.emulator.record import Record
    from tcbsync.emulator.settings import Settings
    from tcbsync.emulator.storage import Storage
    from tcbsync.emulator.tokens import Tokens


@dataclass(slots=True)
class Service:
    """What the three hosts share."""

    settings: Settings
    storage: Storage
    tokens: Tokens
    links: Links
    script: FaultScript
    record: Record
    places: Places
    latency_seconds: float


@dataclass(slots=True)
class Exchange:
    """One request: what is known of it so far."""

    request: web.BaseRequest
    call: str
    base_url: str = ""
    env: str = ""
    keys: Sequence[str] = ()
    token: str = ""
    has_escapes: bool = False
    r"""Whether the JSON body held `\uXXXX`; see `Behaviours.is_escaped_path_lost`."""
    is_writing: bool = False
    """Whether it changes its keys. `is_held`: whether the record has been told so."""
    is_held: bool = False
    has_place: bool = False
    """Whether it counts towards how many there may be at once."""
    fault: Fault | None = None
    received: int = 0

    def struck_by(self, kind: Kind) -> Fault | None:
        """Give the fault that strikes this request, if it is of that kind."""
        return self.fault if self.fault is not None and self.fault.kind == kind else None

    def item_struck_by(self, kind: Kind, key: str) -> Fault | None:
        """Give the fault that strikes this item of a batch, if it is of that kind."""
        fault = self.struck_by(kind)
        return fault if fault is not None and fault.covers((key,)) else None


async def meet_fault(service: Service, exchange: Exchange) -> None:
    """Let latency pass, choose the fault, and act on it if it comes before anything else.

    Raises HangUpError where the connection is to be cut, RefusalError where the fault is the answer, or where there
    are too many at once.
    """
    is_let_in = service.places.take(exchange)
    if exchange.is_writing:
        service.record.hold(exchange.env, exchange.keys)
        exchange.is_held = True
    await pass_time(service.latency_seconds)
    if not is_let_in:
        raise too_many(exchange.call)
    exchange.fault = fault = service.script.pick(exchange.call, exchange.keys)
    if fault is None:
        return
    is_json_call = exchange.call not in ("cos", "download")
    if fault.kind == "stall" or (fault.kind == "slow_read" and exchange.call != "cos"):
        await pass_time(fault.seconds)
        if exchange.request.transport is None:
            raise HangUpError
    if fault.kind == "cut_before" or (fault.kind == "cut_after" and exchange.call != "cos"):
        raise HangUpError
    if fault.kind == "errcode":
        raise ApiError(fault.errcode, fault.errmsg)
    if fault.kind == "stale_token":
        service.tokens.revoke(exchange.token)
        raise ApiError(40001)
    if fault.kind == "http" and (is_json_call or exchange.call == "download"):
        raise RefusalError(fault.reply())
