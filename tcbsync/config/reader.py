"""YAML nodes become frozen dataclasses. Collects mistakes, each with its line and key, and never stops at the first.

Knows the types that a schema may use, and nothing of what the options mean. The only module that imports yaml.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = TypeVar("Schema")

WRONG: Any = object()
"""Stands, in what is built, for a required value that was wrong or missing; the mistake is noted, and the whole is
refused in the end. A wrong value of an option that has a default is replaced by that."""

NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}

ADDRESS = re.compile("[/?=]")
"""No key has one of these. A webhook's address that stands where a key should has, and is a secret."""
NULL, MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"


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
    line = 1
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # What stands in quotes may be a secret: YAML takes an unquoted one that begins with * for an alias.
        problem = re.sub(r"'.{4,}'", "'...'", error.problem or "")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"the character #x{error.character:04x} cannot stand in YAML"
    except RecursionError:
        problem = "it is nested too deeply"
    else:
        if node is None:
            mistakes.add("", "the file is empty")
        return node
    mistakes.lines[""] = line
    mistakes.add("", f"not valid YAML: {problem}")
    return None


def read(node: yaml.Node, kind: Any, key: str, mistakes: Mistakes) -> Any:
    """Turn a node into a value of the type `kind`, or into WRONG."""
    mistakes.lines.setdefault(key, node.start_mark.line + 1)
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    if types.NoneType in options and node.tag == NULL:
        return None
    for option in options:
        if get_origin(option) is Mapping and isinstance(node, yaml.MappingNode):
            return _read_table(node, get_args(option)[1], key, mistakes)
    (kind,) = (option for option in options if option is not types.NoneType and get_origin(option) is not Mapping)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _read_mapping(node, kind, key, mistakes)
    if get_origin(kind) is tuple:
        return _read_list(node, get_args(kind)[0], key, mistakes)
    return _read_scalar(node, kind, key, mistakes)


def _read_mapping(node: yaml.Node, kind: type[Schema], key: str, mistakes: Mistakes) -> Schema:
    if not isinstance(node, yaml.MappingNode) and node.tag != NULL:  # a section that is empty has every default
        mistakes.add(key, "must be a mapping of keys to values")
        return WRONG  # type: ignore[no-any-return]
    fields = {option.name: option for option in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = _read_values(node, kind, key, mistakes)
    for name, option in fields.items():
        is_required = option.default is dataclasses.MISSING and option.default_factory is dataclasses.MISSING
        if is_required and name not in values:
            mistakes.add(f"{key}.{name}" if key else name, "is missing")
            values[name] = WRONG
        elif not is_required and values.get(name) is WRONG:
            del values[name]
    return kind(**values)


def _read_values(node: yaml.Node, kind: type, key: str, mistakes: Mistakes) -> dict[str, Any]:
    hints = get_type_hints(kind)
    fields = {option.name: option.metadata for option in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for mapping in _lineage(node):
        for name_node, value_node in mapping.value:
            name = name_node.value if isinstance(name_node, yaml.ScalarNode) else "?"
            told = "?" if name not in fields and ADDRESS.search(name) else name
            inner = f"{key}.{told}" if key else told
            if name_node.tag == MERGE or (mapping is not node and name in values):
                continue
            mistakes.lines[inner] = name_node.start_mark.line + 1
            if name not in fields:
                mistakes.add(inner, "unknown key" + _suggestion(name, fields))
            elif name in values:
                mistakes.add(inner, "is there twice")
            else:
                values[name] = read(value_node, hints[name], inner, mistakes)
                _check_bounds(values[name], fields[name], inner, mistakes)
    return values


def _lineage(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Give a mapping, and those that `<<` merges into it, the nearest first."""
    waiting, seen = [node], set()
    while waiting:
        mapping = waiting.pop(0)
        if isinstance(mapping, yaml.MappingNode) and id(mapping) not in seen:
            seen.add(id(mapping))
            yield mapping
            bases = [value for name, value in mapping.value if name.tag == MERGE]
            waiting = [base for each in bases for base in _listed(each)] + waiting


def _listed(node: yaml.Node) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else [node]


def is_whole(value: Any) -> bool:
    """Whether a value, and every field of it, could be read."""
    return value is not WRONG and all(getattr(value, field.name) is not WRONG for field in dataclasses.fields(value))


def _suggestion(name: str, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(fields)}"


def _check_bounds(value: Any, bounds: Mapping[str, float], key: str, mistakes: Mistakes) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            _check_bounds(each, bounds, f"{key}.{name}", mistakes)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < bounds.get("min", value):
            mistakes.add(key, f"must be at least {bounds['min']:g}")
        if value > bounds.get("max", value):
            mistakes.add(key, f"must be at most {bounds['max']:g}")


def _read_table(node: yaml.MappingNode, kind: Any, key: str, mistakes: Mistakes) -> dict[str, Any]:
    """Read a mapping whose keys are the operator's own. They are texts as they stand: YAML takes 19:00 for 1140."""
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        name = name_node.value if isinstance(name_node, yaml.ScalarNode) else "?"
        inner = f"{key}.{name}"
        mistakes.lines[inner] = name_node.start_mark.line + 1
        if name in values:
            mistakes.add(inner, "is there twice")
        values[name] = read(value_node, kind, inner, mistakes)
    return values


def _read_list(node: yaml.Node, kind: Any, key: str, mistakes: Mistakes) -> Any:
    if not isinstance(node, yaml.SequenceNode):
        mistakes.add(key, "must be a list")
        return WRONG
    values = tuple(read(item, kind, f"{key}[{index}]", mistakes) for index, item in enumerate(node.value))
    is_complete = dataclasses.is_dataclass(kind) or WRONG not in values
    return values if is_complete else WRONG


def _read_scalar(node: yaml.Node, kind: Any, key: str, mistakes: Mistakes) -> Any:
    value = _constructed(node)
    if kind is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if get_origin(kind) is Literal:
        is_right, wanted = value in get_args(kind), f"one of {', '.join(get_args(kind))}"
    elif kind in (str, Path):
        is_right, wanted = isinstance(value, str) and _is_plain(value), NAMES[kind]
        if value is not WRONG and not isinstance(value, str):
            wanted += " (in quotes, YAML takes it for text)"
    else:
        is_right, wanted = type(value) is kind and not (kind is float and not math.isfinite(value)), NAMES[kind]
    if is_right:
        return Path(value) if kind is Path else value
    mistakes.add(key, f"must be {wanted}")
    return WRONG


def _constructed(node: yaml.Node) -> Any:
    """Give what YAML takes a scalar for; WRONG where it is none, or has a tag or a value that YAML does not know."""
    if not isinstance(node, yaml.ScalarNode):
        return WRONG
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):
        return WRONG


def _is_plain(text: str) -> bool:
    """Whether a text can be a name or a path: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
