"""Takes fields out of a JSON body: missing is 40101, of a wrong type is 40097.

Rule (API docs, error codes of the storage calls): 40101 is a missing required field, 40097 a wrong argument.
Refusal: no defaults and no conversions: "7200" is not 7200, and True is no number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync.emulator.replies import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcbsync.emulator.settings import Behaviours


def text(document: Mapping[str, Any], name: str, missing: int = 40101) -> str:
    """Take a string; `missing` is the errcode if it is not there."""
    value = _value(document, name, missing)
    if not isinstance(value, str):
        raise ApiError(40097, f"invalid args: {name} is not a string")
    return value


def number(document: Mapping[str, Any], name: str, default: int | None, between: tuple[int, int]) -> int:
    """Take a whole number within bounds; `default` None means that it is required."""
    value = document.get(name, default)
    if value is None:
        value = _value(document, name, 40101)
    least, most = between
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ApiError(40097, f"invalid args: {name} is not a number of {least} to {most}")
    return value


def batch(document: Mapping[str, Any], name: str, kind: type, behaviours: Behaviours) -> list[Any]:
    """Take a list of 1 to 50 values of one kind."""
    value = _value(document, name, 40101)
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise ApiError(40097, f"invalid args: {name} is not a list of what it should hold")
    if not value:
        raise ApiError(behaviours.empty_batch_errcode, f"invalid args: {name} is empty")
    if len(value) > behaviours.batch_cap:
        raise ApiError(behaviours.over_cap_errcode, f"invalid args: {name} holds more than {behaviours.batch_cap}")
    return value


def _value(document: Mapping[str, Any], name: str, missing: int) -> Any:
    value = document.get(name)
    if value is None:
        raise ApiError(missing, f"missing parameter: {name}" if missing == 40101 else "")
    return value
