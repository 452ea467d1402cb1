"""What each error code of the service means: one table, and the errors made from it.

The rule: the number (or COS's word, or else the HTTP status) decides alone; the service's own text is only
shown, shortened, and never believed. The refusal: no network here, and no text that could hold a secret.

Sources: API docs of the storage calls, of access tokens and of CloudBase's error codes; COS, error codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcbsync.core.errors import (
    Busy,
    CloudError,
    LinkRejected,
    Misconfigured,
    NoAnswer,
    RateLimited,
    Refused,
    StorageFull,
    TokenRejected,
    Transient,
)

MINUTE = 60.0
PROBE = 1800.0
"""45009 ends with the quota's day, and whose midnight that is nobody says: so ask again each half hour."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row: the class says what tcbsync does, `words` what happened, `advice` what a person can do."""

    kind: type[CloudError]
    words: str
    advice: str = ""
    pause_seconds: float = MINUTE
    """Only for RateLimited."""
    env_only: bool = False
    """Only for Misconfigured: other environments may go on."""


_APP = "check credentials.appid and the secret in the WeChat console"
_RIGHTS = "give the account the right to use CloudBase's HTTP API in the WeChat console"
_ENV = "check the mirror's env, and in the CloudBase console that the environment is running"
_ENV_RIGHTS = "let this app use the environment in the CloudBase console"
_ADMIN = "an administrator must confirm this server in the WeChat app or console"
_BASE = "check service.api_base and the proxy"
_QUOTA = "wait, or raise the environment's quota in the CloudBase console"

