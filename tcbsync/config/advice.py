"""Names what works and should be mended all the same. Refuses nothing."""

from __future__ import annotations

import ipaddress
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tcbsync.config.load import is_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.config.schema import Config


def warnings(config: Config, path: Path) -> list[str]:
    """Give a sentence for each thing to mend in a configuration that was loaded from `path`."""
    return [*_about_secrets(config, path), *_about_wires(config, path), *_about_prefixes(config, path)]


def _about_secrets(config: Config, path: Path) -> Iterator[str]:
    credentials = config.credentials
    files: dict[Path, str] = {}
    if credentials.secret is not None:
        yield f"{path}: credentials.secret is written out; secret_file or secret_env keep it out of this file"
        files[path] = "the secret"
    if credentials.secret_file is not None:
        files[Path(os.path.expandvars(credentials.secret_file))] = "the secret"
    for file, what in files.items():
        if _is_open_to_all(file):
            yield f"{file} holds {what}, and everybody on this machine can read it: chmod o-rwx {file}"
    if credentials.token_file is not None:  # its mode is up to whoever renews it
        files[Path(os.path.expandvars(credentials.token_file))] = "the access token"
    for file, what in files.items():
        for mirror in config.mirrors:
            if is_within(file, mirror.root):
                yield f"{file} holds {what} and lies in the root of mirror {mirror.name}: it would be published"


def _is_open_to_all(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False  # who needs it will say what is wrong with it


def _about_wires(config: Config, path: Path) -> Iterator[str]:
    addresses = {"credentials.token_url": config.credentials.token_url or ""}
    if not config.credentials.no_token:
        addresses["service.api_base"] = config.service.api_base
    for key, address in addresses.items():
        if address.startswith("http://") and _is_public(urlsplit(address).hostname or ""):
            yield f"{path}: {key} is http:// to a public host: access tokens travel in the clear; use https://"


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
