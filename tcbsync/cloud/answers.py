"""Reads what the service answers: JSON of the API, XML of object storage, items of a batch.

The rule: only what is there and of the right kind is returned; anything cut, missing or foreign is a NoAnswer.
The refusal: no network, and no XML parser (an error's XML holds three words that we want, and may be HTML).
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from tcbsync.cloud.codes import error_for, shown, status_error, storage_error
from tcbsync.core.errors import CloudError, NoAnswer, Transient

if TYPE_CHECKING:
    import httpx

_NO_SUCH_FILE = -503003
_HALF = re.compile(r"[\ud800-\udfff]")
_MD5 = re.compile(r'(?:W/)?"?([0-9a-fA-F]{32})"?')


def read_json(asked: str, response: httpx.Response) -> dict[str, Any]:
    """Return the API's answer if it is a success. Raises CloudError. API docs: no errcode means errcode 0."""
    answer = json_object(response)
    if answer is not None and (errcode := integer(answer.get("errcode", 0))) != 0:
        if errcode is None:
            raise NoAnswer(f"{asked}: the answer's errcode is no number")
        raise error_for(asked, errcode, str(answer.get("errmsg", "")))
    if response.status_code != 200:
        raise _patient(status_error(asked, "API", response.status_code), response)
    if answer is None:
        raise NoAnswer(f"{asked}: the answer is not JSON, or was cut off", hint="is a proxy or a portal in the way?")
    return answer


def read_storage_error(asked: str, response: httpx.Response) -> CloudError:
    """Make the error for COS's answer: `<Error><Code/><Message/><Resource/><RequestId/></Error>`, or less."""
    text = content_of(response)[:8192].decode("utf-8", "replace")
    request_id = _element(text, "RequestId") or response.headers.get("x-cos-request-id", "")
    code = _element(text, "Code")
    error = storage_error(asked, response.status_code, code, _element(text, "Message"), request_id)
    return _patient(error, response)


def read_download_error(asked: str, response: httpx.Response) -> CloudError:
    """Make the error for the download host's answer, of which only the status counts."""
    return _patient(status_error(asked, "CDN", response.status_code), response)


def text_of(asked: str, answer: dict[str, Any], name: str) -> str:
    """Return one field of an answer that must be a text and not be empty. Raises NoAnswer."""
    value = answer.get(name)
    # Half of a surrogate pair, as JSON can spell it, is no text either: who encodes it has it in his error.
    if not isinstance(value, str) or not value or _HALF.search(value):
        raise NoAnswer(f"{asked}: the answer has no {name}")
    return value


def items_of(asked: str, answer: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return a batch's items by file id. Raises NoAnswer if there is no list. Items without an id are dropped."""
    listed = answer.get(name)
    if not isinstance(listed, list):
        raise NoAnswer(f"{asked}: the answer has no {name}")
    return {item["fileid"]: item for item in listed if isinstance(item, dict) and isinstance(item.get("fileid"), str)}


def item_status(item: dict[str, Any]) -> tuple[bool, bool, str]:
    """Return (succeeded, is absent, error text) of one item.

    The documents show status 1 with STORAGE_FILE_NONEXIST for an absent file; SDKs know -503003 too.
    """
    status = integer(item.get("status", 0))
    words = str(item.get("errmsg", ""))
    if status == 0:
        return True, False, ""
    is_absent = "NONEXIST" in words or status == _NO_SUCH_FILE
    return False, is_absent, f"status {item.get('status')!s:.20}: {shown(words)}"


def md5_of(response: httpx.Response) -> str | None:
    """Return the ETag if it is a plain MD5 (COS: with a `-n` suffix or of another length it is none)."""
    match = _MD5.fullmatch(response.headers.get("etag", "").strip())
    return match[1].lower() if match else None


def integer(value: object) -> int | None:
    """Return a JSON number, or a text of digits, as an int."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def content_of(response: httpx.Response) -> bytes:
    """Return an answer's bytes. httpx's own `read` costs as much as all else of a small answer."""
    if response.is_stream_consumed:
        return response.content
    return b"".join(cast("httpx.ByteStream", response.stream))


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """Return an answer that is a JSON object; None where it is anything else."""
    try:
        answer = json.loads(content_of(response))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _element(text: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return match[1].strip() if match else ""


def _patient(error: CloudError, response: httpx.Response) -> CloudError:
    if isinstance(error, Transient):
        error.retry_after = retry_after(response)
    return error


def retry_after(response: httpx.Response) -> float | None:
    """Return how long to wait, in seconds, where an answer says so.

    RFC 9110: seconds, or a date, which is read against the answer's own Date, whatever our clock says.
    """
    wish = response.headers.get("retry-after", "").strip()
    if wish.isdecimal() and len(wish) < 9:
        return float(wish)
    try:
        wait = parsedate_to_datetime(wish) - parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())
