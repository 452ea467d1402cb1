"""The object store: POST Object, one multipart form for one object.

Rules (COS docs, POST Object and error codes): Content-Length is required; `${filename}` in the key becomes the
file's name; Signature and x-cos-security-token must fit URL and key; Content-MD5 is compared; the answer is 204
with the quoted MD5 as ETag, unless success_action_status says 200 or 201.
Refusal: an upload that did not arrive whole, or that fails any check, leaves no trace.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tcbsync.emulator import names
from tcbsync.emulator.exchange import meet_fault
from tcbsync.emulator.faults import pass_time
from tcbsync.emulator.multipart import Multipart, boundary
from tcbsync.emulator.replies import CosError, HangUpError, RefusalError, Reply, request_id
from tcbsync.emulator.storage import Form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tcbsync.emulator.exchange import Exchange, Service
    from tcbsync.emulator.journal import StoredObject
    from tcbsync.emulator.storage import Incoming

_LINK_FIELDS = {"key", "signature", "x-cos-security-token", "x-cos-meta-fileid", "success_action_status"}
_KEPT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_SLOW_PIECES = 10

# Python's own table, not the machine's, so that types are the same everywhere.
_TYPES = mimetypes.MimeTypes(filenames=())


async def post_object(service: Service, exchange: Exchange, path: str) -> Reply:
    """Answer one request below /cos/. Raises RefusalError and HangUpError."""
    bucket, url_key = names.parse_url_path(path, _no_bucket)
    parsed = names.parse_bucket(bucket)
    exchange.env, exchange.keys = parsed[0] if parsed else "", (url_key,)
    exchange.is_writing = True
    if exchange.request.method != "POST":
        raise CosError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    length = _content_length(service, exchange)
    mark = boundary(exchange.request.headers.get("Content-Type", ""))
    if parsed is None or service.settings.env not in (None, exchange.env):
        raise _no_bucket()
    await meet_fault(service, exchange)
    await _be_struck_unread(exchange, length)
    form = Multipart(_puller(exchange, length), mark)
    fields = {name.lower(): value for name, value in (await form.fields()).items()}
    key = fields.get("key", "").replace("${filename}", form.filename)
    _check(service, bucket, (url_key, key), fields)
    incoming = service.storage.incoming()
    try:
        async for chunk in form.content():
            incoming.write(chunk)
        _check_whole(service, incoming, fields)
        stored = service.storage.store(incoming, exchange.env, key, _form(service, bucket, key, fields))
    finally:
        incoming.discard()
    return _receipt(exchange, stored, fields)


def _no_bucket() -> CosError:
    return CosError(404, "NoSuchBucket", "The specified bucket does not exist.")


def _content_length(service: Service, exchange: Exchange) -> int:
    length = exchange.request.content_length
    if length is None:
        raise CosError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    # The form around the file is small; the documents count the file alone.
    if length > service.settings.behaviours.max_object_bytes + 64 * 1024:
        raise CosError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
    return length


async def _be_struck_unread(exchange: Exchange, length: int) -> None:
    """Read the body to nowhere where the fault is that it was read in vain."""
    in_vain = exchange.struck_by("cut_after") or exchange.struck_by("http")
    if in_vain is None and not exchange.struck_by("cut_amid"):
        return
    pull = _puller(exchange, length)
    while await pull():
        pass
    if in_vain and in_vain.kind == "http":
        raise RefusalError(in_vain.reply())
    raise HangUpError


def _puller(exchange: Exchange, length: int) -> Callable[[], Awaitable[bytes]]:
    """Make what reads the next bytes of the body; raises HangUpError if the sender, or a fault, cuts it off."""
    content = exchange.request.content
    cut_at = length // 2 if exchange.struck_by("cut_amid") else None
    slow = exchange.struck_by("slow_read")

    async def pull() -> bytes:
        if slow:
            await pass_time(slow.seconds, _SLOW_PIECES)
            chunk = await content.read(max(1, length // _SLOW_PIECES))
        else:
            chunk = await content.readany()
        exchange.received += len(chunk)
        if cut_at is not None and exchange.received >= cut_at:
            raise HangUpError
        return chunk

    return pull


def _check(service: Service, bucket: str, keys: tuple[str, str], fields: Mapping[str, str]) -> None:
    """Judge the form before its file is read. `keys`: the URL's, and the form's after substitution."""
    url_key, key = keys
    behaviours = service.settings.behaviours
    if names.byte_length(key) > names.MAX_KEY_BYTES:
        raise CosError(400, "KeyTooLong", "Your key is too long.")
    if fault := names.key_fault(key):
        raise CosError(400, "InvalidArgument", f"The key is not valid: {fault}.")
    if not fields.get("signature"):
        raise CosError(403, "AccessDenied", "Access Denied.")
    service.links.verify(bucket, url_key, fields["signature"], fields.get("x-cos-security-token", ""))
    if behaviours.link_checked == "start":
        service.links.verify_time(fields["signature"])
    if key != url_key:
        raise CosError(403, "AccessDenied", "Access Denied.")
    if not behaviours.are_extra_fields_accepted and set(fields) - _LINK_FIELDS:
        raise CosError(403, "AccessDenied", "Access Denied.")


def _check_whole(service: Service, incoming: Incoming, fields: Mapping[str, str]) -> None:
    """Judge what can only be judged with the last byte."""
    if incoming.size > service.settings.behaviours.max_object_bytes:
        raise CosError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
    if service.settings.behaviours.link_checked == "end":
        service.links.verify_time(fields["signature"])
    if (content_md5 := fields.get("content-md5")) is None:
        return
    try:
        expected = base64.b64decode(content_md5, validate=True)
    except binascii.Error:
        expected = b""
    if len(expected) != 16:
        raise CosError(400, "InvalidDigest", "The Content-MD5 you specified is invalid.")
    if expected != incoming.md5():
        raise CosError(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")


def _form(service: Service, bucket: str, key: str, fields: Mapping[str, str]) -> Form:
    kept = {
        name: value
        for name, value in fields.items()
        if name in _KEPT_HEADERS or (name.startswith("x-cos-meta-") and name != "x-cos-meta-fileid")
    }
    # COS docs: the type is the form's field, else what the extension says; the part's own header is ignored.
    content_type = fields.get("content-type") or _TYPES.guess_type(key, strict=False)[0]
    return Form(
        content_type=content_type or "application/octet-stream",
        has_fileid=service.links.proves(bucket, key, fields.get("x-cos-meta-fileid", "")),
        headers=kept,
    )


def _receipt(exchange: Exchange, stored: StoredObject, fields: Mapping[str, str]) -> Reply:
    headers = {"ETag": f'"{stored.md5}"', "x-cos-request-id": request_id()}
    if stored.crc64 is not None:
        headers["x-cos-hash-crc64ecma"] = str(stored.crc64)
    status = {"200": 200, "201": 201}.get(fields.get("success_action_status", ""), 204)
    if status != 201:
        return Reply(status, headers)
    location = f"{exchange.base_url}{exchange.request.raw_path}"
    body = (
        f"<?xml version='1.0' encoding='utf-8' ?>\n<PostResponse><Location>{escape(location)}</Location>"
        f"<Bucket>{escape(stored.env)}</Bucket><Key>{escape(stored.key)}</Key>"
        f"<ETag>{escape(headers['ETag'])}</ETag></PostResponse>"
    )
    return Reply(status, {**headers, "Content-Type": "application/xml"}, body.encode())
