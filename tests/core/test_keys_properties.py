"""What is accepted as a key is what the service takes, byte for byte: judged by the emulator, which shares no code."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tcbsync.core.keys import MAX_KEY_BYTES, key_problem, normal, prefix_problem
from tcbsync.core.model import join
from tcbsync.emulator.names import file_id, key_fault, parse_file_id, parse_url_path, url_path

ENV, NUMBER = "test2-4a89da", "1258717764"
PIECES = st.sampled_from(
    ["a", "/", "//", ".", "..", "\\", "$", "{filename}", "${filename}", "\x17", "\x18", "\x1b", "\x1c"]
)
WIDE = st.sampled_from(
    ["é", "e\u0301", "图", "😀", "\udcff", "\ud83d", "%41", "%", "?", "#", "+", " ", "\x00", "\x7f", "\n"]
)
KEYS = st.lists(PIECES | WIDE | st.text(max_size=3), max_size=12).map("".join)
WIDTHS = {1: "a", 2: "é", 3: "图", 4: "😀"}


class Absent(Exception):
    """The address is none."""


@given(KEYS)
def test_what_is_accepted_is_taken(key: str) -> None:
    """No key that we would send is refused by the service's naming rules."""
    if key_problem(key) is None:
        assert key_fault(key) == ""


@given(KEYS)
def test_what_is_taken_is_refused_only_for_our_own_reasons(key: str) -> None:
    """Steps, backslashes, a slash at the end, and a name that COS would replace: everything else may go."""
    if key_fault(key) or key_problem(key) is None:
        return

    is_step = {".", ".."} & set(key.split("/"))
    assert is_step or "\\" in key or key.endswith("/") or "${filename}" in key


@given(KEYS)
@example("%2F/a?b#c")
def test_what_is_accepted_survives_the_way_there_and_back(key: str) -> None:
    """The id of the object and its address lead to the same name again."""
    if key_problem(key) is not None:
        return

    parsed = parse_file_id(file_id(ENV, NUMBER, key))
    address = url_path("bucket", key, is_unescaped=False)

    assert parsed is not None
    assert (parsed.env, parsed.key) == (ENV, key)
    assert parse_url_path(address[1:], Absent) == ("bucket", key)


@given(st.lists(st.sampled_from(sorted(WIDTHS)), max_size=12), st.integers(MAX_KEY_BYTES - 5, MAX_KEY_BYTES + 5))
def test_the_limit_counts_bytes_between_code_points(widths: list[int], size: int) -> None:
    """850 bytes are taken and 851 are not, whichever characters they make up."""
    end = "".join(WIDTHS[width] for width in widths)
    key = "b" * (size - len(end.encode())) + end

    assert len(key.encode()) == size
    assert (key_problem(key) is None) == (key_fault(key) == "") == (size <= MAX_KEY_BYTES)


@given(st.text(max_size=8) | st.text("/ab.é", max_size=8), st.text("ab.é", min_size=1, max_size=8))
def test_a_prefix_that_is_taken_goes_before_every_name(prefix: str, name: str) -> None:
    """Whatever the mirror holds that the cloud would take by itself, it takes behind the prefix."""
    if prefix_problem(prefix) or key_problem(name):
        return

    for path in (name, join("a", name)):
        assert key_problem(prefix + path) is None


@given(KEYS)
def test_composing_makes_no_bad_name_of_a_good_one(key: str) -> None:
    """A name that is taken is taken in its composed form, too, unless that is so much longer."""
    if key_problem(key) is None and len(normal(key).encode()) <= MAX_KEY_BYTES:
        assert key_problem(normal(key)) is None
