"""Which changes are made to a module, and what is left alone."""

from __future__ import annotations

import pytest

from tests.mutation.mutants import mutants

CHANGED = [
    ("a < b", {"(a <= b)"}),
    ("a < b <= c", {"(a <= b <= c)", "(a < b < c)"}),
    ("a and b", {"(a or b)", "a", "b"}),
    ("not a", {"(a)"}),
    ("a + 1", {"(a - 1)", "2"}),
    ("f(a, b, c=0)", {"f(b, a, c=0)", "f(a, b)", "1"}),
    ("min(a, b)", {"max(a, b)"}),
    ("a if b else c", {"(a)", "(c)", "(not (b))"}),
    ("True", {"False"}),
    ("'é', \"x\"", {"''"}),
]


@pytest.mark.parametrize(("text", "expected"), CHANGED)
def test_changes_of_an_expression(text: str, expected: set[str]) -> None:
    """Comparisons, conditions, numbers, arguments: each on its own, and the rest of the source stays as it is."""
    source = f"é = [\n    {text},\n]\n"

    made = {mutant.after for mutant in mutants(source) if mutant.line == 2}

    assert made == expected
    assert all(mutant.source.startswith("é = [\n    ") for mutant in mutants(source) if mutant.line == 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return a", {"return None"}),
        ("call()", {"pass"}),
        ("self.a = b", {"pass"}),
        ("a = b", {"a = None"}),
        ("a += b", {"pass"}),
        ("raise a", {"pass"}),
        ("del a", {"pass"}),
        ("if a: return", {"(not (a))"}),
    ],
)
def test_changes_of_a_statement(text: str, expected: set[str]) -> None:
    """It is left out, or gives nothing."""
    assert {mutant.after for mutant in mutants(f"def f():\n    {text}\n")} == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Docstring."""',
        "import a",
        "assert a == 1, 'why'",
        "log.warning('%s', 1)",
        "T = TypeVar('T')",
        "@decorated(1)\ndef f(a: 'int') -> 'str': ...",
        "def __repr__(self):\n    return 'x' + y",
        "if TYPE_CHECKING:\n    a = 1",
    ],
)
def test_what_no_test_has_to_notice(source: str) -> None:
    """What is for readers, for mypy, for the log."""
    assert list(mutants(source)) == []


def test_words_of_sql() -> None:
    """A condition, a bound, a value."""
    source = 'a = """SELECT min(b) FROM c WHERE d = 1 AND e < 2"""\n'

    made = {(mutant.before, mutant.after) for mutant in mutants(source)}

    assert {("min(", "max("), ("=", "<>"), ("= 1", "= 0"), ("AND", "OR"), ("<", "<=")} <= made
