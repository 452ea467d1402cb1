"""config.example.yaml is true: it loads, it names every option with its default, and none that does not exist."""

from __future__ import annotations

import dataclasses
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tcbsync.config.load import load
from tcbsync.config.schema import (
    Config,
    CredentialsConfig,
    GuardConfig,
    HeartbeatConfig,
    MirrorConfig,
    NotifyConfig,
    ServiceConfig,
    WebConfig,
    WebhookConfig,
)

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"
SECTIONS = {
    "service": ServiceConfig,
    "credentials": CredentialsConfig,
    "web": WebConfig,
    "notify": NotifyConfig,
    "mirrors": MirrorConfig,
}
GROUPS = {"webhooks": WebhookConfig, "heartbeat": HeartbeatConfig}
"""What may be within `notify`: an option of each is on a line of its own, commented out, and further in."""
INNER = re.compile(r"^  #   (?:- |  )?(?P<name>[a-z_]+): (?P<value>.*?)  +# (?P<meaning>.+)$")
OPTION = re.compile(r"^(?P<indent> +)(?P<mark>- |# )?(?P<name>[a-z_]+): (?P<value>.*?)(  +# (?P<meaning>.+))?$")


def said() -> dict[str, dict[str, tuple[Any, bool]]]:
    """Read the example's options, those that are commented out too: section → option → (value, is it commented out)."""
    found: dict[str, dict[str, tuple[Any, bool]]] = {section: {} for section in SECTIONS}
    section = ""
    for line in EXAMPLE.read_text("utf-8").splitlines():
        if top := re.match(r"([a-z_]+):", line):
            section = top[1]
        elif (option := OPTION.match(line)) and section in found:
            value = re.split(r"  +# ", option["value"])[0]
            found[section][option["name"]] = (yaml.safe_load(value), option["mark"] == "# ")
    return found


def plain(value: Any) -> Any:
    """Give a value as YAML would hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value) if isinstance(value, tuple) else value


def defaults(schema: type) -> dict[str, Any]:
    """Give the options that have a default, with it."""
    found = {}
    for option in dataclasses.fields(schema):
        if option.default is not dataclasses.MISSING:
            found[option.name] = plain(option.default)
        elif option.default_factory is not dataclasses.MISSING:
            found[option.name] = plain(option.default_factory())
    return found


def within(group: str) -> dict[str, Any]:
    """Read the options of a group of `notify`, with the values that are shown."""
    (lines,) = re.findall(rf"^  # {group}:.*\n((?:  #   .*\n)+)", EXAMPLE.read_text("utf-8"), re.MULTILINE)
    options = [INNER.match(line) for line in lines.splitlines()]
    return {option["name"]: yaml.safe_load(option["value"]) for option in options if option}


@pytest.mark.parametrize("group", GROUPS)
def test_the_groups_of_notify_show_their_defaults(group: str) -> None:
    """A webhook and the heartbeat are described option by option, each with its meaning and its default."""
    shown = within(group)

    assert shown == defaults(GROUPS[group])


def test_it_loads() -> None:
    """The example is a right configuration as it stands."""
    config = load(EXAMPLE)

    assert isinstance(config, Config)
    assert [mirror.name for mirror in config.mirrors] == ["site"]


@pytest.mark.parametrize("section", SECTIONS)
def test_it_names_every_option_and_no_other(section: str) -> None:
    """What the schema has, the example names; what the example names, the schema has."""
    options = {option.name for option in dataclasses.fields(SECTIONS[section])}

    named = set(said()[section])

    assert named == options


def test_it_names_every_part() -> None:
    """The keys at the top are those of the schema."""
    named = yaml.safe_load(EXAMPLE.read_text("utf-8")).keys()

    assert set(named) == {option.name for option in dataclasses.fields(Config)}


EXAMPLES = {"secret_file": "${CREDENTIALS_DIRECTORY}/secret"}
"""Commented out to show what one may look like, since the default is to have none."""


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_commented_out_is_the_default(section: str) -> None:
    """Taking the # away changes nothing: a commented option shows the default of the schema."""
    expected = defaults(SECTIONS[section]) | EXAMPLES

    shown = {name: value for name, (value, is_comment) in said()[section].items() if is_comment}

    assert shown
    assert shown == {name: expected[name] for name in shown}


def test_the_guard_shows_its_defaults() -> None:
    """The one group within a mirror is written out, with the limits that it has anyway."""
    (guard, _) = said()["mirrors"]["guard"]

    assert guard == defaults(GuardConfig)


def test_every_option_has_a_meaning() -> None:
    """Each option has a comment beside it, or one above it."""
    lines = ["", *EXAMPLE.read_text("utf-8").splitlines()]
    options = [(above, option) for above, line in pairwise(lines) if (option := OPTION.match(line))]

    bare = [
        option["name"]
        for above, option in options
        if not option["meaning"] and (OPTION.match(above) or not above.lstrip().startswith("# "))
    ]

    assert len(options) > 30
    assert bare == []
