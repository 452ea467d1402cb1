"""Loads a configuration, and refuses it with every mistake at once. What the options mean together is checked here."""

from __future__ import annotations

import os
import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.config.reader import WRONG, Mistakes, compose, is_whole, read
from tcbsync.config.schema import Config
from tcbsync.core.errors import ConfigError
from tcbsync.core.ignore import rule_problem
from tcbsync.core.keys import prefix_problem

if TYPE_CHECKING:
    from tcbsync.config.schema import CredentialsConfig, MirrorConfig

PLACES = (Path("config.yaml"), Path("/etc/tcbsync/config.yaml"))
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SOURCES = ("secret_env", "secret_file", "secret", "token_file", "token_command", "token_url", "no_token")


def find_config(given: Path | None) -> Path:
    """Say which file is the configuration: the one given, `$TCBSYNC_CONFIG`, or the first of PLACES that is there."""
    if given is not None:
        return given
    if named := os.environ.get("TCBSYNC_CONFIG"):
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError(
        f"no configuration: neither {' nor '.join(map(str, PLACES))} is there",
        hint="name one with -c CONFIG or $TCBSYNC_CONFIG; config.example.yaml shows every option",
    )


def load(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError with every mistake that was found."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8: {error}") from error
    mistakes = Mistakes(str(path))
    node = compose(text, mistakes)
    config = read(node, Config, "", mistakes) if node is not None else WRONG
    if isinstance(config, Config):
        _check(config, mistakes)
    if mistakes or not isinstance(config, Config):
        raise ConfigError("the configuration is wrong:", mistakes=mistakes.sentences())
    return config


def warnings(config: Config, path: Path) -> list[str]:
    """Name what works and should be mended all the same."""
    found = []
    if config.credentials.secret is not None:
        found.append(f"{path}: credentials.secret is written out; secret_file or secret_env keep it out of this file")
        if path.stat().st_mode & 0o077:
            found.append(f"{path} holds a secret and others can read it: chmod 600 {path}")
    secret_file = config.credentials.secret_file
    if secret_file and (file := Path(os.path.expandvars(secret_file))).exists() and file.stat().st_mode & 0o077:
        found.append(f"{file} holds a secret and others can read it: chmod 600 {file}")
    return found


def _check(config: Config, mistakes: Mistakes) -> None:
    if config.mirrors == ():
        mistakes.add("mirrors", "name at least one")
    if is_whole(config.service) and not re.match(r"https?://[^/?#\s]+", config.service.api_base):
        mistakes.add("service.api_base", "must be a URL that begins with https:// or http://")
    if is_whole(config.credentials):
        _check_credentials(config.credentials, mistakes)
    if config.mirrors is WRONG:
        return
    whole = [(index, mirror) for index, mirror in enumerate(config.mirrors) if is_whole(mirror)]
    for index, mirror in whole:
        _check_mirror(mirror, f"mirrors[{index}]", mistakes)
        if config.state_dir is not WRONG and _is_within(config.state_dir, mirror.root):
            mistakes.add("state_dir", f"must not be inside the root of mirror {mirror.name}")
    for (_, one), (index, other) in combinations(whole, 2):
        _check_pair(one, other, f"mirrors[{index}]", mistakes)


def _check_credentials(credentials: CredentialsConfig, mistakes: Mistakes) -> None:
    given = [source for source in SOURCES if getattr(credentials, source) not in (None, False)]
    if len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        mistakes.add("credentials", f"give exactly one of {', '.join(SOURCES)}; {found}")
    if given and given[0].startswith("secret") and not credentials.appid:
        mistakes.add("credentials.appid", "is missing; a secret needs it")


def _check_mirror(mirror: MirrorConfig, key: str, mistakes: Mistakes) -> None:
    if not NAME.fullmatch(mirror.name):
        mistakes.add(f"{key}.name", "must be letters, digits, dots, dashes or underscores, at most 64")
    if not mirror.root.is_absolute():
        mistakes.add(f"{key}.root", "must be an absolute path")
    if not mirror.env:
        mistakes.add(f"{key}.env", "must not be empty")
    if problem := prefix_problem(mirror.prefix):
        mistakes.add(f"{key}.prefix", f"cannot stand before a key: {problem}")
    for index, rule in enumerate(mirror.ignore):
        if problem := rule_problem(rule):
            mistakes.add(f"{key}.ignore[{index}]", f"is no gitignore rule: {problem}")


def _check_pair(one: MirrorConfig, other: MirrorConfig, key: str, mistakes: Mistakes) -> None:
    if one.name == other.name:
        mistakes.add(f"{key}.name", f"{other.name} is there twice")
    if one.env == other.env and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)):
        mistakes.add(f"{key}.prefix", f"overlaps with that of mirror {one.name} in the same env")
    if _is_within(one.root, other.root) or _is_within(other.root, one.root):
        mistakes.add(f"{key}.root", f"is inside the root of mirror {one.name}, or the other way round")


def _is_within(path: Path, above: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(above))
