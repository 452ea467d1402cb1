"""Addresses: legal bytes stay, illegal ones are encoded, and an unescaped path is escaped exactly once."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcbsync.cloud.address import escaped, host_of, name_of, request_url

HOST = "https://b-1.tcb.qcloud.la"
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1).filter(
    lambda name: not name.startswith("/")
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/a?b=c&d=%2F+~", "https://h/a?b=c&d=%2F+~"),
        ("https://h/%e4%B8%ad", "https://h/%e4%B8%ad"),
        ("https://h/100%", "https://h/100%25"),
        ("https://h/100%zz%20", "https://h/100%25zz%20"),
        ("https://h/a b#c", "https://h/a%20b%23c"),
        ("https://h/中", "https://h/%E4%B8%AD"),
        ("https://h/a\r\nHost: x", "https://h/a%0D%0AHost:%20x"),
    ],
)
def test_request_urls(url: str, expected: str) -> None:
    """Only what cannot stand in a request line is encoded."""
    exact = request_url(url)

    assert exact == expected


@pytest.mark.parametrize("query", ["", "?sign=0a1b&t=1700000000", "?x=1&sign=%2B&t=1"])
@settings(max_examples=60, deadline=None)
@given(name=NAMES)
def test_an_unescaped_path_is_escaped_once(query: str, name: str) -> None:
    """Whatever a file is called, its URL leads to it, and the signature stays as it came."""
    url = escaped(f"{HOST}/{name}{query}", name)

    path = url.removeprefix(f"{HOST}/").removesuffix(query)
    assert unquote(path) == name
    assert url.endswith(query)
    assert request_url(url) == url


@settings(max_examples=60, deadline=None)
@given(name=NAMES.filter(lambda name: quote(name) != name))
def test_an_escaped_path_is_left_alone(name: str) -> None:
    """A URL that comes escaped is not escaped again."""
    url = f"{HOST}/{quote(name)}?sign=0a1b&t=1"

    assert escaped(url, name) == url


def test_a_url_that_ends_in_something_else() -> None:
    """A URL that does not lead to the name, such as a bucket's root, is left alone."""
    url = f"{HOST}/?a=b%20c"

    assert escaped(url, "name.png") == url
    assert escaped(url, "") == url


def test_names_and_hosts() -> None:
    """A file id names a path, a URL a host that may be shown; nothing secret is in either."""
    file_id = "cloud://env-1.6162-env-1-1250000000/a/b c.png"

    assert name_of(file_id) == "a/b c.png"
    assert host_of("https://user:pass@h:8443/a?token=t") == "h:8443"
    assert host_of("nonsense?token=t") == ""
