"""The two calls that give access tokens: GET cgi-bin/token and POST cgi-bin/stable_token.

Rule (API docs, errcode): 40002 wrong grant_type, 41002 and 41004 missing appid or secret, 40013 an appid that is
not served, 40125 a wrong secret. Success has no errcode. Refusal: secrets are compared, never kept.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from tcbsync.emulator.exchange import meet_fault
from tcbsync.emulator.fields import text
from tcbsync.emulator.replies import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcbsync.emulator.exchange import Exchange, Service


async def give_plain_token(service: Service, exchange: Exchange, query: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the plain token of an appid."""
    await meet_fault(service, exchange)
    token, expires_in = service.tokens.plain(_identify(service, query))
    return {"access_token": token, "expires_in": expires_in}


async def give_stable_token(service: Service, exchange: Exchange, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return, renew or (force_refresh) replace the stable token of an appid."""
    await meet_fault(service, exchange)
    appid = _identify(service, body)
    force_refresh = body.get("force_refresh", False)
    if not isinstance(force_refresh, bool):
        raise ApiError(40097, "invalid args: force_refresh is not a boolean")
    token, expires_in = service.tokens.stable(appid, force_refresh=force_refresh)
    return {"access_token": token, "expires_in": expires_in}


def _identify(service: Service, given: Mapping[str, Any]) -> str:
    if text(given, "grant_type", 40002) != "client_credential":
        raise ApiError(40002)
    appid, secret = text(given, "appid", 41002), text(given, "secret", 41004)
    if not appid or service.settings.appid not in (None, appid):
        raise ApiError(40013)
    expected = service.settings.secret
    if not secret or (expected is not None and not hmac.compare_digest(expected.encode(), secret.encode())):
        raise ApiError(40125)
    return appid
