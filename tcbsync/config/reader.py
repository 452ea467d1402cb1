"""YAML nodes become frozen dataclasses. Collects mistakes, each with its line and key, and never stops at the first.

Knows the types that a schema may use, and nothing of what the options mean. The only module that imports yaml.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = TypeVar("Schema")

WRONG: Any = object()
"""Stands, in what is built, for a required value that was wrong or missing; the mistake is noted, and the whole is
refused in the end. A wrong value of an option that has a default is replaced by that."""

NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


class Mistakes:
    """What is wrong with a file: sentences with line and key, in the order of the lines."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[tuple[int, str]] = []
        self.lines: dict[str, int] = {}
        """Key (`mirrors[0].root`) → line, for checks that come later."""

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, key: str, what: str) -> None:
        """Note a mistake at a key that was read, or at the nearest one above it."""
        known = key
        while known and known not in self.lines:
            known = known.rpartition(".")[0]
        line = self.lines.get(known, 1)
        self._found.append((line, f"{self._file}:{line}: {key}: {what}" if key else f"{self._file}:{line}: {what}"))

    def sentences(self) -> tuple[str, ...]:
        """Give them all."""
        return tuple(sentence for _, sentence in sorted(self._found))


def compose(text: str, mistakes: Mistakes) -> yaml.Node | None:
    """Parse YAML into nodes that know their lines; None, with a mistake noted, where it is no YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.lines[""] = mark.line + 1 if mark else 1
        mistakes.add("", f"not valid YAML: {error.problem}")
        return None
    except yaml.YAMLError as error:
        mistakes.add("", f"not valid YAML: {error}")
        return None
    if node is None:
        mistakes.add("", "the file is empty")
    return node


def read(node: yaml.Node, kind: Any, key: str, mistakes: Mistakes) -> Any:
    """Turn a node into a value of the type `kind`, or into WRONG."""
    mistakes.lines[key] = node.start_mark.line + 1
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if types.NoneType in options:
        if node.tag == "tag:yaml.org,2002:null":
            return None
        (kind,) = (option for option in options if option is not types.NoneType)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_mapping(node, kind, key, mistakes)
    if get_origin(kind) is tuple:
        return _read_list(node, get_args(kind)[0], key, mistakes)
    return _read_scalar(node, kind, key, mistakes)


def _read_mapping(node: yaml.Node, kind: type[Schema], key: str, mistakes: Mistakes) -> Schema:
    if not isinstance(node, yaml.MappingNode):
        mistakes.add(key, "must be a mapping of keys to values")
        return WRONG  # type: ignore[no-any-return]
    hints = get_type_hints(kind)
    fields = {option.name: option for option in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        name = str(name_node.value)
        inner = f"{key}.{name}" if key else name
        mistakes.lines[inner] = name_node.start_mark.line + 1
        if name not in fields:
            mistakes.add(inner, "unknown key" + _suggestion(name, fields))
        elif name in values:
            mistakes.add(inner, "is there twice")
        else:
            values[name] = read(value_node, hints[name], inner, mistakes)
            _check_bounds(values[name], fields[name].metadata, inner, mistakes)
    for name, option in fields.items():
        is_required = option.default is dataclasses.MISSING and option.default_factory is dataclasses.MISSING
        if is_required and name not in values:
            mistakes.add(f"{key}.{name}" if key else name, "is missing")
            values[name] = WRONG
        elif not is_required and values.get(name) is WRONG:
            del values[name]
    return kind(**values)


def is_whole(value: Any) -> bool:
    """Whether a value, and every field of it, could be read."""
    return value is not WRONG and all(getattr(value, field.name) is not WRONG for field in dataclasses.fields(value))


def _suggestion(name: str, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(fields)}"


def _check_bounds(value: Any, bounds: Mapping[str, float], key: str, mistakes: Mistakes) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < bounds.get("min", value):
            mistakes.add(key, f"must be at least {bounds['min']:g}")
        if value > bounds.get("max", value):
            mistakes.add(key, f"must be at most {bounds['max']:g}")


def _read_list(node: yaml.Node, kind: Any, key: str, mistakes: Mistakes) -> Any:
    if not isinstance(node, yaml.SequenceNode):
        mistakes.add(key, "must be a list")
        return WRONG
    return tuple(read(item, kind, f"{key}[{index}]", mistakes) for index, item in enumerate(node.value))


def _read_scalar(node: yaml.Node, kind: Any, key: str, mistakes: Mistakes) -> Any:
    value = yaml.SafeLoader("").construct_object(node) if isinstance(node, yaml.ScalarNode) else WRONG
    if get_origin(kind) is Literal:
        is_right, wanted = value in get_args(kind), f"one of {', '.join(get_args(kind))}"
    else:
        if kind is float and type(value) is int:
            value = float(value)
        is_right, wanted = type(value) is (str if kind is Path else kind), NAMES[kind]
    if is_right:
        return Path(value) if kind is Path else value
    mistakes.add(key, f"must be {wanted}")
    return WRONG