MEANINGS: dict[str, Meaning] = {
    # the access token
    "40001": Meaning(TokenRejected, "the access token is invalid or not the latest"),
    "40014": Meaning(TokenRejected, "the access token is not valid"),
    "42001": Meaning(TokenRejected, "the access token has expired"),
    "42006": Meaning(TokenRejected, "the access token has expired"),
    # passes by itself
    "-1": Meaning(Transient, "the system is busy"),
    "-1000": Meaning(Transient, "system error"),
    "-501001": Meaning(Transient, "CloudBase system error"),
    "-501002": Meaning(Transient, "CloudBase did not answer in time"),
    "-501018": Meaning(Transient, "the resource is not available"),
    "-503001": Meaning(Transient, "the storage request failed"),
    "-601001": Meaning(Transient, "system error"),
    "-601003": Meaning(Transient, "network error inside the service"),
    "-601008": Meaning(Transient, "time limit inside the service"),
    "-501004": Meaning(Busy, "too many requests at once", "lower the number of concurrent uploads"),
    # quotas
    "45011": Meaning(RateLimited, "this minute's quota of calls is used up", pause_seconds=MINUTE),
    "45009": Meaning(RateLimited, "today's quota of calls is used up", "clear or raise it", PROBE),
    "-501003": Meaning(RateLimited, "the environment's quota of requests is used up", _QUOTA, MINUTE),
    "-501015": Meaning(RateLimited, "the environment's quota of reads is used up", _QUOTA, 5 * MINUTE),
    "-501016": Meaning(RateLimited, "the environment's quota of writes is used up", _QUOTA, 5 * MINUTE),
    "-501017": Meaning(StorageFull, "the environment's storage is used up", "delete files or buy more storage"),
    # a person must change something: the app
    "40002": Meaning(Misconfigured, "invalid grant type", _APP),
    "40013": Meaning(Misconfigured, "invalid appid", _APP),
    "40125": Meaning(Misconfigured, "invalid secret", _APP),
    "40243": Meaning(Misconfigured, "the secret is frozen", "unfreeze it in the WeChat console"),
    "40164": Meaning(
        Misconfigured, "this server's IP is not allowed", "add the IP to the IP whitelist in the WeChat console"
    ),
    "41002": Meaning(Misconfigured, "the appid is missing", "set credentials.appid"),
    "41004": Meaning(Misconfigured, "the secret is missing", "set credentials.secret_env or secret_file"),
    "48001": Meaning(Misconfigured, "the app has no right to call this API", _RIGHTS),
    "48004": Meaning(Misconfigured, "the API is banned for this app", "see the notices in the WeChat console"),
    "50002": Meaning(Misconfigured, "the account is restricted", "see the notices in the WeChat console"),
    "50004": Meaning(Misconfigured, "the account may not use this API", _RIGHTS),
    "61003": Meaning(Misconfigured, "the component is not authorised for this app", _RIGHTS),
    "61007": Meaning(Misconfigured, "the API is not authorised to the component", _RIGHTS),
    "61024": Meaning(Misconfigured, "the token must come from the component", "change the source of the token"),
    "85088": Meaning(Misconfigured, "this app has not opened CloudBase", "open CloudBase in the WeChat console"),
    "89501": Meaning(Misconfigured, "this IP waits for an administrator", _ADMIN),
    "89503": Meaning(Misconfigured, "this IP needs an administrator", _ADMIN),
    "89506": Meaning(Misconfigured, "an administrator refused this IP twice, for a day", _ADMIN),
    "89507": Meaning(Misconfigured, "an administrator refused this IP, for an hour", _ADMIN),
    # a person must change something: one environment
    "-501005": Meaning(Misconfigured, "the environment does not exist or is not well", _ENV, env_only=True),
    "-501008": Meaning(Misconfigured, "invalid source of the request", _ENV_RIGHTS, env_only=True),
    "-501009": Meaning(Misconfigured, "the environment's storage is not set up", _ENV, env_only=True),
    "-501019": Meaning(Misconfigured, "not authorised in this environment", _ENV_RIGHTS, env_only=True),
    "-501023": Meaning(Misconfigured, "no right in this environment", _ENV_RIGHTS, env_only=True),
    "-601004": Meaning(Misconfigured, "no right to this API", _ENV_RIGHTS, env_only=True),
    "-601010": Meaning(Misconfigured, "no right to write", _ENV_RIGHTS, env_only=True),
    "-601011": Meaning(Misconfigured, "no right", _ENV_RIGHTS, env_only=True),
    "-601012": Meaning(Misconfigured, "no right to this environment", _ENV_RIGHTS, env_only=True),
    "-601013": Meaning(Misconfigured, "no right across accounts", _ENV_RIGHTS, env_only=True),
    "-601018": Meaning(Misconfigured, "the API is not authorised", _ENV_RIGHTS, env_only=True),
    # permanent for one request
    "40097": Meaning(Refused, "invalid arguments"),
    "40101": Meaning(Refused, "an argument is missing"),
    "41001": Meaning(Refused, "the access token is missing", "check credentials and service.token_parameter"),
    "43001": Meaning(Refused, "must be GET"),
    "43002": Meaning(Refused, "must be POST"),
    "43003": Meaning(Refused, "must be HTTPS", _BASE),
    "44002": Meaning(Refused, "the request is empty"),
    "47001": Meaning(Refused, "the request is not valid JSON"),
    "47002": Meaning(Refused, "invalid arguments"),
    "-501006": Meaning(Refused, "invalid common argument"),
    "-501007": Meaning(Refused, "invalid argument"),
    "-501020": Meaning(Refused, "unknown argument"),
    "-501021": Meaning(Refused, "not supported"),
    "-503002": Meaning(Refused, "no right to this file"),
    "-503003": Meaning(Refused, "the file does not exist"),
    "-601002": Meaning(Refused, "invalid arguments"),
    # COS, by the word in its XML
    "AccessDenied": Meaning(LinkRejected, "the upload link is not accepted or has expired"),
    "SignatureDoesNotMatch": Meaning(LinkRejected, "the upload link's signature is not accepted"),
    "RequestTimeTooSkewed": Meaning(LinkRejected, "the upload link's time is not accepted"),
    "ExpiredToken": Meaning(LinkRejected, "the upload link has expired"),
    "SlowDown": Meaning(Busy, "object storage asks to slow down", "lower the number of concurrent uploads"),
    "RequestTimeout": Meaning(Transient, "object storage waited too long for the bytes"),
    "IncompleteBody": Meaning(Transient, "fewer bytes arrived than were announced"),
    "BadDigest": Meaning(Transient, "the bytes that arrived have another MD5"),
    "EntityTooLarge": Meaning(Refused, "the file is too large", "COS: at most 5 GB in one POST"),
    "KeyTooLong": Meaning(Refused, "the name is too long", "COS: at most 850 bytes of UTF-8"),
    "MalformedPOSTRequest": Meaning(Refused, "the form is malformed"),
    "InvalidArgument": Meaning(Refused, "a form field is not accepted", "leave the extra form fields out"),
    "MissingContentLength": Meaning(Refused, "the length is missing", "is a proxy changing the requests?"),
    "NoSuchBucket": Meaning(Misconfigured, "the environment's bucket does not exist", _ENV, env_only=True),
    # COS, by status, where the XML is empty or names nothing above
    "COS 402": Meaning(Misconfigured, "the account is in arrears", "pay the bill", env_only=True),
    "COS 403": Meaning(LinkRejected, "the upload link is not accepted or has expired"),
    "COS 408": Meaning(Transient, "object storage waited too long for the bytes"),
    "COS 409": Meaning(Transient, "another request works on the same object"),
    "COS 429": Meaning(Busy, "too many requests at once"),
    "COS 4xx": Meaning(Refused, "object storage refuses this file"),
    "COS 5xx": Meaning(Transient, "object storage is in trouble"),
    # the HTTP API, where there is no JSON
    "API 400": Meaning(Transient, "the API, or somebody before it, could not read the request"),
    "API 401": Meaning(Misconfigured, "the API's address asks for a login", _BASE),
    "API 403": Meaning(Misconfigured, "the API's address is forbidden", _BASE),
    "API 404": Meaning(Misconfigured, "there is no such API at this address", _BASE),
    "API 405": Meaning(Misconfigured, "there is no such API at this address", _BASE),
    "API 407": Meaning(Misconfigured, "the proxy asks for a login", _BASE),
    "API 408": Meaning(Transient, "the API waited too long for the request"),
    "API 429": Meaning(Busy, "too many requests at once"),
    "API 3xx": Meaning(Misconfigured, "the API's address answers with a redirect", _BASE),
    "API 4xx": Meaning(Refused, "the API refuses the request"),
    "API 5xx": Meaning(Transient, "the API is in trouble"),
    # the download host
    "CDN 403": Meaning(LinkRejected, "the download link has expired or is not accepted"),
    "CDN 408": Meaning(Transient, "the download host waited too long"),
    "CDN 429": Meaning(Busy, "too many requests at once"),
    "CDN 4xx": Meaning(Refused, "the download host refuses the request"),
    "CDN 5xx": Meaning(Transient, "the download host is in trouble"),
}

