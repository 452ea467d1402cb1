"""Names what works and should be mended all the same. Refuses nothing.

ssh refuses files that others can read or change. Here they are warned of: containers, network shares and NAS boxes make
up modes and owners that nobody there can change, and a mirror that stands still helps nobody. A group's rights are the
operator's choice (and, where a file has an ACL such as systemd gives credentials, no rights of a group at all).
"""

from __future__ import annotations

import ipaddress
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tcbsync.config.load import host_and_port, is_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.config.schema import Config, HeartbeatConfig, WebhookConfig

CLOUD_RUN = Path("/.tencentcloudbase")
"""WeChat Cloud Run puts the token here; its mode is not the operator's, and nobody else is in that container."""


def warnings(config: Config, path: Path) -> list[str]:
    """Give a sentence for each thing to mend in a configuration that was loaded from `path`."""
    return [
        *_about_secrets(config, path),
        *_about_hands(config, path),
        *_about_the_state(config.state_dir),
        *_about_wires(config, path),
        *_about_prefixes(config, path),
        *_about_the_page(config, path),
    ]


def _about_secrets(config: Config, path: Path) -> Iterator[str]:
    if config.credentials.secret is not None:
        yield f"{path}: credentials.secret is written out; secret_file or secret_env keep it out of this file"
    files = _files(config)
    if held := _held_by(config):
        files[path] = held
    for file, what in files.items():
        if _mode(file) & stat.S_IROTH and not file.is_relative_to(CLOUD_RUN):
            yield f"{file} holds {what}, and everybody on this host can read it: chmod o-rwx {file}"
        for mirror in config.mirrors:
            if is_within(file, mirror.root):
                yield f"{file} holds {what} and lies in the root of mirror {mirror.name}: it would be published"


def _files(config: Config) -> dict[Path, str]:
    """Give the files that credentials come from, and what each of them holds."""
    named = {config.credentials.secret_file: "the secret", config.credentials.token_file: "the access token"}
    named |= {place.url_file: "the address of a webhook" for place in _places(config)}
    return {Path(os.path.expandvars(name)): what for name, what in named.items() if name is not None}


def _places(config: Config) -> list[WebhookConfig | HeartbeatConfig]:
    """Give everything that has an address which is a secret."""
    return [*config.notify.webhooks, *filter(None, [config.notify.heartbeat])]


def _held_by(config: Config) -> str:
    """Say what the configuration itself holds that is not for everybody; empty where it is nothing."""
    told = (
        (config.credentials.secret is not None, "the secret"),
        ("@" in (config.service.proxy or ""), "the proxy's password"),
        ("?" in (config.credentials.token_url or ""), "what the token server is asked with"),
        (any(place.url for place in _places(config)), "the address of a webhook"),
    )
    return next((what for is_there, what in told if is_there), "")


def _about_hands(config: Config, path: Path) -> Iterator[str]:
    """Warn of whoever can change what we believe: he can send our token and our files elsewhere."""
    for file, what in {path: "the configuration", **_files(config)}.items():
        if reason := _hand_of_another(Path(os.path.realpath(file))):
            yield f"{file} is {what}, and {reason}"


def _hand_of_another(file: Path) -> str:
    if _mode(file) & stat.S_IWOTH:
        return f"everybody on this host can change it: chmod o-w {file}"
    for each in (file, *file.parents):
        found = _stat(each)
        if found is not None and found.st_uid not in (0, os.geteuid()):
            return f"user {found.st_uid} can change it, who owns {each}: chown root {each}"
    for folder in file.parents:
        if _mode(folder) & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            return f"everybody on this host can put another in its place: chmod o-w {folder}"
    return ""


def _about_the_state(state_dir: Path) -> Iterator[str]:
    """Warn of a state directory that is not ours alone. It holds no secret, and decides what is deleted."""
    if _mode(state_dir) & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"the state directory {state_dir} can be changed by others: chmod 700 {state_dir}"
    elif _mode(state_dir) & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"the state directory {state_dir} can be read by others: chmod 700 {state_dir}"


def _mode(file: Path) -> int:
    found = _stat(file)
    return 0 if found is None else found.st_mode


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None  # who needs it will say what is wrong with it


def _about_wires(config: Config, path: Path) -> Iterator[str]:
    addresses = {"credentials.token_url": config.credentials.token_url or ""}
    if not config.credentials.no_token:
        addresses["service.api_base"] = config.service.api_base
    for key, address in addresses.items():
        if address.startswith("http://") and _is_public(urlsplit(address).hostname or ""):
            yield f"{path}: {key} is http:// to a public host: access tokens travel in the clear; use https://"
    for place in _places(config):
        address = place.url or ""
        if address.startswith("http://") and _is_public(urlsplit(address).hostname or ""):
            yield f"{path}: a url of notify is http:// to a public host: its key travels in the clear; use https://"


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:  # a name; without a dot, or under these, it is one of a private network
        return "." in host and not host.endswith((".local", ".localhost", ".internal", ".lan"))


def _about_prefixes(config: Config, path: Path) -> Iterator[str]:
    for mirror in config.mirrors:
        if mirror.prefix and not mirror.prefix.endswith("/"):
            end = f"{mirror.prefix}a.txt"
            yield f"{path}: the prefix of mirror {mirror.name} does not end in /: a.txt becomes {end} in the cloud"


def _about_the_page(config: Config, path: Path) -> Iterator[str]:
    if config.web is None:
        return
    host, _ = host_and_port(config.web.listen)
    try:
        is_ours = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_ours = host == "localhost" or host.endswith(".localhost")
    if not is_ours:
        yield (
            f"{path}: web.listen is not on loopback: whoever reaches {config.web.listen} sees the names of all files"
            " that changed, and images; it asks for no login"
        )
