"""From the configuration's words to a source of access tokens. Reads the secret, and hands it on to nobody else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.cloud.sources import CommandSource, FileSource, NoToken, SecretSource, UrlSource
from tcbsync.core.errors import ConfigError

if TYPE_CHECKING:
    from tcbsync.cloud.tokens import TokenSource
    from tcbsync.config.schema import CredentialsConfig


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
    if credentials.secret is not None:
        secret, where = credentials.secret, "credentials.secret"
    elif credentials.secret_env is not None:
        where = f"the environment variable {credentials.secret_env} (credentials.secret_env)"
        secret = os.environ.get(credentials.secret_env, "")
    else:
        path = Path(os.path.expandvars(credentials.secret_file or ""))
        where = f"{path} (credentials.secret_file)"
        try:
            secret = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text"
            hint = "a variable in it is not set" if "$" in str(path) else ""
            raise ConfigError(f"the secret cannot be read from {where}: {reason}", hint=hint) from None
    if not secret.strip():
        raise ConfigError(f"the secret is empty or missing: {where}", hint="the app's secret is on mp.weixin.qq.com")
    return secret.strip()
