"""The calls batchdownloadfile and batchdeletefile: up to 50 file ids, one result for each.

Rule (API docs): the whole may succeed while an item does not; an item that the API does not know is status 1,
STORAGE_FILE_NONEXIST. Objects without the right x-cos-meta-fileid are among these, and stay where they are.
Refusal: an id of another env or account is an error of its item, never of the whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync.emulator import names
from tcbsync.emulator.exchange import meet_fault
from tcbsync.emulator.fields import batch, number, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tcbsync.emulator.exchange import Exchange, Service

    Item = dict[str, Any]

NONEXIST = "STORAGE_FILE_NONEXIST"


async def download_batch(
    service: Service, exchange: Exchange, appid: str, document: Mapping[str, Any]
) -> dict[str, Any]:
    """Answer batchdownloadfile: a URL for each object, signed if the env is private."""
    behaviours = service.settings.behaviours
    ages: dict[str, int] = {}
    file_ids = []
    for entry in batch(document, "file_list", dict, behaviours):
        file_ids.append(text(entry, "fileid"))
        ages[file_ids[-1]] = number(entry, "max_age", behaviours.default_max_age_seconds, behaviours.max_age_range)

    def url(file_id: str, key: str) -> Item:
        stored = service.storage.objects.get((exchange.env, key))
        if stored is None or not stored.has_fileid:
            return {"fileid": file_id, "download_url": "", "status": 1, "errmsg": NONEXIST}
        address = _download_url(service, exchange, appid, key, ages[file_id])
        return {"fileid": file_id, "download_url": address, "status": 0, "errmsg": "ok"}

    refused: Item = {"download_url": ""}
    return {"file_list": await _each(service, exchange, appid, file_ids, url, refused)}


async def delete_batch(service: Service, exchange: Exchange, appid: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Answer batchdeletefile. What a missing id gets is not documented: `Behaviours.missing_delete_status`."""
    behaviours = service.settings.behaviours
    file_ids = batch(document, "fileid_list", str, behaviours)
    exchange.is_writing = True

    def delete(file_id: str, key: str) -> Item:
        stored = service.storage.objects.get((exchange.env, key))
        if stored is None or not stored.has_fileid:
            status = behaviours.missing_delete_status
            return {"fileid": file_id, "status": status, "errmsg": NONEXIST if status else "ok"}
        service.storage.delete(exchange.env, key)
        return {"fileid": file_id, "status": 0, "errmsg": "ok"}

    return {"delete_list": await _each(service, exchange, appid, file_ids, delete, {})}


async def _each(
    service: Service,
    exchange: Exchange,
    appid: str,
    file_ids: Sequence[str],
    carry_out: Callable[[str, str], Item],
    refused: Item,
) -> list[Item]:
    own = names.appid_number(appid)
    parsed = [names.parse_file_id(file_id) for file_id in file_ids]
    exchange.keys = [parts.key if parts else "" for parts in parsed]
    await meet_fault(service, exchange)
    items: list[Item] = []
    for file_id, parts in zip(file_ids, parsed, strict=True):
        if parts is None:
            items.append({"fileid": file_id, **refused, "status": 1, "errmsg": "INVALID_PARAM"})
        elif parts.env != exchange.env or parts.appid_number not in ("", own):
            items.append({"fileid": file_id, **refused, "status": 1, "errmsg": "STORAGE_EXCEED_AUTHORITY"})
        elif exchange.item_struck_by("missing_item", parts.key):
            continue
        elif fault := exchange.item_struck_by("item_error", parts.key):
            items.append({"fileid": file_id, **refused, "status": fault.errcode, "errmsg": fault.errmsg})
        else:
            items.append(carry_out(file_id, parts.key))
    return items


def _download_url(service: Service, exchange: Exchange, appid: str, key: str, max_age: int) -> str:
    behaviours = service.settings.behaviours
    bucket = names.bucket(exchange.env, names.appid_number(appid))
    path = names.url_path(bucket, key, is_unescaped=behaviours.is_download_url_unescaped)
    if not behaviours.is_private:
        return f"{exchange.base_url}/files{path}"
    ends_at = str(int(service.settings.clock()) + max_age)
    sign = service.links.download_sign(bucket, key, ends_at)
    return f"{exchange.base_url}/files{path}?sign={sign}&t={ends_at}"
