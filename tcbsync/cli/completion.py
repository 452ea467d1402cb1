"""`completion SHELL`: what TAB offers, as a script made from the parser, in which a new verb or option is by itself.

The rule: a TAB starts no Python (that takes a fifth of a second). Verbs and options are written into the script, and
mirrors' names are read from the configuration by the shell. The refusal: no value is guessed that has no fixed set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tcbsync.cli import exits, shells
from tcbsync.cli.common import Verbs, declare

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["", "file", "mirror"]
"""What stands behind an option, or in the place of a word: nothing that is known, a path, a mirror's name."""

FILES = ("FILE", "DIR", "CONFIG", "PATH")
"""Names of values that are paths."""
MIRRORS = ("MIRROR", "NAME")


class Option(NamedTuple):
    """An option. `names`: all its spellings."""

    names: tuple[str, ...]
    takes_value: bool
    kind: Kind
    words: tuple[str, ...]
    text: str


class Verb(NamedTuple):
    """A verb, or a part of one: `manifest export`."""

    name: str
    text: str
    options: tuple[Option, ...]
    kind: Kind
    """Of the words behind it."""
    words: tuple[str, ...]
    """What these may be, where that is a fixed set: the parts of the verb, or choices."""


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    verb = declare(
        verbs,
        "completion",
        lambda options: _completion(options, verbs.choices),
        "Print a script by which TAB completes tcbsync's verbs, options, mirrors and paths. For bash put"
        " `source <(tcbsync completion bash)` into ~/.bashrc, for zsh the same with zsh into ~/.zshrc behind compinit,"
        " for fish save it as ~/.config/fish/completions/tcbsync.fish.",
        needs_config=False,
    )
    verb.add_argument("shell", metavar="SHELL", choices=sorted(shells.WRITERS), help="bash, fish or zsh")


def _completion(options: argparse.Namespace, choices: dict[str, argparse.ArgumentParser]) -> int:
    verbs = [described for name, parser in choices.items() for described in describe(name, parser)]
    print(shells.WRITERS[options.shell](verbs), end="")
    return exits.DONE


def describe(name: str, parser: argparse.ArgumentParser) -> Iterator[Verb]:
    """Describe a verb, and then its parts."""
    text = (parser.description or "").split(". ", maxsplit=1)[0].rstrip(".")
    options: list[Option] = []
    kind: Kind = ""
    words: tuple[str, ...] = ()
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be asked
        if action.option_strings:
            options.append(_option(action))
        elif isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            words = tuple(action.choices)
        else:
            kind, words = _kind(action), tuple(map(str, action.choices or ()))
    yield Verb(name, text, tuple(options), kind, words)
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for part, below in action.choices.items():
                yield from describe(f"{name} {part}", below)


def _option(action: argparse.Action) -> Option:
    takes_value = action.nargs != 0
    words = tuple(map(str, action.choices or ()))
    text = (action.help or "").split("; ", maxsplit=1)[0]
    return Option(tuple(action.option_strings), takes_value, _kind(action) if takes_value else "", words, text)


def _kind(action: argparse.Action) -> Kind:
    if action.type is Path or action.metavar in FILES:
        return "file"
    return "mirror" if action.metavar in MIRRORS else ""
