"""What the tests of `check` share: its points as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cli.stage import Result, Stage


def points(result: Result) -> dict[str, dict[str, Any]]:
    """Give the points of `--json` by what was checked."""
    return {point["what"]: point for point in result.json}


def wrong(stage: Stage, what: str, *arguments: str) -> tuple[int, str, str]:
    """Check: only `what` is wrong. Gives the exit code, what was found, and the advice."""
    result = stage.run("check", "--json", *arguments)
    found = {name: point for name, point in points(result).items() if not point["is_right"]}
    assert list(found) == [what], found
    assert found[what]["code"] == result.code
    return result.code, found[what]["found"], found[what]["advice"]
