"""Each error code of the service has the class that the service's documents give it."""

from __future__ import annotations

import pytest

from tcbsync.cloud.codes import MEANINGS, error_for, one_line, shown, status_error, storage_error
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

APP = [40002, 40013, 40125, 40243, 40164, 41002, 41004, 48001, 48004, 50002, 50004, 61003, 61007, 61024, 85088]
ADMINISTRATOR = [89501, 89503, 89506, 89507]
ENVIRONMENT = [-501005, -501008, -501009, -501019, -501023, -601004, -601010]
CLASSES: dict[type[CloudError], list[int]] = {
    TokenRejected: [40001, 40014, 42001, 42006],
    Transient: [-1, -1000, -501001, -501002, -501018, -503001, -601001, -601003, -601008],
    Busy: [-501004],
    RateLimited: [45011, 45009, -501003, -501015, -501016],
    StorageFull: [-501017],
    Misconfigured: [*APP, *ADMINISTRATOR, *ENVIRONMENT],
    Refused: [
        *(40097, 40101, 41001, 43001, 43002, 43003, 44002, 47001, 47002),
        *(-501006, -501007, -501020, -501021, -503002, -601002),
    ],
}


@pytest.mark.parametrize(("kind", "errcode"), [(kind, code) for kind, codes in CLASSES.items() for code in codes])
def test_errcodes(kind: type[CloudError], errcode: int) -> None:
    """The number alone decides the class, and is shown."""
    error = error_for("uploadfile a.txt", errcode, "")

    assert type(error) is kind
    assert error.code == str(errcode)
    assert f"[{errcode}]" in str(error)
    assert str(error).startswith("uploadfile a.txt: ")


@pytest.mark.parametrize(
    ("errcode", "kind"), [(-777, Transient), (-9_999_999, Transient), (1, Refused), (99999, Refused)]
)
def test_unknown_errcodes(errcode: int, kind: type[CloudError]) -> None:
    """A negative code that nobody knows may pass by itself, a positive one will not; both ask to be reported."""
    error = error_for("uploadfile a.txt", errcode, "surprise")

    assert type(error) is kind
    assert "report" in error.hint
    assert "surprise" in str(error)


@pytest.mark.parametrize("errcode", CLASSES[Misconfigured])
def test_misconfigured_says_what_to_do(errcode: int) -> None:
    """Whatever needs a person says what to change, and whether other environments may go on."""
    error = error_for("uploadfile a.txt", errcode, "")

    assert isinstance(error, Misconfigured)
    assert error.hint
    assert error.env_only == (errcode in ENVIRONMENT)


@pytest.mark.parametrize(
    ("errcode", "least", "most"),
    [(45011, 60, 120), (45009, 1800, 1800), (-501003, 60, 300), (-501015, 60, 300), (-501016, 60, 300)],
)
def test_how_long_a_quota_pauses(errcode: int, least: float, most: float) -> None:
    """A minute's quota pauses for a minute at least, a day's until it is probed again."""
    error = error_for("uploadfile a.txt", errcode, "")

    assert isinstance(error, RateLimited)
    assert least <= error.pause_seconds <= most


def test_the_rid_is_kept_for_support() -> None:
    """The rid leaves the text and becomes the request id."""
    errmsg = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 65a0c1d2-1f2e3d4c-5b6a7988"

    error = error_for("token", 40164, errmsg)

    assert error.request_id == "65a0c1d2-1f2e3d4c-5b6a7988"
    assert "203.0.113.7" in str(error)
    assert "whitelist" in error.hint
    assert "rid:" not in str(error)


COS = [
    (403, "AccessDenied", LinkRejected),
    (403, "SignatureDoesNotMatch", LinkRejected),
    (403, "RequestTimeTooSkewed", LinkRejected),
    (403, "InvalidSecurityToken", LinkRejected),
    (403, "", LinkRejected),
    (400, "ExpiredToken", LinkRejected),
    (500, "InternalError", Transient),
    (502, "", Transient),
    (503, "ServiceUnavailable", Transient),
    (503, "SlowDown", Busy),
    (400, "RequestTimeout", Transient),
    (400, "IncompleteBody", Transient),
    (400, "BadDigest", Transient),
    (409, "PathConflict", Transient),
    (429, "", Busy),
    (400, "EntityTooLarge", Refused),
    (400, "KeyTooLong", Refused),
    (400, "MalformedPOSTRequest", Refused),
    (400, "InvalidArgument", Refused),
    (411, "MissingContentLength", Refused),
    (405, "MethodNotAllowed", Refused),
    (451, "", Refused),
    (402, "", Misconfigured),
    (404, "NoSuchBucket", Misconfigured),
    (400, "", Transient),
    (400, "SomeCodeOfTheirs", Refused),
    (302, "", NoAnswer),
    (206, "", NoAnswer),
]


@pytest.mark.parametrize(("status", "code", "kind"), COS)
def test_storage_errors(status: int, code: str, kind: type[CloudError]) -> None:
    """COS's word decides, or else the status."""
    error = storage_error("upload a.txt", status, code, "any words", "id-1")

    assert type(error) is kind
    assert error.code == (code or f"HTTP {status}")
    assert error.request_id == "id-1"
    assert not isinstance(error, Misconfigured) or error.env_only


@pytest.mark.parametrize(
    ("host", "status", "kind"),
    [
        ("API", 500, Transient),
        ("API", 502, Transient),
        ("API", 429, Busy),
        ("API", 408, Transient),
        ("API", 400, Transient),
        ("API", 404, Misconfigured),
        ("API", 403, Misconfigured),
        ("API", 301, Misconfigured),
        ("API", 413, Refused),
        ("API", 204, NoAnswer),
        ("CDN", 403, LinkRejected),
        ("CDN", 503, Transient),
        ("CDN", 400, Refused),
        ("CDN", 302, NoAnswer),
    ],
)
def test_statuses_without_words(host: str, status: int, kind: type[CloudError]) -> None:
    """Where there is only a status, it decides; one that the service never gives is no answer of it."""
    error = status_error("HEAD", host, status)

    assert type(error) is kind
    assert error.code == f"HTTP {status}"


def test_the_services_words_are_short_and_harmless() -> None:
    """What the service says is cut, put in one line, and stripped of what could be a token."""
    words = "bad\r\ntoken " + "aB3_-" * 8 + "\x1b[31m " + "why " * 100

    text = shown(words)

    assert "\n" not in text
    assert "\x1b" not in text
    assert "aB3_-aB3_-" not in text
    assert text.startswith("bad  token … ")
    assert len(text) <= 200


@pytest.mark.parametrize("token", ["aB3/xY+7q0" * 20, "PEQvFT1X9rIAL4f1kXkm6ystkDoYAJT/Bb7VPDIe4Is="])
def test_base64_with_slashes_is_not_shown(token: str) -> None:
    """A security token may be base64, whose slashes part it into short pieces; a path stays what it is."""
    path = "site/images/2026/a-rather-long-name-of-a-file/frame.json"

    assert shown(f"token {token} for {path}") == f"token … for {path}"


def test_a_key_is_shown_in_one_line() -> None:
    """A file's name keeps all of its letters, and can't forge a line of a log."""
    name = "图/" + "a" * 64 + "\n2026 ERROR"

    text = one_line(name)

    assert text == "图/" + "a" * 64 + " 2026 ERROR"


def test_every_meaning_has_words() -> None:
    """No row is without an explanation, and none is a class that says nothing."""
    rows = MEANINGS.values()

    assert all(row.words for row in rows)
    assert all(row.kind is not CloudError for row in rows)
