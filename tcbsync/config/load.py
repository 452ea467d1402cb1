"""Loads a configuration, and refuses it with every mistake at once. What the options mean together is checked here."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tcbsync.config.reader import WRONG, Mistakes, compose, is_whole, read
from tcbsync.config.schema import Config
from tcbsync.core.errors import ConfigError
from tcbsync.core.ignore import rule_problem
from tcbsync.core.keys import prefix_problem
from tcbsync.core.timetable import clashes, minutes_of
from tcbsync.local.glance import glance

if TYPE_CHECKING:
    from tcbsync.config.schema import (
        CredentialsConfig,
        HeartbeatConfig,
        MirrorConfig,
        NotifyConfig,
        ServiceConfig,
        WebConfig,
        WebhookConfig,
    )

PLACES = (Path("config.yaml"), Path("/etc/tcbsync/config.yaml"))
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SOURCES = ("secret_env", "secret_file", "secret", "token_file", "token_command", "token_url", "no_token")
WEB = re.compile(r"https?://[^/?#\s@]+(/[^?#\s]*)?")
URL_SOURCES = ("url", "url_env", "url_file")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
HOOK = re.compile(r"https?://[^/?#\s@]+([/?]\S*)?")
SECRET = re.compile(r"[0-9a-f]{32}")
"""WeChat's app secrets. One that is put where its name belongs would be shown as "not found"."""
HOST = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?")
PROXY = re.compile(r"https?://([^/?#\s@]+@)?[^/?#\s@]+/?")


def find_config(given: Path | None) -> Path:
    """Say which file is the configuration: the one given, `$TCBSYNC_CONFIG`, or the first of PLACES that is there.

    Raises ConfigError where there is none.
    """
    if given is not None:
        return given
    if named := os.environ.get("TCBSYNC_CONFIG"):
        return Path(named)
    for place in PLACES:
        if _is_there(place):
            return place
    raise ConfigError(
        f"no configuration: neither {' nor '.join(map(str, PLACES))} is there",
        hint="name one with -c CONFIG or $TCBSYNC_CONFIG; config.example.yaml shows every option",
    )


def load(path: Path) -> Config:
    """Read and check a configuration. Raises ConfigError with every mistake that was found."""
    mistakes = Mistakes(str(path))
    return _loaded(_text(path, mistakes), mistakes)


def load_text(text: str, name: str) -> Config:
    """Check the text of a configuration, which mistakes call `name`. Raises ConfigError."""
    return _loaded(text, Mistakes(name))


def _loaded(text: str | None, mistakes: Mistakes) -> Config:
    node = None if text is None else compose(text, mistakes)
    config = WRONG if node is None else read(node, Config, "", mistakes)
    if isinstance(config, Config):
        _check(config, mistakes)
    if mistakes or not isinstance(config, Config):
        raise ConfigError("the configuration is wrong:", mistakes=mistakes.sentences())
    return config


def state_dir_of(path: Path) -> Path | None:
    """Say which state directory a configuration names, however wrong the rest of it is. None: that cannot be told."""
    mistakes = Mistakes(str(path))
    text = _text(path, mistakes)
    node = None if text is None else compose(text, mistakes)
    config = WRONG if node is None else read(node, Config, "", mistakes)
    return config.state_dir if isinstance(config, Config) and isinstance(config.state_dir, Path) else None


def lines_of(path: Path) -> dict[str, int]:
    """Say at which line of a configuration each key is: `mirrors[0].ignore[1]`. What cannot be read has none."""
    mistakes = Mistakes(str(path))
    with contextlib.suppress(ConfigError):
        text = _text(path, mistakes)
        node = None if text is None else compose(text, mistakes)
        if node is not None:
            read(node, Config, "", mistakes)
    return mistakes.lines


def _text(path: Path, mistakes: Mistakes) -> str | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        mistakes.lines[""] = data.count(b"\n", 0, error.start) + 1
        mistakes.add("", f"not UTF-8: {error.reason} (byte 0x{data[error.start]:02x})")
        return None


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True  # it may be; reading it says what is in the way
    except OSError:
        return False
    return True


def _check(config: Config, mistakes: Mistakes) -> None:
    if config.mirrors == ():
        mistakes.add("mirrors", "name at least one")
    if config.state_dir is not WRONG and not config.state_dir.is_absolute():
        mistakes.add("state_dir", "must be an absolute path")
    _check_service(config.service, mistakes)
    _check_bandwidth(config.service, mistakes)
    _check_credentials(config.credentials, mistakes)
    if config.web is not None:
        _check_web(config.web, mistakes)
    _check_notify(config.notify, mistakes)
    if config.mirrors is WRONG:
        return
    whole = [(index, mirror) for index, mirror in enumerate(config.mirrors) if is_whole(mirror)]
    roots = {mirror.root: _real(mirror.root) for _, mirror in whole}
    state_dir = None if config.state_dir is WRONG else _real(config.state_dir)
    for index, mirror in whole:
        _check_mirror(mirror, f"mirrors[{index}]", mistakes)
        if state_dir is not None and state_dir.is_relative_to(roots[mirror.root]):
            mistakes.add("state_dir", f"must not be inside the root of mirror {mirror.name}: it would be mirrored too")
    for (_, one), (index, other) in combinations(whole, 2):
        _check_pair(one, other, f"mirrors[{index}]", mistakes)
        is_inside = roots[other.root].is_relative_to(roots[one.root])
        is_around = roots[one.root].is_relative_to(roots[other.root])
        if is_inside or is_around:
            how = "is the same as" if is_inside and is_around else "is inside" if is_inside else "is around"
            mistakes.add(f"mirrors[{index}].root", f"{how} the root of mirror {one.name}")


