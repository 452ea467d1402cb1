"""Fills the example configuration in: every comment of it stays, and the values are somebody's own.

The rule: there is one example, `config.example.yaml`, which lies in this package too. What is written loads.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTION = re.compile(r"^(?P<begin> *(?:- )?)(?P<off># )?(?P<name>[a-z_]+): (?P<value>.*?)(?P<rest>  +# .+)?$")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
"""Texts that YAML takes for something else."""
SOURCES = ("credentials.secret_env", "credentials.secret_file", "credentials.secret")


def filled(values: Mapping[str, str]) -> str:
    """Put values (`credentials.appid`, `mirrors.root`) into the example, each in its place.

    A source of the secret that is not among them is commented out, and of the example's own ignore rules none is taken.
    """
    section, lines = "", []
    for line in resources.files("tcbsync.config").joinpath("example.yaml").read_text("utf-8").splitlines():
        option = OPTION.match(line)
        if top := re.match(r"([a-z_]+):", line):
            section = top[1]
        if option is None:
            lines.append(line)
            continue
        key = option["name"] if option["name"] == section else f"{section}.{option['name']}"
        lines.append(_line(option, key, values))
    return "\n".join([*lines, ""])


def _line(option: re.Match[str], key: str, values: Mapping[str, str]) -> str:
    if key in values:
        return _written(option, _quoted(values[key]))
    if key == "mirrors.ignore":
        return _written(option, "[]")
    if key in SOURCES and not option["off"]:
        return f"{option['begin']}# {option['name']}: {option['value']}{option['rest'] or ''}"
    return option[0]


def _written(option: re.Match[str], value: str) -> str:
    """Write an option with another value, with what is said about it where that was."""
    line, rest = f"{option['begin']}{option['name']}: {value}", option["rest"] or ""
    place = len(option[0]) - len(rest) + len(rest) - len(rest.lstrip())
    return f"{line.ljust(place - 2)}  {rest.lstrip()}" if rest else line


def _quoted(text: str) -> str:
    """Write a text so that YAML reads that text: as it stands where nobody could take it for more, or in quotes."""
    is_plain = re.fullmatch(r"[A-Za-z/$][A-Za-z0-9_./${}-]*", text) and text.lower() not in WORDS
    return text if is_plain else json.dumps(text, ensure_ascii=False)
