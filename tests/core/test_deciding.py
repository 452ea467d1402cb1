"""Which rule decides: the same answer as `Rules` gives, and where it stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.ignore import Deciding, Rules, deciding

NAMES = st.sampled_from(["a", "b", "a.x", "b.y"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
LINES = st.sampled_from(["a", "b/", "*.x", "!a.x", "/a/b", "!*", "!*/", "a/**", "**/b.y", "# a", "", "[", "a/b/"])
LAYERS = st.lists(st.lists(LINES, max_size=4), max_size=3)


@given(layers=LAYERS, path=PATHS, is_directory=st.booleans())
def test_it_agrees_with_the_rules(layers: list[list[str]], path: str, *, is_directory: bool) -> None:
    """A path is ignored, itself or with a directory above it, exactly if some rule is named."""
    rules = Rules(*layers)

    found = deciding(layers, path, is_directory=is_directory)

    is_ignored = rules.ignores_below(path) or rules.ignores(path, is_directory=is_directory)
    assert (found is not None) == (is_ignored and path != ".tcbignore")


def test_the_last_rule_that_matches() -> None:
    """By its layer, its line and its text, with the directory that it ignores."""
    layers = [["*.x"], ["# mine", "!a.x", "deep/"], ["*.x"]]

    assert deciding(layers, "a.x") == Deciding(2, 1, "*.x", "a.x")
    assert deciding(layers[:2], "a.x") is None
    assert deciding(layers[:2], "b.x") == Deciding(0, 1, "*.x", "b.x")
    assert deciding(layers, "deep/in/a.y") == Deciding(1, 3, "deep/", "deep")
    assert deciding(layers, "deep") is None
    assert deciding(layers, "deep", is_directory=True) == Deciding(1, 3, "deep/", "deep")