def _check_service(service: ServiceConfig, mistakes: Mistakes) -> None:
    if not (WEB.fullmatch(service.api_base) and _has_host(service.api_base)):
        mistakes.add("service.api_base", "must be a URL that begins with https:// or http://, with no ? in it")
    if service.proxy is not None and not (PROXY.fullmatch(service.proxy) and _has_host(service.proxy)):
        mistakes.add("service.proxy", "must be http://HOST:PORT, maybe with USER:PASSWORD@ before the host")


def _check_web(web: WebConfig, mistakes: Mistakes) -> None:
    try:
        host_and_port(web.listen)
    except ValueError:
        mistakes.add("web.listen", "must be HOST:PORT, with an IPv6 address in brackets: 127.0.0.1:8071, [::1]:8071")
    for index, host in enumerate(web.hosts):
        if not HOST.fullmatch(host):
            mistakes.add(f"web.hosts[{index}]", "must be a host's name or address, without a port")


def _check_notify(notify: NotifyConfig, mistakes: Mistakes) -> None:
    for index, webhook in enumerate(notify.webhooks):
        if webhook is not WRONG:
            _check_address(webhook, f"notify.webhooks[{index}]", mistakes)
    if notify.heartbeat is not None:
        _check_address(notify.heartbeat, "notify.heartbeat", mistakes)


def _check_address(place: WebhookConfig | HeartbeatConfig, key: str, mistakes: Mistakes) -> None:
    """Check where an address comes from. It is a secret, and never shown."""
    given = [source for source in URL_SOURCES if getattr(place, source) is not None]
    if len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        mistakes.add(key, f"give exactly one of {', '.join(URL_SOURCES)}; {found}")
    for source in given:
        value = getattr(place, source)
        if source == "url" and not is_address(value):
            mistakes.add(f"{key}.url", "must be a URL that begins with https:// or http://, with no login in it")
        if source == "url_env" and value and "://" not in value and not VARIABLE.fullmatch(value):
            mistakes.add(f"{key}.url_env", "must be the name of a variable of the environment")
        if source != "url" and (not value or "://" in value or (source == "url_file" and "?" in value)):
            looks = "looks like the address itself" if value else "is empty"
            mistakes.add(f"{key}.{source}", f"must be the name of where the address is, and {looks}")


def is_address(text: str) -> bool:
    """Whether a text is an address that can be posted to."""
    return bool(HOOK.fullmatch(text)) and _has_host(text)


def host_and_port(listen: str) -> tuple[str, int]:
    """Take HOST:PORT apart. Raises ValueError where it is none."""
    parts = urlsplit(f"//{listen}")
    if not parts.hostname or parts.port is None or parts.netloc != listen or "@" in listen:
        raise ValueError(listen)
    return parts.hostname, parts.port


def _check_bandwidth(service: ServiceConfig, mistakes: Mistakes) -> None:
    if not isinstance(service.bandwidth, Mapping):
        return
    key, times = "service.bandwidth", service.bandwidth
    if not times:
        mistakes.add(key, "name at least one time, or a number of bytes a second")
    right = {}
    for time in times:
        try:
            right[time] = minutes_of(time)
        except ValueError as problem:
            mistakes.add(f"{key}.{time}", str(problem))
    for time, earlier in clashes(right).items():
        mistakes.add(f"{key}.{time}", f"is at the same time as {earlier}")


def _has_host(address: str) -> bool:
    """Whether the host and the port of an address can be told: half a bracket, or a port that is none, cannot."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_credentials(credentials: CredentialsConfig, mistakes: Mistakes) -> None:
    given = [source for source in SOURCES if getattr(credentials, source) not in (None, False)]
    if len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        mistakes.add("credentials", f"give exactly one of {', '.join(SOURCES)}; {found}")
    for source in given:
        if not getattr(credentials, source):
            mistakes.add(f"credentials.{source}", "must not be empty")
    if any(source.startswith("secret") for source in given) and not credentials.appid:
        mistakes.add("credentials.appid", "is missing; a secret needs it")
    for source in ("secret_env", "secret_file", "token_file"):
        if SECRET.fullmatch(getattr(credentials, source) or ""):
            mistakes.add(f"credentials.{source}", "must be a name, and looks like the secret itself")
    if credentials.token_url and not (WEB.match(credentials.token_url) and _has_host(credentials.token_url)):
        mistakes.add("credentials.token_url", "must be a URL that begins with https:// or http://")


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


def is_within(path: Path, above: Path) -> bool:
    """Whether `path` is `above` or lies beneath it, whatever links lead there."""
    return _real(path).is_relative_to(_real(above))


def _real(path: Path) -> Path:
    """Follow the links; not where a disk does not answer: that is no reason not to start."""
    try:
        return Path(glance(str(path), partial(os.path.realpath, path)))
    except TimeoutError:
        return Path(os.path.abspath(path))  # noqa: PTH100 - it takes out dots, and looks at nothing