UNKNOWN_NEGATIVE = Meaning(Transient, "unknown system error", "please report this code")
UNKNOWN_POSITIVE = Meaning(Refused, "unknown error", "please report this code")
UNREAD = Meaning(Transient, "object storage, or somebody before it, could not read the request")
"""A 400 of COS without a word: whatever is wrong with a file has a name."""
UNEXPECTED_STATUS = Meaning(NoAnswer, "an answer that the service never gives", "is a proxy or a portal in the way?")

_RID = re.compile(r"\s*,?\s*rid:\s*([0-9A-Za-z-]*)\s*$")
_MIXED = r"(?=[A-Za-z0-9_+=%/-]*[A-Z])(?=[A-Za-z0-9_+=%/-]*[a-z])(?=[A-Za-z0-9_+=%/-]*[0-9])"
_OPAQUE = re.compile(rf"[A-Za-z0-9_+=%-]{{32,}}|[A-Za-z0-9_+=%/-]{{64,}}|{_MIXED}[A-Za-z0-9_+=%/-]{{32,}}")
"""What could be a token, a key, or a signature. Base64 may have slashes: a long one is no path of ours, and a shorter
one is known by its capitals, small letters and digits."""
_LONGEST = 200


def meaning_of(errcode: int) -> Meaning:
    """Look up an errcode of the API; unknown ones go by their sign."""
    return MEANINGS.get(str(errcode), UNKNOWN_NEGATIVE if errcode < 0 else UNKNOWN_POSITIVE)


def meaning_of_status(host: str, status: int) -> Meaning:
    """Look up an HTTP status of `host`, which is COS, API or CDN."""
    row = MEANINGS.get(f"{host} {status}") or MEANINGS.get(f"{host} {status // 100}xx")
    return row or UNEXPECTED_STATUS


def one_line(text: str) -> str:
    """Return `text` as it may stand in a log line: no line breaks, no control characters."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text.strip()


def shown(text: str) -> str:
    """Return the service's own words, short, in one line, without anything that could be a token or a key."""
    return _OPAQUE.sub("…", one_line(text))[:_LONGEST]


def error_for(asked: str, errcode: int, errmsg: str) -> CloudError:
    """Make the error for an errcode; `asked` says which call, for what. API docs: errmsg ends in ` rid: …`."""
    rid = _RID.search(errmsg)
    text = _RID.sub("", errmsg)
    return _error(meaning_of(errcode), asked, str(errcode), text, rid[1] if rid else "")


def storage_error(asked: str, status: int, code: str, message: str, request_id: str) -> CloudError:
    """Make the error for an answer of COS; `code`, `message` and `request_id` may be empty."""
    is_unread = status == 400 and not code
    meaning = MEANINGS.get(code) or (UNREAD if is_unread else meaning_of_status("COS", status))
    return _error(meaning, asked, code or f"HTTP {status}", message, request_id)


def status_error(asked: str, host: str, status: int) -> CloudError:
    """Make the error for an HTTP status of the API or the CDN that came without words of theirs."""
    return _error(meaning_of_status(host, status), asked, f"HTTP {status}", "", "")


def _error(meaning: Meaning, asked: str, code: str, text: str, request_id: str) -> CloudError:
    said = f": {shown(text)}" if text else ""
    message = f"{asked}: {meaning.words} [{shown(code)}]{said}"
    error = meaning.kind(message, code=shown(code), request_id=shown(request_id), hint=meaning.advice)
    if isinstance(error, RateLimited):
        error.pause_seconds = meaning.pause_seconds
    if isinstance(error, Misconfigured):
        error.env_only = meaning.env_only
    return error
