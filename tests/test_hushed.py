"""The search for secrets finds them, or all tests that trust it prove nothing."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import pytest

from tests.hushed import leaks

SECRET = 'hush "0/+&=ß%'
WRITTEN = {
    "as it is": f"secret {SECRET}.",
    "in a query": urlencode({"secret": SECRET}),
    "in a path": quote(f"/{SECRET}"),
    "in JSON": json.dumps({"secret": SECRET}),
    "in JSON, in UTF-8": json.dumps({"secret": SECRET}, ensure_ascii=False),
    "in a repr": repr({"secret": SECRET + "'"}),
    "in base64": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "in base64, one later": base64.b64encode(f"users:{SECRET}!".encode()).decode(),
    "in base64, two later": base64.urlsafe_b64encode(f"a user:{SECRET}!!".encode()).decode(),
    "in hex": SECRET.encode().hex(),
    "beside": "POST /tcb/uploadfile?access_token=...",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_secret_is_found_however_it_is_written(name: str) -> None:
    """Raw, quoted, escaped or encoded, at any place of a longer text; and the words beside it."""
    assert leaks(f"before {WRITTEN[name]} behind".encode(), [SECRET])


def test_other_texts_are_not_secrets() -> None:
    """Nothing is found in what tells nothing."""
    assert not leaks(b"uploadfile site/a.txt: hush, the access token has expired [42001]", [SECRET])
