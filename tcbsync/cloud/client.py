"""The cloud over HTTP: the six calls of `api.Cloud`, one attempt each.

The rule: one attempt, but for one repetition after the access token was rejected. A result is returned only where
the answer proves it. The refusal: no patience (see `retry`), no memory of files, no comparison of digests (the
engine knows what it sent).
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from tcbsync.cloud.address import escaped, host_of, is_id_of, name_of, place_of
from tcbsync.cloud.answers import (
    integer,
    item_status,
    items_of,
    md5_of,
    read_download_error,
    read_storage_error,
    text_of,
)
from tcbsync.cloud.api import BATCH, Body, Deletion, Download, Head, Link, Receipt
from tcbsync.cloud.codes import one_line
from tcbsync.cloud.tokens import Tokens, TokenSource
from tcbsync.cloud.wire import CloudSettings, Wire
from tcbsync.core.errors import NoAnswer, TcbsyncError, TokenRejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

log = logging.getLogger(__name__)

_LEFT_OUT = "the service left this file out of its answer"


class HttpCloud:
    """WeChat's HTTP API and the object store behind it."""

    def __init__(self, wire: Wire, tokens: Tokens) -> None:
        self._wire = wire
        self._tokens = tokens
        self._places: dict[str, str] = {}

    @property
    def notice(self) -> str:
        """Say what works and should be mended all the same; empty where there is nothing."""
        return self._tokens.notice

    async def sign_in(self) -> None:
        """Ask for an access token, unless there is a fresh one, and for nothing else. Opens the wire: calls follow."""
        self._wire.open()
        await self._tokens.current()

    async def link(self, env: str, key: str) -> Link:
        """POST uploadfile."""
        asked = f"uploadfile {one_line(key)}"
        with _about(asked):
            return await self._link(asked, env, key)

    async def _link(self, asked: str, env: str, key: str) -> Link:
        answer = await self._call(asked, "/tcb/uploadfile", {"env": env, "path": key})
        file_id, url = text_of(asked, answer, "file_id"), text_of(asked, answer, "url")
        # Under the id of another file this one could never be deleted again, and the other one would be.
        if not is_id_of(file_id, env, key) or not self._is_in_its_place(env, file_id, url):
            raise NoAnswer(f"{asked}: the answer is for another file", hint="is a proxy in the way?")
        return Link(
            key=key,
            file_id=file_id,
            url=escaped(url, key),
            authorization=text_of(asked, answer, "authorization"),
            security_token=text_of(asked, answer, "token"),
            cos_file_id=text_of(asked, answer, "cos_file_id"),
        )

    async def send(self, link: Link, body: Body) -> Receipt:
        """POST the form to object storage. COS: 204 by default; 200 and 201 are successes too."""
        asked = f"upload {one_line(link.key)}"
        with _about(asked):
            response = await self._wire.upload(asked, link, body)
            if response.status_code not in {200, 201, 204}:
                raise read_storage_error(asked, response)
            if "etag" not in response.headers:  # whoever said so, it was not object storage
                raise NoAnswer(f"{asked}: a success without an ETag", hint="is a proxy or a portal in the way?")
            return Receipt(md5_of(response))

    async def downloads(self, env: str, file_ids: Sequence[str], max_age: int = 7200) -> list[Download]:
        """POST batchdownloadfile. Every URL comes back percent-encoded, ready for a request."""
        _check_batch(file_ids)
        if not file_ids:
            return []
        question = {"env": env, "file_list": [{"fileid": each, "max_age": max_age} for each in file_ids]}
        asked = f"batchdownloadfile of {len(file_ids)}"
        answer = await self._call(asked, "/tcb/batchdownloadfile", question)
        items = items_of(asked, answer, "file_list")
        return [_download(file_id, items.get(file_id)) for file_id in file_ids]

    async def head(self, url: str) -> Head | None:
        """HEAD a download URL. One that `downloads` gave is used byte for byte."""
        asked = f"HEAD {host_of(url)}"
        response = await self._wire.head(asked, url)
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise read_download_error(asked, response)
        return Head(size=integer(response.headers.get("content-length")), md5=md5_of(response))

    async def delete(self, env: str, file_ids: Sequence[str]) -> list[Deletion]:
        """POST batchdeletefile."""
        _check_batch(file_ids)
        if not file_ids:
            return []
        asked = f"batchdeletefile of {len(file_ids)}"
        question = {"env": env, "fileid_list": list(file_ids)}
        answer = await self._call(asked, "/tcb/batchdeletefile", question)
        items = items_of(asked, answer, "delete_list")
        if strange := items.keys() - set(file_ids):
            what = "1 file that was" if len(strange) == 1 else f"{len(strange)} files that were"
            log.warning("%s: the answer names %s not asked for; `tcbsync verify` says what is lost", asked, what)
        return [_deletion(file_id, items.get(file_id)) for file_id in file_ids]

    async def close(self) -> None:
        """Close every connection."""
        await self._tokens.close()
        await self._wire.close()

    def _is_in_its_place(self, env: str, file_id: str, url: str) -> bool:
        """Whether the bucket that an id names is believed: its address names it too, or it was said before.

        API docs: both do, in the example. Where an address does not, saying it twice is what proves it.
        """
        place = place_of(file_id)
        before, self._places[env] = self._places.get(env), place
        bucket = place.removeprefix(f"{env}.")
        return place == before or f"/{bucket}/" in url or f"/{bucket}." in url

    async def _call(self, asked: str, path: str, question: Mapping[str, object]) -> dict[str, Any]:
        token = await self._tokens.current()
        try:
            return await self._wire.ask(asked, self._wire.api_with_token(path, token), question)
        except TokenRejected:
            pass
        token = await self._tokens.instead_of(token)
        try:
            return await self._wire.ask(asked, self._wire.api_with_token(path, token), question)
        except TokenRejected as error:
            failure = self._tokens.rejected_again(token, error)
        raise failure


def open_cloud(settings: CloudSettings, source: TokenSource) -> HttpCloud:
    """Build the cloud; call it inside a running event loop. Nothing is sent yet. Raises ConfigError."""
    wire = Wire(settings)
    return HttpCloud(wire, Tokens(source, wire))


@contextlib.contextmanager
def _about(asked: str) -> Iterator[None]:
    """Note of what goes wrong inside which call and which file it was: not everybody wants to hear that."""
    try:
        yield
    except TcbsyncError as error:
        error.about = asked
        raise


def _check_batch(file_ids: Sequence[str]) -> None:
    if len(file_ids) > BATCH:
        raise ValueError(f"{len(file_ids)} files in one call: at most {BATCH}")


def _download(file_id: str, item: dict[str, Any] | None) -> Download:
    if item is None:
        return Download(file_id, "", error=_LEFT_OUT)
    succeeded, is_absent, error = item_status(item)
    url = item.get("download_url")
    if succeeded and isinstance(url, str) and url:
        return Download(file_id, escaped(url, name_of(file_id)))
    return Download(file_id, "", is_absent, "" if is_absent else error or "the answer has no download_url")


def _deletion(file_id: str, item: dict[str, Any] | None) -> Deletion:
    if item is None:
        return Deletion(file_id, is_gone=False, error=_LEFT_OUT)
    if "status" not in item:
        return Deletion(file_id, is_gone=False, error="the answer has no status")
    succeeded, is_absent, error = item_status(item)
    is_gone = succeeded or is_absent
    return Deletion(file_id, is_gone, "" if is_gone else error)
