"""From the configuration's words to a source of access tokens, and to the addresses of webhooks.

Reads secrets, and hands them on to nobody else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.cloud.sources import CommandSource, FileSource, NoToken, SecretSource, UrlSource
from tcbsync.config.load import is_address
from tcbsync.core.errors import ConfigError

if TYPE_CHECKING:
    from tcbsync.cloud.tokens import TokenSource
    from tcbsync.config.schema import CredentialsConfig, HeartbeatConfig, WebhookConfig


def token_source(credentials: CredentialsConfig) -> TokenSource:
    """Give the source that the configuration names. Raises ConfigError where its secret cannot be had."""
    if credentials.no_token:
        return NoToken()
    if credentials.token_file is not None:
        return FileSource(os.path.expandvars(credentials.token_file))
    if credentials.token_command is not None:
        return CommandSource(credentials.token_command)
    if credentials.token_url is not None:
        return UrlSource(credentials.token_url)
    assert credentials.appid is not None, "checked when the configuration was loaded"
    secret = _secret(credentials)
    if credentials.token_call == "stable_token":  # noqa: S105 - the name of a call
        return SecretSource(credentials.appid, secret, "stable")
    return SecretSource(credentials.appid, secret, "plain")


def _secret(credentials: CredentialsConfig) -> str:
    given = (credentials.secret, credentials.secret_env, credentials.secret_file)
    return read_secret("the secret", "credentials.secret", given, hint="the app's secret is on mp.weixin.qq.com")


def address(place: WebhookConfig | HeartbeatConfig, key: str) -> str:
    """Give the address of a webhook or a heartbeat, which `key` names. Raises ConfigError where it cannot be had."""
    text = read_secret("the address", f"{key}.url", (place.url, place.url_env, place.url_file))
    if not is_address(text):
        raise ConfigError(f"the address that {key} names is none", hint="it begins with https:// or http://")
    return text


def read_secret(what: str, key: str, given: tuple[str | None, str | None, str | None], hint: str = "") -> str:
    """Give what is written out, or in a variable of the environment, or in a file: the first that is not None.

    `key`, `key`_env and `key`_file are the options that say so. Raises ConfigError.
    """
    plain, variable, name = given
    if plain is not None:
        text, where = plain, key
    elif variable is not None:
        where = f"the environment variable {variable} ({key}_env)"
        text = os.environ.get(variable, "")
    else:
        path = Path(os.path.expandvars(name or ""))
        where = f"{name} ({key}_file)"  # as it is written: what a variable in it holds may be the secret itself
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text"
            unset = "a variable in it is not set" if "$" in str(path) else ""
            raise ConfigError(f"{what} cannot be read from {where}: {reason}", hint=unset) from None
    if not text.strip():
        raise ConfigError(f"{what} is empty or missing: {where}", hint=hint)
    return text.strip()
