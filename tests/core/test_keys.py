"""Which paths the cloud can hold under their own names, and in which form."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.keys import MAX_FILE_BYTES, MAX_KEY_BYTES, key_problem, normal, prefix_problem

FINE = {
    "a name": "a",
    "a path": "images/2024/cover.png",
    "a name with spaces": "a b/ c ",
    "Chinese": "图片/封面.png",
    "an emoji outside the first plane": "😀.png",
    "dots that are no step": ".../.a/..b/c..d/e.",
    "a hidden file": ".well-known/x",
    "characters of addresses": "a?b#c%20&d=e+f",
    "quotes and brackets": "a'b\"c<d>[e]{f}",
    "a dollar and braces": "${file}/$filename/{filename}",
    "a control character beside the refused ones": "a\x17b\x1cc\td\ne",
    "850 bytes": "a" * 850,
    "850 bytes of Chinese": "图" * 283 + "a",
}

REFUSED = {
    "nothing": ("", "the name is empty"),
    "851 bytes": ("a" * 851, "the path has 851 bytes; the cloud takes at most 850"),
    "852 bytes of Chinese": ("图" * 284, "the path has 852 bytes; the cloud takes at most 850"),
    "0x18": ("a/\x18b", "control character"),
    "0x19": ("\x19", "control character"),
    "0x1A": ("a\x1ab", "control character"),
    "0x1B": ("a\x1b", "control character"),
    "0x1B among Chinese": ("图\x1b", "control character"),
    "a slash first": ("/a", "empty part"),
    "a slash last": ("a/", "empty part"),
    "two slashes": ("a//b", "empty part"),
    "only a slash": ("/", "empty part"),
    "a backslash": ("a\\b", "backslash"),
    "COS's own placeholder": ("a/${filename}.png", "${filename}"),
    "a step into itself": ("./a", ". or .. part"),
    "a step in the middle": ("a/./b", ". or .. part"),
    "a step at the end": ("a/.", ". or .. part"),
    "only a step": (".", ". or .. part"),
    "a step up": ("../a", ". or .. part"),
    "a step up in the middle": ("a/../b", ". or .. part"),
    "a step up at the end": ("a/..", ". or .. part"),
    "only a step up": ("..", ". or .. part"),
    "bytes that are no UTF-8": ("a\udcff.png", "not valid UTF-8"),
    "half of a surrogate pair": ("a\ud83d", "not valid UTF-8"),
}


@pytest.mark.parametrize("key", FINE.values(), ids=FINE)
def test_keys_that_the_cloud_takes(key: str) -> None:
    """What the naming rules do not forbid goes under its own name."""
    assert key_problem(key) is None


@pytest.mark.parametrize(("key", "words"), REFUSED.values(), ids=REFUSED)
def test_keys_that_the_cloud_refuses(key: str, words: str) -> None:
    """Each naming rule is told in plain words, and the text can be printed."""
    problem = key_problem(key)

    assert problem is not None
    assert words in problem
    assert problem.isprintable()


def test_the_services_limits() -> None:
    """The API's naming rules, and COS's POST Object: 850 bytes of name, 5 GB of content."""
    assert (MAX_KEY_BYTES, MAX_FILE_BYTES) == (850, 5_368_709_120)


PREFIXES = ["", "site/", "a/b/", "site-", "图/", "a" * 849]
REFUSED_PREFIXES = ["/", "/site/", "a//b/", "../", "a/./", "a\\", "a\udcff/", "a" * 850]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes(prefix: str) -> None:
    """A prefix may be empty, end in a slash or in the middle of a name, and leaves room for a name."""
    assert prefix_problem(prefix) is None


@pytest.mark.parametrize("prefix", REFUSED_PREFIXES, ids=ascii)
def test_prefixes_that_the_cloud_refuses(prefix: str) -> None:
    """What no key may hold, no prefix may hold."""
    assert prefix_problem(prefix) is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("cafe", "cafe", id="ASCII is its own form"),
        pytest.param("cafe\u0301", "caf\u00e9", id="two code points become one"),
        pytest.param("caf\u00e9", "caf\u00e9", id="one stays one"),
        pytest.param("\u1112\u1161\u11ab", "\ud55c", id="the parts of a Korean syllable meet"),
        pytest.param("\u212b", "\u00c5", id="the sign for Ångström is the letter"),
        pytest.param("\u6f22\udcff", "\u6f22\udcff", id="bytes that are no UTF-8 stay what they are"),
    ],
)
def test_the_composed_form(name: str, expected: str) -> None:
    """Names that look the same meet in one key."""
    assert normal(name) == expected


PARTS = st.lists(
    st.sampled_from([".", "..", "", "a", "\u00e9", "e\u0301", "\\", "\x1a", "图" * 100, "b" * 200]) | st.text()
)


@given(PARTS)
def test_what_is_accepted_keeps_every_rule(parts: list[str]) -> None:
    """Whatever comes in: an accepted key is NFC, short enough, and has no part that the service would change."""
    key = normal("/".join(parts))

    if key_problem(key) is not None:
        return

    assert unicodedata.is_normalized("NFC", key)
    assert 0 < len(key.encode()) <= MAX_KEY_BYTES
    assert not set(key) & {"\\", "\x18", "\x19", "\x1a", "\x1b"}
    assert not set(key.split("/")) & {"", ".", ".."}
    assert "${filename}" not in key


@given(st.text())
def test_composing_twice_changes_nothing(name: str) -> None:
    """A path that was composed is an identity."""
    assert normal(normal(name)) == normal(name)
