"""The gate of api.weixin.qq.com: path, method, token, body, fields, env; then the call itself.

Rule: every refusal is HTTP 200 with an errcode. The order of the checks is not documented; it is the one above,
but for `Behaviours.is_token_checked_first`. Refusal: what a call does is in the module named after it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tcbsync.emulator import names
from tcbsync.emulator.batches import delete_batch, download_batch
from tcbsync.emulator.fields import text
from tcbsync.emulator.link_calls import give_link
from tcbsync.emulator.replies import ApiError, as_json
from tcbsync.emulator.token_calls import give_plain_token, give_stable_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tcbsync.emulator.exchange import Exchange, Service
    from tcbsync.emulator.replies import Reply

    TcbCall = Callable[[Service, Exchange, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]

_ESCAPE = re.compile(rb"\\u(?!00[01])")
"""Control characters cannot be written otherwise: they say nothing of how the rest was written."""

CALLS = {
    "/cgi-bin/token": "token",
    "/cgi-bin/stable_token": "token",
    "/tcb/uploadfile": "uploadfile",
    "/tcb/batchdownloadfile": "batchdownloadfile",
    "/tcb/batchdeletefile": "batchdeletefile",
}

_TCB_CALLS: dict[str, TcbCall] = {
    "uploadfile": give_link,
    "batchdownloadfile": download_batch,
    "batchdeletefile": delete_batch,
}

_ANY_APPID = "wx0000000000000000"


async def answer_api(service: Service, exchange: Exchange, path: str, query: str) -> Reply:
    """Answer one request below /cgi-bin/ or /tcb/. Raises RefusalError and HangUpError."""
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if path == "/cgi-bin/token":
        if exchange.request.method != "GET":
            raise ApiError(43001)
        return as_json(await give_plain_token(service, exchange, parameters))
    if path == "/cgi-bin/stable_token":
        _require_post(exchange)
        return as_json(await give_stable_token(service, exchange, await _document(exchange)))
    if exchange.call not in _TCB_CALLS:
        raise ApiError(40066)
    appid = _admit(service, exchange, parameters)
    document = await _document(exchange)
    exchange.env = env = text(document, "env")
    if not names.is_env(env) or service.settings.env not in (None, env):
        raise ApiError(-501005)
    answer = await _TCB_CALLS[exchange.call](service, exchange, appid, document)
    return as_json({"errcode": 0, "errmsg": "ok", **answer})


def _admit(service: Service, exchange: Exchange, parameters: Mapping[str, str]) -> str:
    """Check method and token; returns the appid that the token stands for."""
    behaviours = service.settings.behaviours
    if not behaviours.is_token_checked_first:
        _require_post(exchange)
    if behaviours.is_token_required:
        # WeChat Cloud Run: its file's token goes as cloudbase_access_token.
        exchange.token = parameters.get("access_token") or parameters.get("cloudbase_access_token", "")
        appid = service.tokens.appid_of(exchange.token)
    else:
        appid = service.settings.appid or _ANY_APPID
    _require_post(exchange)
    return appid


def _require_post(exchange: Exchange) -> None:
    if exchange.request.method != "POST":
        raise ApiError(43002)


async def _document(exchange: Exchange) -> dict[str, Any]:
    body = await exchange.request.content.read()
    exchange.received = len(body)
    exchange.has_escapes = _ESCAPE.search(body) is not None
    if not body.strip():
        raise ApiError(44002)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(47001) from None
    if not isinstance(document, dict):
        raise ApiError(47001)
    return document
