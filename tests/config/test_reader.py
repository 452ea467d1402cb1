"""What is wrong with the form of a configuration: YAML, keys, types, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.writing import MIRROR, RIGHT, changed, check, mistakes_of, write

if TYPE_CHECKING:
    from pathlib import Path

MIRRORS = RIGHT[RIGHT.index("mirrors:") :]

KEYS = {
    "near": ("state_dir:", "state_dri:", "1: state_dir: is missing", "1: state_dri: unknown key; did you mean"),
    "far": ("uploads: 8", "zebra: 8", "3: service.zebra: unknown key; known are api_base, uploads, "),
    "in a list": ("env: test-env", "evn: test-env", "8: mirrors[0].env: is missing", "10: mirrors[0].evn: unknown"),
    "missing at the top": ("state_dir: /var/lib/tcbsync-test\n", "", "1: state_dir: is missing"),
    "missing in a mirror": ("    env: test-env\n", "", "8: mirrors[0].env: is missing"),
    "no mirrors": (MIRRORS, "", "1: mirrors: is missing"),
    "twice": ("  uploads: 8", "  uploads: 8\n  uploads: 9", "4: service.uploads: is there twice"),
    "section twice": ("mirrors:", "service: {}\nmirrors:", "7: service: is there twice"),
    "no text": ("  uploads: 8", "  ? [a, b]\n  : 8", "3: service.?: unknown key; known are "),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_each_key_is_known_and_there_once(tmp_path: Path, name: str) -> None:
    """A key that is unknown, missing or twice there is named with its line, and with the one that was meant."""
    old, new, *expected = KEYS[name]

    check(tmp_path, changed(old, new), *expected)


QUOTED = "must be text (in quotes, YAML takes it for text)"

TYPES = {
    "text for a number": ("uploads: 8", "uploads: many", "3: service.uploads: must be a whole number"),
    "fraction for a whole number": ("uploads: 8", "uploads: 8.5", "3: service.uploads: must be a whole number"),
    "true for a number": ("uploads: 8", "uploads: true", "3: service.uploads: must be a whole number"),
    "null for a number": ("uploads: 8", "uploads:", "3: service.uploads: must be a whole number"),
    "not a number": ("uploads: 8", "retry_seconds: .nan", "3: service.retry_seconds: must be a number"),
    "infinite": ("uploads: 8", "retry_seconds: .inf", "3: service.retry_seconds: must be a number"),
    "huge": ("uploads: 8", f"retry_seconds: 1{'0' * 400}", "3: service.retry_seconds: must be a number"),
    "number for text": ("env: test-env", "env: 12", f"10: mirrors[0].env: {QUOTED}"),
    "date for text": ("env: test-env", "env: 2024-01-31", f"10: mirrors[0].env: {QUOTED}"),
    "date that is none": ("env: test-env", "env: 2024-13-45", "10: mirrors[0].env: must be text"),
    "unknown tag": ("env: test-env", "env: !huh test", "10: mirrors[0].env: must be text"),
    "list for text": ("env: test-env", "env: [a]", "10: mirrors[0].env: must be text"),
    "NUL in a path": ("root: /srv/tcbsync-test/site", 'root: "/srv/\\0"', "9: mirrors[0].root: must be a path"),
    "half a character": ("env: test-env", 'env: "\\uD800"', "10: mirrors[0].env: must be text"),
    "text for true": ("secret_env: SECRET", "no_token: perhaps", "4: credentials: ", "6: credentials.no_token: must"),
    "text for a list": ("prefix: site/", "ignore: '*.psd'", "11: mirrors[0].ignore: must be a list"),
    "number in a list": ("prefix: site/", "ignore: [a, 1]", f"11: mirrors[0].ignore[1]: {QUOTED}"),
    "list for a mapping": ("service:\n  uploads: 8", "service: [a]", "2: service: must be a mapping of keys to values"),
    "mapping for a list": (MIRRORS, "mirrors: {name: site}\n", "7: mirrors: must be a list"),
    "mirror that is none": ("  - name: site", "  - site\n  - name: site", "8: mirrors[0]: must be a mapping"),
    "none of the words": ("prefix: site/", "delete: always", "11: mirrors[0].delete: must be one of mirror, never"),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_each_value_is_of_its_type(tmp_path: Path, name: str) -> None:
    """A value of another type is named with its line, with the type that is wanted, and without the value."""
    old, new, *expected = TYPES[name]

    check(tmp_path, changed(old, new), *expected)


BOUNDS = {
    "too few": ("uploads: 8", "uploads: 0", "3: service.uploads: must be at least 1"),
    "no time": ("uploads: 8", "connect_seconds: 0", "3: service.connect_seconds: must be at least 0.001"),
    "negative": ("prefix: site/", "guard: {max_deletes: -1}", "11: mirrors[0].guard.max_deletes: must be at least 0"),
    "over a hundred per cent": (
        "prefix: site/",
        "guard: {max_delete_percent: 101}",
        "11: mirrors[0].guard.max_delete_percent: must be at most 100",
    ),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_each_number_is_within_its_bounds(tmp_path: Path, name: str) -> None:
    """A number out of bounds is named with its line and the bound."""
    old, new, *expected = BOUNDS[name]

    check(tmp_path, changed(old, new), *expected)


NO_MAPPING = {
    "an unclosed bracket": ("state_dir: [\n\nmirrors: a", "3: not valid YAML: "),
    "a tab": ("state_dir: a\nservice:\n\tuploads: 1", "3: not valid YAML: "),
    "two documents": ("state_dir: a\n---\nstate_dir: b", "2: not valid YAML: but found another document"),
    "an anchor that is not there": ("state_dir: *a_long_secret", "1: not valid YAML: found undefined alias '...'"),
    "a control character": ("state_dir: a\nservice: \x07", "2: not valid YAML: the character #x0007 cannot stand in"),
    "too deep": ("[" * 1000, "1: not valid YAML: it is nested too deeply"),
    "nothing": ("", "1: the file is empty"),
    "comments only": ("# state_dir: a\n\n", "1: the file is empty"),
    "a list": ("- state_dir: a\n- mirrors: []", "1: must be a mapping of keys to values"),
    "a word": ("state_dir", "1: must be a mapping of keys to values"),
}


@pytest.mark.parametrize("name", NO_MAPPING)
def test_what_is_no_mapping_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    """A file that is no YAML, or no mapping, is one mistake at the line where that shows."""
    text, expected = NO_MAPPING[name]

    check(tmp_path, text, expected)


def test_all_mistakes_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    """Whoever has made mistakes in five places reads of them all, from the top to the bottom."""
    text = RIGHT.replace("uploads: 8", "uploads: 0").replace("secret_env: SECRET", "secret_evn: S")
    text = text.replace("state_dir: /var/lib/tcbsync-test", "state_dri: /s").replace("env: test-env", "env: ''")
    path = write(tmp_path, text + MIRROR.replace("name: other", "name: site"))

    lines = [int(mistake.partition(":")[0]) for mistake in mistakes_of(path)]

    assert lines == [1, 1, 3, 4, 6, 10, 12]


def test_bytes_that_are_no_utf8_are_a_mistake_with_its_line(tmp_path: Path) -> None:
    """A file in another encoding is refused at the line of the first byte that is not UTF-8."""
    path = tmp_path / "config.yaml"
    path.write_bytes(b"state_dir: /var\n# gr\xfc\xdfe\n")

    found = mistakes_of(path)

    assert found == ["2: not UTF-8: invalid start byte (byte 0xfc)"]
