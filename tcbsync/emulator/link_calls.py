"""The call uploadfile: a link for one path.

Rule (API docs, uploadfile): the answer holds url, token, authorization, file_id and cos_file_id.
Refusal: asking creates nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync.emulator import names
from tcbsync.emulator.exchange import meet_fault
from tcbsync.emulator.fields import text
from tcbsync.emulator.replies import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcbsync.emulator.exchange import Exchange, Service


async def give_link(service: Service, exchange: Exchange, appid: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Answer uploadfile; a path against the naming rules is `Behaviours.bad_path_errcode`."""
    behaviours = service.settings.behaviours
    key = text(document, "path")
    exchange.keys = (key,)
    if behaviours.is_path_checked_by_link and (fault := names.key_fault(key)):
        raise ApiError(behaviours.bad_path_errcode, fault)
    await meet_fault(service, exchange)
    number = names.appid_number(appid)
    bucket = names.bucket(exchange.env, number)
    is_lost = behaviours.is_escaped_path_lost and exchange.has_escapes and not key.isascii()
    link = service.links.issue(bucket, key, is_lost=is_lost)
    path = names.url_path(bucket, key, is_unescaped=behaviours.is_upload_url_unescaped)
    return {
        "url": f"{exchange.base_url}/cos{path}",
        "token": link.token,
        "authorization": link.authorization,
        "file_id": names.file_id(exchange.env, number, key),
        "cos_file_id": link.cos_file_id,
    }
